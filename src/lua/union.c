#include "lua/union.h"

#include <string.h>

#include "lua/rows.h"
#include "profile/package.h"

pyr_luaunion *pyr_lua_union (lua_State *L) {
  pyr_luaunion *u = luaL_checkudata(L, 1, PYR_UNION_T);
  if (u->f.shape == NULL) luaL_error(L, "union is closed");
  return u;
}

/* Born closed; counted as alive by pyr_lua_filledunion. */
static pyr_luaunion *newunion (lua_State *L, uint32_t k) {
  pyr_luaunion *u = lua_newuserdatauv(L, sizeof *u + k, 2);
  memset(u, 0, sizeof *u + k);
  luaL_setmetatable(L, PYR_UNION_T);
  return u;
}

int pyr_lua_filledunion (lua_State *L, const pyr_luaunion *u) {
  pyr_lua_born(L);
  pyr_lua_weigh(L, pyr_forest_bytes(&u->f));
  return 1;
}

pyr_luaunion *pyr_lua_newview (lua_State *L, const pyr_luaunion *u) {
  pyr_luaunion *view = newunion(L, u->f.shape->k);
  memcpy(view->side, u->side, u->f.shape->k);
  lua_getiuservalue(L, 1, 1);
  lua_setiuservalue(L, -2, 1);
  lua_getiuservalue(L, 1, 2);
  lua_setiuservalue(L, -2, 2);
  return view;
}

static int union__gc (lua_State *L) {
  pyr_luaunion *u = luaL_checkudata(L, 1, PYR_UNION_T);
  if (u->f.shape != NULL) {
    pyr_forest_free(&u->f);
    pyr_lua_dead(L);
  }
  return 0;
}

static int union__index (lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "methods");
  if (lua_getfield(L, -1, key) != LUA_TNIL) return 1;
  pyr_lua_union(L);
  if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) return 0;
  lua_getfield(L, -1, key);
  return 1;
}

static int union__tostring (lua_State *L) {
  pyr_luaunion *u = luaL_checkudata(L, 1, PYR_UNION_T);
  if (u->f.shape == NULL)
    lua_pushliteral(L, "union (closed)");
  else
    lua_pushfstring(L, "union (%I samples, %I nodes, %I functions%s)",
                    (lua_Integer)u->f.shape->k, (lua_Integer)u->f.shape->count,
                    (lua_Integer)u->f.shape->functions,
                    u->f.gone == NULL ? "" : ", some taken out");
  return 1;
}

/* ---- building ---- */

#define PLANTING_T "pyroscope.planting"

static int planting__gc (lua_State *L) {
  pyr_planting_free(luaL_checkudata(L, 1, PLANTING_T));
  return 0;
}

static pyr_planting *newplanting (lua_State *L) {
  return pyr_lua_temporary(L, PLANTING_T, sizeof(pyr_planting), planting__gc);
}

/* The profiles in the list at 1; pushes the array. The list keeps them alive. */
static const pyr_profile **checkinputs (lua_State *L, uint32_t *k) {
  const pyr_profile **inputs;
  lua_Integer i, n;
  luaL_checktype(L, 1, LUA_TTABLE);
  n = (lua_Integer)lua_rawlen(L, 1);
  luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 1, "at least one profile is needed");
  inputs = pyr_lua_scratch(L, (size_t)n, sizeof *inputs);
  for (i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    inputs[i - 1] = &pyr_lua_profile(L, -1)->p;
    lua_pop(L, 1);
  }
  *k = (uint32_t)n;
  return inputs;
}

/* core.union_names(profiles): every name in them once. */
static int core_union_names (lua_State *L) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t k, i;
  const pyr_profile **inputs = checkinputs(L, &k);
  pyr_planting *b = newplanting(L);
  if (pyr_forest_begin(b, inputs, k, &e) != PYR_OK) return pyr_lua_error(L, &e);
  lua_createtable(L, (int)(b->raw.count < INT32_MAX ? b->raw.count : 0), 0);
  for (i = 0; i < b->raw.count; i++) {
    lua_pushlstring(L, b->raw.strings[i].bytes, b->raw.strings[i].length);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  pyr_planting_free(b);
  return 1;
}

/* Names the functions as the table at 3 says; raw access, so nothing of Lua's runs in between. */
static pyr_status namefunctions (lua_State *L, pyr_planting *b, pyr_error *e) {
  uint32_t i;
  for (i = 0; i < b->raw.count; i++) {
    size_t len;
    const char *name;
    lua_pushlstring(L, b->raw.strings[i].bytes, b->raw.strings[i].length);
    if (lua_rawget(L, 3) != LUA_TNIL) {
      if (lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, 3, "names must be strings");
      name = lua_tolstring(L, -1, &len);
      if (len > INT32_MAX)
        return pyr_fail(e, PYR_ELIMIT, "a name is too long", PYR_NOWHERE);
      if (pyr_forest_name(b, i, name, (uint32_t)len, e) != PYR_OK) return e->status;
    }
    lua_pop(L, 1);
  }
  return PYR_OK;
}

static void setsides (lua_State *L, pyr_luaunion *u, uint32_t k) {
  uint32_t j;
  luaL_checktype(L, 2, LUA_TTABLE);
  for (j = 0; j < k; j++) {
    const char *side;
    lua_rawgeti(L, 2, (lua_Integer)j + 1);
    side = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(side, "A") != 0 && strcmp(side, "B") != 0)
      luaL_error(L, "sample %d: its side must be \"A\" or \"B\"", (int)j + 1);
    u->side[j] = side[0] == 'B';
    lua_pop(L, 1);
  }
}

/* Stores the fields at 4 and the names of the functions with the union on top. */
static void setvalues (lua_State *L, const pyr_luaunion *u) {
  const pyr_shape *s = u->f.shape;
  uint32_t f;
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, -2, 1);
  lua_createtable(L, (int)(s->functions < INT32_MAX ? s->functions : 0), 0);
  for (f = 1; f <= s->functions; f++) {
    lua_pushlstring(L, s->names[f].bytes, s->names[f].length);
    lua_rawseti(L, -2, f);
  }
  lua_setiuservalue(L, -2, 2);
}

/* core.union(profiles, sides, names, fields): 'names' leads from names in the profiles to names
   of functions, what it lacks keeps its name; 'fields' can be read from the union. */
static int core_union (lua_State *L) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  const pyr_profile **inputs;
  pyr_planting *b;
  pyr_luaunion *u;
  uint32_t k;
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_settop(L, 4);
  inputs = checkinputs(L, &k);
  b = newplanting(L);
  u = newunion(L, k);
  setsides(L, u, k);
  if (pyr_forest_begin(b, inputs, k, &e) != PYR_OK ||
      namefunctions(L, b, &e) != PYR_OK || pyr_forest_finish(b, &u->f, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  pyr_planting_free(b);
  pyr_lua_filledunion(L, u);
  setvalues(L, u);
  return 1;
}

/* core.package(name): the part of a name that tells where the function is from, or "". */
static int core_package (lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  pyr_string package = {bytes, 0};
  if (len <= UINT32_MAX) package = pyr_package((pyr_string){bytes, (uint32_t)len});
  lua_pushlstring(L, package.bytes, package.length);
  return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", union__gc},
                                       {"__close", union__gc},
                                       {"__index", union__index},
                                       {"__tostring", union__tostring},
                                       {NULL, NULL}};
static const luaL_Reg methods[] = {{"close", union__gc}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"union", core_union},
                                     {"union_names", core_union_names},
                                     {"package", core_package},
                                     {NULL, NULL}};

void pyr_lua_open_union (lua_State *L) {
  pyr_lua_type(L, PYR_UNION_T, metamethods, methods);
  lua_getfield(L, -1, "methods");
  pyr_lua_add_answers(L);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
}
