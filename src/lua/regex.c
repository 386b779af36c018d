#include "lua/rows.h"

#define BEFORE 60 /* characters of a long pattern that are shown around the place */

static size_t forward (const char *s, size_t at, size_t len) {
  while (at < len && ((unsigned char)s[at] & 0xc0) == 0x80)
    at++;
  return at;
}

/* The pattern with a caret under the place: one line each, whatever is in the pattern. */
static void addcaret (pyr_buffer *b, const char *pattern, size_t len, size_t where) {
  size_t from = where > BEFORE ? forward(pattern, where - BEFORE, len) : 0, i,
         column = 0;
  size_t to = len - from > 2 * BEFORE ? forward(pattern, from + 2 * BEFORE, len) : len;
  if (from != 0) pyr_buffer_text(b, "...");
  for (i = from; i < to;) {
    unsigned n = pyr_utf8_length(pattern + i, len - i);
    if (i < where) column++;
    if (n == 0 || (unsigned char)pattern[i] < 0x20 || pattern[i] == 0x7f) {
      pyr_buffer_char(b, '?');
      i++;
    } else {
      pyr_buffer_add(b, pattern + i, n);
      i += n;
    }
  }
  pyr_buffer_text(b, to != len ? "...\n" : "\n");
  if (from != 0) column += 3;
  while (column-- != 0)
    pyr_buffer_char(b, ' ');
  pyr_buffer_text(b, "^\n");
}

int pyr_lua_patternerror (lua_State *L, const pyr_error *e, const char *pattern,
                          size_t len) {
  pyr_buffer *b;
  if (e->status != PYR_EUSAGE) return pyr_lua_error(L, e);
  lua_pushfstring(L, "bad pattern: %s", e->message);
  b = pyr_lua_buffer(L);
  if (e->where <= len) addcaret(b, pattern, len, e->where);
  pyr_buffer_text(b, "patterns have RE2's syntax, as in pprof and Pyroscope");
  if (b->status != PYR_OK) return luaL_error(L, "not enough memory");
  pyr_lua_fail(L, "usage", lua_tostring(L, -2), "bad_pattern", b->data);
  if (e->where <= len) {
    lua_pushinteger(L, (lua_Integer)e->where);
    lua_setfield(L, -2, "where");
  }
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

pyr_regex *pyr_lua_newregex (lua_State *L, const char *pattern, size_t len,
                             bool anchored) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_regex *r = lua_newuserdatauv(L, sizeof *r, 0);
  r->code = r->match = r->context = NULL;
  luaL_setmetatable(L, PYR_REGEX_T);
  if (pyr_regex_compile(r, pattern, len, anchored, &e) == PYR_OK) {
    pyr_lua_born(L);
    return r;
  }
  pyr_lua_patternerror(L, &e, pattern, len);
  return NULL;
}

static int core_regex (lua_State *L) {
  size_t len;
  const char *pattern = luaL_checklstring(L, 1, &len);
  static const char *const known[] = {"anchored", NULL};
  bool anchored = false;
  pyr_lua_options(L, 2, known);
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
static const luaL_Reg methods[] = {
    {"test", regex_test}, {"close", regex__gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"regex", core_regex}, {NULL, NULL}};

void pyr_lua_open_regex (lua_State *L) {
  pyr_lua_type(L, PYR_REGEX_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
