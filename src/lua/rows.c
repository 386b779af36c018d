#include "lua/rows.h"

#include <stdlib.h>
#include <string.h>

#define GROUPS_T "pyroscope.groups"

static int groups__gc (lua_State *L) {
  pyr_luagroups *s = luaL_checkudata(L, 1, GROUPS_T);
  pyr_grouping_free(&s->g);
  free(s->w);
  free(s->frames);
  free(s->rows);
  memset(s, 0, sizeof *s);
  return 0;
}

pyr_luagroups *pyr_lua_newgroups (lua_State *L) {
  return pyr_lua_temporary(L, GROUPS_T, sizeof(pyr_luagroups), groups__gc);
}

pyr_status pyr_lua_weighgroups (pyr_luagroups *s, const pyr_profile *p,
                                pyr_granularity by, pyr_error *e) {
  if (pyr_grouping_init(&s->g, p, by, e) != PYR_OK) return e->status;
  s->w = calloc(s->g.count + 1u, sizeof *s->w);
  if (s->w == NULL) return pyr_nomemory(e);
  if (pyr_profile_weigh(p, s->g.of, s->w, &s->other, e) != PYR_OK) return e->status;
  return pyr_grouping_frames(&s->g, &s->frames, e);
}

static void settext (lua_State *L, const char *key, const pyr_string *s) {
  lua_pushlstring(L, s->bytes, s->length);
  lua_setfield(L, -2, key);
}

static void setlines (lua_State *L, const pyr_frame *f) {
  if (f->line != 0) pyr_lua_setinteger(L, "line", f->line);
  if (f->start_line != 0) pyr_lua_setinteger(L, "start_line", f->start_line);
}

void pyr_lua_setframe (lua_State *L, const pyr_profile *p, const pyr_frame *f) {
  settext(L, "name", p->strings + f->name);
  if (f->file != 0) settext(L, "file", p->strings + f->file);
  setlines(L, f);
}

void pyr_lua_setplace (lua_State *L, const pyr_luagroups *s, uint32_t group) {
  const pyr_profile *p = s->g.p;
  const pyr_frame *f;
  settext(L, "name", s->g.names + group);
  if (s->frames[group] == UINT32_MAX || s->g.by == PYR_BY_PACKAGE) return;
  f = p->frames + s->frames[group];
  if (f->file != 0) settext(L, "file", p->strings + f->file);
  if (s->g.by != PYR_BY_FILE) setlines(L, f);
}

int pyr_lua_nolines (lua_State *L) {
  return pyr_lua_fail(L, "unsupported", "the profile has no lines", "no_lines",
                      "lines need a pprof profile read with granularity = \"line\"");
}

pyr_granularity pyr_lua_checkgroup (lua_State *L, int arg, const char *key) {
  static const char *const names[] = {"function", "line", "file", "package", NULL};
  pyr_granularity by = PYR_BY_FUNCTION;
  if (key == NULL) return (pyr_granularity)luaL_checkoption(L, arg, NULL, names);
  if (!lua_istable(L, arg)) return by;
  if (lua_getfield(L, arg, key) != LUA_TNIL)
    by = (pyr_granularity)luaL_checkoption(L, -1, NULL, names);
  lua_pop(L, 1);
  return by;
}

void *pyr_lua_scratch (lua_State *L, size_t count, size_t size) {
  void *p = lua_newuserdatauv(L, (count + 1) * size, 0);
  memset(p, 0, (count + 1) * size);
  return p;
}

static int freescratch (lua_State *L) {
  void **block = lua_touserdata(L, 1);
  free(*block);
  *block = NULL;
  return 0;
}

void **pyr_lua_owner (lua_State *L) {
  return pyr_lua_temporary(L, "pyroscope.block", sizeof(void *), freescratch);
}

void pyr_lua_options (lua_State *L, int arg, const char *const *known) {
  luaL_Buffer b;
  size_t i;
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0; i++) {
    }
    if (known[i] != NULL) continue;
    luaL_buffinit(L, &b);
    for (i = 0; known[i] != NULL; i++) {
      if (i != 0) luaL_addstring(&b, ", ");
      luaL_addstring(&b, known[i]);
    }
    luaL_pushresult(&b);
    luaL_error(L, "unknown option '%s' (known: %s)", key, lua_tostring(L, -1));
  }
}

double pyr_lua_share (int64_t part, int64_t whole) {
  return whole == 0 ? 0 : (double)part / (double)whole;
}

void pyr_lua_setinteger (lua_State *L, const char *key, lua_Integer v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, key);
}

void pyr_lua_setnumber (lua_State *L, const char *key, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, key);
}
