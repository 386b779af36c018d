#include "lua/rows.h"

/* Error of a pattern with a caret under the place. */
int pyr_lua_patternerror (lua_State *L, const pyr_error *e, const char *pattern) {
  size_t where = e->where, i;
  luaL_Buffer b;
  if (e->status != PYR_EUSAGE) return pyr_lua_error(L, e);
  lua_pushfstring(L, "bad pattern: %s", e->message);
  luaL_buffinit(L, &b);
  luaL_addstring(&b, pattern);
  luaL_addchar(&b, '\n');
  for (i = 0; where != PYR_NOWHERE && i < where; i++)
    if (((unsigned char)pattern[i] & 0xc0) != 0x80) luaL_addchar(&b, ' ');
  luaL_addstring(&b, "^\nRE2's syntax, as in pprof and Pyroscope");
  luaL_pushresult(&b);
  pyr_lua_fail(L, "usage", lua_tostring(L, -2), "bad_pattern", lua_tostring(L, -1));
  return 2;
}

static pyr_regex *checkregex (lua_State *L, int arg) {
  pyr_regex *r = luaL_checkudata(L, arg, PYR_REGEX_T);
  if (r->code == NULL) luaL_error(L, "regex is closed");
  return r;
}

static int regex__gc (lua_State *L) {
  pyr_regex *r = luaL_checkudata(L, 1, PYR_REGEX_T);
  if (r->code != NULL) {
    pyr_regex_free(r);
    pyr_lua_dead(L);
  }
  return 0;
}

static int regex_test (lua_State *L) {
  pyr_regex *r = checkregex(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  bool matches;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_regex_test(r, text, len, &matches, &e) != PYR_OK) return pyr_lua_error(L, &e);
  lua_pushboolean(L, matches);
  return 1;
}

static int regex__tostring (lua_State *L) {
  pyr_regex *r = luaL_checkudata(L, 1, PYR_REGEX_T);
  lua_pushstring(L, r->code == NULL ? "regex (closed)" : "regex");
  return 1;
}

pyr_regex *pyr_lua_newregex (lua_State *L, const char *pattern, size_t len, bool anchored) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_regex *r = lua_newuserdatauv(L, sizeof *r, 0);
  r->code = r->match = r->context = NULL;
  luaL_setmetatable(L, PYR_REGEX_T);
  if (pyr_regex_compile(r, pattern, len, anchored, &e) == PYR_OK) {
    pyr_lua_born(L);
    return r;
  }
  pyr_lua_patternerror(L, &e, pattern);
  return NULL;
}

static int core_regex (lua_State *L) {
  size_t len;
  const char *pattern = luaL_checklstring(L, 1, &len);
  bool anchored = false;
  if (lua_istable(L, 2)) {
    lua_getfield(L, 2, "anchored");
    anchored = lua_toboolean(L, -1);
  }
  return pyr_lua_newregex(L, pattern, len, anchored) == NULL ? 2 : 1;
}

static const luaL_Reg metamethods[] = {{"__gc", regex__gc},
                                       {"__close", regex__gc},
                                       {"__tostring", regex__tostring},
                                       {NULL, NULL}};
static const luaL_Reg methods[] = {{"test", regex_test}, {"close", regex__gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"regex", core_regex}, {NULL, NULL}};

void pyr_lua_open_regex (lua_State *L) {
  pyr_lua_type(L, PYR_REGEX_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
