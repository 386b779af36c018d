#include "lua/rows.h"

#include <stdlib.h>
#include <string.h>

#include "lua/walk.h"
#include "profile/sorted.h"
#include "render/render.h"

pyr_luaprofile *pyr_lua_newprofile (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_new(L, PYR_PROFILE_T, sizeof *p, 1);
  p->divisor = 1;
  return p;
}

pyr_luaprofile *pyr_lua_profile (lua_State *L, int arg) {
  pyr_luaprofile *p = luaL_checkudata(L, arg, PYR_PROFILE_T);
  if (p->p.nodes == NULL) luaL_error(L, "profile is closed");
  return p;
}

static int profile__gc (lua_State *L) {
  pyr_luaprofile *p = luaL_checkudata(L, 1, PYR_PROFILE_T);
  if (p->divisor != 0) {
    pyr_profile_free(&p->p);
    p->divisor = 0; /* counted as dead */
    pyr_lua_dead(L);
  }
  return 0;
}

static int profile__len (lua_State *L) {
  lua_pushinteger(L, pyr_lua_profile(L, 1)->p.count);
  return 1;
}

/* Rounded half away from zero; values are never negative. */
lua_Integer pyr_lua_divided (const pyr_luaprofile *p, int64_t v) {
  int64_t q = v / p->divisor, r = v % p->divisor;
  return q + (r >= p->divisor - r && r != 0);
}

bool pyr_lua_metafield (lua_State *L, int arg, const char *key) {
  if (lua_getiuservalue(L, arg, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return false;
  }
  lua_getfield(L, -1, key);
  lua_remove(L, -2);
  return !lua_isnil(L, -1);
}

static uint32_t functions (lua_State *L, const pyr_profile *p) {
  uint32_t other = p->cut ? pyr_profile_other_name(p) : UINT32_MAX, i, n = 0;
  bool *seen = pyr_lua_scratch(L, p->string_count, 1);
  for (i = 1; i < p->count; i++) {
    uint32_t name = p->frames[p->nodes[i].frame].name;
    if (seen[name] || (name == other && pyr_profile_is_other(p, i))) continue;
    seen[name] = true;
    n++;
  }
  lua_pop(L, 1);
  return n;
}

static const char *const granularities[] = {"function", "line", "file", "package"};

static int profile__index (lua_State *L) {
  pyr_luaprofile *p;
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "methods");
  if (lua_getfield(L, -1, key) != LUA_TNIL) return 1;
  p = pyr_lua_profile(L, 1);
  if (strcmp(key, "total") == 0)
    lua_pushinteger(L, pyr_lua_divided(p, p->p.nodes[0].total));
  else if (strcmp(key, "sum") == 0)
    lua_pushinteger(L, p->p.nodes[0].total);
  else if (strcmp(key, "granularity") == 0)
    lua_pushstring(L, granularities[p->p.granularity]);
  else if (strcmp(key, "levels") == 0)
    lua_pushinteger(L, p->p.levels);
  else if (strcmp(key, "functions") == 0)
    lua_pushinteger(L, functions(L, &p->p));
  else if (strcmp(key, "divisor") == 0)
    lua_pushinteger(L, p->divisor);
  else if (strcmp(key, "meta") == 0) {
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) lua_newtable(L);
  } else
    pyr_lua_metafield(L, 1, key);
  return 1;
}

int pyr_lua_describe (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  lua_Integer profiles = 0;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_getfield(L, 2, "profiles");
  if (!lua_isnil(L, -1)) profiles = luaL_checkinteger(L, -1);
  lua_getfield(L, 2, "sum");
  lua_getfield(L, 2, "kind");
  p->divisor = 1;
  if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "stock") == 0 &&
      !lua_toboolean(L, -2) && profiles >= 1)
    p->divisor = profiles;
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  return 1;
}

/* A profile made from the one at 'arg' keeps what it is. Pushes the result. */
pyr_luaprofile *pyr_lua_derived (lua_State *L, int arg) {
  const pyr_luaprofile *from = pyr_lua_profile(L, arg);
  pyr_luaprofile *to = pyr_lua_newprofile(L);
  to->divisor = from->divisor;
  lua_getiuservalue(L, arg, 1);
  lua_setiuservalue(L, -2, 1);
  return to;
}

int pyr_lua_pushderived (lua_State *L, pyr_luaprofile *to, pyr_status status,
                         const pyr_error *e) {
  if (status != PYR_OK) return pyr_lua_error(L, e);
  pyr_lua_weigh(L, pyr_profile_bytes(&to->p));
  return 1;
}

static int walknext (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, lua_upvalueindex(1));
  const pyr_node *n;
  const pyr_frame *f;
  uint32_t at = pyr_lua_walked(L, &p->p);
  if (at == UINT32_MAX) return 0;
  n = p->p.nodes + at;
  f = p->p.frames + n->frame;
  lua_pushinteger(L, pyr_lua_divided(p, n->self));
  lua_pushinteger(L, pyr_lua_divided(p, n->total));
  if (f->file != 0)
    lua_pushlstring(L, p->p.strings[f->file].bytes, p->p.strings[f->file].length);
  else
    lua_pushnil(L);
  if (f->line != 0)
    lua_pushinteger(L, f->line);
  else
    lua_pushnil(L);
  return 6;
}

static int profile_walk (lua_State *L) {
  return pyr_lua_walk(L, &pyr_lua_profile(L, 1)->p, walknext);
}

static int profile_coverage (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  int64_t other = pyr_profile_other(&p->p);
  lua_createtable(L, 0, 3);
  pyr_lua_setinteger(L, "other", pyr_lua_divided(p, other));
  pyr_lua_setnumber(L, "other_share", pyr_lua_share(other, p->p.nodes[0].total));
  lua_pushboolean(L, other != 0);
  lua_setfield(L, -2, "truncated");
  return 1;
}

/* ---- what print shows ---- */

/* Names are data: a terminal must not obey them. */
static void addname (pyr_buffer *b, const pyr_string *s) {
  uint32_t i;
  char *to = pyr_buffer_room(b, s->length);
  for (i = 0; to != NULL && i < s->length; i++) {
    unsigned char c = (unsigned char)s->bytes[i];
    pyr_buffer_char(b, c < 0x20 || c == 0x7f ? '?' : (char)c);
  }
}

static void addshare (pyr_buffer *b, int64_t part, int64_t whole) {
  double percent = 100 * pyr_lua_share(part, whole);
  pyr_buffer_text(b, percent < 10 ? "\n    " : percent < 100 ? "\n   " : "\n  ");
  pyr_buffer_fixed(b, percent, 1);
  pyr_buffer_char(b, '%');
}

static const char *metatext (lua_State *L, const char *key) {
  return pyr_lua_metafield(L, 1, key) && lua_type(L, -1) == LUA_TSTRING
             ? lua_tostring(L, -1)
             : NULL;
}

#define SHOWN 5

static int profile__tostring (lua_State *L) {
  pyr_luaprofile *p = luaL_checkudata(L, 1, PYR_PROFILE_T);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  const char *type;
  pyr_buffer *b;
  pyr_luagroups *s;
  uint32_t i;
  if (p->p.nodes == NULL) {
    lua_pushliteral(L, "profile (closed)");
    return 1;
  }
  lua_settop(L, 1);
  type = metatext(L, "profile_type");
  b = pyr_lua_buffer(L);
  s = pyr_lua_newgroups(L);
  s->count = SHOWN;
  if (pyr_lua_weighgroups(s, &p->p, PYR_BY_FUNCTION, &e) != PYR_OK ||
      pyr_profile_top(&s->g, s->w, false, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return luaL_error(L, "%s", e.message);
  pyr_buffer_text(b, "profile");
  if (type != NULL) {
    pyr_buffer_char(b, ' ');
    pyr_buffer_text(b, type);
  }
  pyr_buffer_text(b, ", total ");
  pyr_render_quantity(b, pyr_lua_divided(p, p->p.nodes[0].total), metatext(L, "unit"));
  pyr_buffer_text(b, ", ");
  pyr_buffer_uint(b, s->all);
  pyr_buffer_text(b, s->all == 1 ? " function" : " functions");
  for (i = 0; i < s->count; i++) {
    addshare(b, s->w[s->rows[i]].self, p->p.nodes[0].total);
    pyr_buffer_text(b, "  ");
    addname(b, s->g.names + s->rows[i]);
  }
  return pyr_lua_pushbuffer(L, b);
}

static const luaL_Reg metamethods[] = {{"__gc", profile__gc},
                                       {"__close", profile__gc},
                                       {"__len", profile__len},
                                       {"__index", profile__index},
                                       {"__tostring", profile__tostring},
                                       {NULL, NULL}};

static const luaL_Reg methods[] = {{"describe", pyr_lua_describe},
                                   {"walk", profile_walk},
                                   {"coverage", profile_coverage},
                                   {"close", profile__gc},
                                   {NULL, NULL}};

void pyr_lua_open_profile (lua_State *L) {
  pyr_lua_type(L, PYR_PROFILE_T, metamethods, methods);
  lua_getfield(L, -1, "methods"); /* module, metatable, methods */
  pyr_lua_add_rows(L);
  pyr_lua_add_derived(L);
  pyr_lua_add_formats(L);
  lua_pop(L, 2);
}
