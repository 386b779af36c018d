#include <string.h>

#include "lua/rows.h"
#include "lua/union.h"

/* ---- answers ---- */

static void pushvector (lua_State *L, const int64_t *v, uint32_t k) {
  uint32_t j;
  lua_createtable(L, (int)k, 0);
  for (j = 0; j < k; j++) {
    lua_pushinteger(L, v[j]);
    lua_rawseti(L, -2, (lua_Integer)j + 1);
  }
}

static bool anyvalue (const int64_t *v, uint32_t k) {
  uint32_t j;
  for (j = 0; j < k; j++)
    if (v[j] != 0) return true;
  return false;
}

static uint32_t checknode (lua_State *L, const pyr_luaunion *u, int index) {
  int ok;
  lua_Integer id = lua_tointegerx(L, index, &ok);
  if (!ok || id < 1 || id > (lua_Integer)u->f.shape->count)
    luaL_error(L, "there is no node %s", luaL_tolstring(L, index, NULL));
  return (uint32_t)(id - 1);
}

/* A share of the sums of both sides: what is at least that large is kept. */
typedef struct bar {
  double least[2];
  bool both[2]; /* the side has a value at all */
} bar;

static void sidesums (const pyr_luaunion *u, const int64_t *v, long double sums[2]) {
  uint32_t j;
  sums[0] = sums[1] = 0;
  for (j = 0; j < u->f.shape->k; j++)
    sums[u->side[j]] += (long double)v[j];
}

static bar checkbar (lua_State *L, const pyr_luaunion *u, int arg) {
  lua_Number share = luaL_optnumber(L, arg, 0);
  long double sums[2];
  bar b;
  int side;
  luaL_argcheck(L, share >= 0 && share <= 1, arg, "must be a share, 0 to 1");
  sidesums(u, pyr_forest_total(&u->f, 0), sums);
  for (side = 0; side < 2; side++) {
    b.least[side] = share * (double)sums[side];
    b.both[side] = sums[side] > 0 || share == 0;
  }
  return b;
}

static bool reaches (const pyr_luaunion *u, const bar *b, const int64_t *v) {
  long double sums[2];
  sidesums(u, v, sums);
  return (b->both[0] && (double)sums[0] >= b->least[0]) ||
         (b->both[1] && (double)sums[1] >= b->least[1]);
}

static int union_size (lua_State *L) {
  const pyr_shape *s = pyr_lua_union(L)->f.shape;
  lua_pushinteger(L, s->count);
  lua_pushinteger(L, s->k);
  lua_pushinteger(L, s->functions);
  return 3;
}

static int union_totals (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  int64_t *other = pyr_lua_scratch(L, s->k, sizeof *other);
  uint32_t i, j;
  for (i = 0; i < s->count && s->cut_count != 0; i++) {
    const int64_t *v = pyr_forest_other(&u->f, i);
    for (j = 0; v != NULL && j < s->k; j++)
      other[j] += v[j];
  }
  pushvector(L, pyr_forest_total(&u->f, 0), s->k);
  pushvector(L, other, s->k);
  return 2;
}

/* A copy: the table inside must stay as it is. */
static int union_names (lua_State *L) {
  const pyr_shape *s = pyr_lua_union(L)->f.shape;
  uint32_t f;
  lua_getiuservalue(L, 1, 2);
  lua_createtable(L, (int)s->functions, 0);
  for (f = 1; f <= s->functions; f++) {
    lua_rawgeti(L, -2, f);
    lua_rawseti(L, -2, f);
  }
  return 1;
}

/* The name of a function by id, from the table of names at 'names'; "" for 0. */
static void pushname (lua_State *L, int names, uint32_t function) {
  if (function == 0)
    lua_pushliteral(L, "");
  else
    lua_rawgeti(L, names, function);
}

static int newcolumn (lua_State *L, int result, const char *key) {
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, result, key);
  return lua_gettop(L);
}

/* Values of children that are left out are the rest of their parent. */
static void pushrest (lua_State *L, const pyr_luaunion *u, const bool *kept, uint32_t i,
                      int64_t *rest) {
  const pyr_shape *s = u->f.shape;
  uint32_t c, j;
  memset(rest, 0, s->k * sizeof *rest);
  for (c = s->first[i]; c < s->first[i + 1]; c++) {
    const int64_t *v = pyr_forest_total(&u->f, c);
    for (j = 0; !kept[c] && j < s->k; j++)
      rest[j] += v[j];
  }
  pushvector(L, rest, s->k);
}

static int union_rows (lua_State *L) {
  static const char *const keys[] = {"id",   "parent", "depth", "name",
                                     "self", "tot",    "other", "rest"};
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  bar b = checkbar(L, u, 2);
  int column[8], names, result, c;
  lua_Integer n = 0;
  uint32_t i;
  bool *kept;
  int64_t *rest;
  lua_settop(L, 2);
  kept = pyr_lua_scratch(L, s->count, sizeof *kept);
  rest = pyr_lua_scratch(L, s->k, sizeof *rest);
  for (i = 0; i < s->count; i++)
    kept[i] = reaches(u, &b, pyr_forest_total(&u->f, i));
  lua_getiuservalue(L, 1, 2);
  names = lua_gettop(L);
  lua_newtable(L);
  result = lua_gettop(L);
  for (c = 0; c < 8; c++)
    column[c] = newcolumn(L, result, keys[c]);
  for (i = 0; i < s->count; i++) {
    const int64_t *other = pyr_forest_other(&u->f, i);
    if (!kept[i]) continue;
    n++;
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_rawseti(L, column[0], n);
    lua_pushinteger(L, i == 0 ? 0 : (lua_Integer)s->parent[i] + 1);
    lua_rawseti(L, column[1], n);
    lua_pushinteger(L, s->level[i]);
    lua_rawseti(L, column[2], n);
    pushname(L, names, s->function[i]);
    lua_rawseti(L, column[3], n);
    pushvector(L, pyr_forest_self(&u->f, i), s->k);
    lua_rawseti(L, column[4], n);
    pushvector(L, pyr_forest_total(&u->f, i), s->k);
    lua_rawseti(L, column[5], n);
    memset(rest, 0, s->k * sizeof *rest);
    pushvector(L, other != NULL ? other : rest, s->k);
    lua_rawseti(L, column[6], n);
    pushrest(L, u, kept, i, rest);
    lua_rawseti(L, column[7], n);
  }
  lua_settop(L, result);
  return 1;
}

static int union_functions (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  bar b = checkbar(L, u, 2);
  size_t cells = ((size_t)s->functions + 1) * s->k;
  int64_t *flat, *cum;
  int ids, names, flats, cums, all, result;
  lua_Integer n = 0;
  uint32_t f;
  lua_settop(L, 2);
  flat = pyr_lua_scratch(L, cells, sizeof *flat);
  cum = pyr_lua_scratch(L, cells, sizeof *cum);
  pyr_forest_functions(&u->f, flat, cum);
  lua_getiuservalue(L, 1, 2);
  all = lua_gettop(L);
  lua_newtable(L);
  result = lua_gettop(L);
  ids = newcolumn(L, result, "id");
  names = newcolumn(L, result, "name");
  flats = newcolumn(L, result, "flat");
  cums = newcolumn(L, result, "cum");
  for (f = 1; f <= s->functions; f++) {
    if (!reaches(u, &b, cum + (size_t)f * s->k)) continue;
    n++;
    lua_pushinteger(L, f);
    lua_rawseti(L, ids, n);
    pushname(L, all, f);
    lua_rawseti(L, names, n);
    pushvector(L, flat + (size_t)f * s->k, s->k);
    lua_rawseti(L, flats, n);
    pushvector(L, cum + (size_t)f * s->k, s->k);
    lua_rawseti(L, cums, n);
  }
  lua_settop(L, result);
  return 1;
}

static int union_combine (lua_State *L) {
  static const char *const known[] = {"self", "tot", "other", NULL};
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  int what = luaL_checkoption(L, 2, NULL, known);
  double *weights;
  uint32_t i, j;
  luaL_checktype(L, 3, LUA_TTABLE);
  weights = pyr_lua_scratch(L, s->k, sizeof *weights);
  for (j = 0; j < s->k; j++) {
    int ok;
    lua_rawgeti(L, 3, (lua_Integer)j + 1);
    weights[j] = lua_tonumberx(L, -1, &ok);
    luaL_argcheck(L, ok, 3, "one weight is needed for every sample");
    lua_pop(L, 1);
  }
  lua_createtable(L, (int)s->count, 0);
  for (i = 0; i < s->count; i++) {
    const int64_t *v = what == 0   ? pyr_forest_self(&u->f, i)
                       : what == 1 ? pyr_forest_total(&u->f, i)
                                   : pyr_forest_other(&u->f, i);
    double sum = 0;
    for (j = 0; v != NULL && j < s->k; j++)
      sum += weights[j] * (double)v[j];
    lua_pushnumber(L, sum);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* ---- nodes ---- */

static int union_at (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  uint32_t node = 0;
  lua_Integer i;
  luaL_checktype(L, 2, LUA_TTABLE);
  for (i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
    size_t len;
    const char *name = lua_tolstring(L, -1, &len);
    uint32_t f;
    luaL_argcheck(L, name != NULL, 2, "a path is a list of names");
    f = pyr_forest_find(&u->f, name, len);
    node = f == 0 ? 0 : pyr_forest_child(&u->f, node, f);
    if (node == 0) return 0;
    lua_pop(L, 1);
  }
  lua_pushinteger(L, (lua_Integer)node + 1);
  return 1;
}

static int union_path (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  uint32_t node = checknode(L, u, 2);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 2);
  lua_createtable(L, (int)s->level[node], 0);
  for (; node != 0; node = s->parent[node]) {
    pushname(L, 3, s->function[node]);
    lua_rawseti(L, 4, s->level[node]);
  }
  return 1;
}

static uint32_t checkfunction (lua_State *L, const pyr_luaunion *u, int arg) {
  size_t len;
  const char *name = luaL_checklstring(L, arg, &len);
  return pyr_forest_find(&u->f, name, len);
}

static int union_nodes (lua_State *L) {
  static const char *const known[] = {"top", "all", NULL};
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  uint32_t f = checkfunction(L, u, 2), t;
  bool all = luaL_checkoption(L, 3, "top", known) == 1;
  lua_Integer n = 0;
  lua_newtable(L);
  for (t = f == 0 ? 0 : s->start[f]; f != 0 && t < s->start[f + 1]; t++) {
    if (!all && !s->top[s->by[t]]) continue;
    lua_pushinteger(L, (lua_Integer)s->by[t] + 1);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Nodes with a self value in some sample. */
static int union_held (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  lua_Integer n = 0;
  uint32_t i;
  lua_newtable(L);
  for (i = 0; i < s->count; i++) {
    if (!anyvalue(pyr_forest_self(&u->f, i), s->k)) continue;
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* ---- views ---- */

static int union_without (lua_State *L) {
  static const char *const known[] = {"subtree", "self", NULL};
  const pyr_luaunion *u = pyr_lua_union(L);
  bool subtrees = luaL_checkoption(L, 3, "subtree", known) == 0;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  lua_Unsigned n, i;
  uint32_t *nodes;
  pyr_luaunion *view;
  luaL_checktype(L, 2, LUA_TTABLE);
  n = lua_rawlen(L, 2);
  luaL_argcheck(L, n <= UINT32_MAX, 2, "too many nodes");
  nodes = pyr_lua_scratch(L, (size_t)n, sizeof *nodes);
  for (i = 0; i < n; i++) {
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    nodes[i] = checknode(L, u, -1);
    lua_pop(L, 1);
  }
  view = pyr_lua_newview(L, u);
  if (pyr_forest_without(&view->f, &u->f, nodes, (uint32_t)n, subtrees, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  return pyr_lua_filledunion(L, view);
}

/* Flags of all functions in the list at 'arg'; pushes the array. */
static uint8_t *checkflags (lua_State *L, const pyr_luaunion *u, int arg) {
  uint8_t *flags = pyr_lua_scratch(L, u->f.shape->functions + (size_t)1, 1);
  uint32_t f;
  luaL_checktype(L, arg, LUA_TTABLE);
  for (f = 1; f <= u->f.shape->functions; f++) {
    int ok;
    lua_Integer flag;
    lua_rawgeti(L, arg, f);
    flag = lua_tointegerx(L, -1, &ok);
    luaL_argcheck(L, ok && flag >= 0 && flag <= 2, arg,
                  "one flag, 0 to 2, is needed for every function");
    flags[f] = (uint8_t)flag;
    lua_pop(L, 1);
  }
  return flags;
}

static int union_keep (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  bool all = lua_toboolean(L, 3);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  const uint8_t *flags = checkflags(L, u, 2);
  pyr_luaunion *view = pyr_lua_newview(L, u);
  if (pyr_forest_keep(&view->f, &u->f, flags, all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  return pyr_lua_filledunion(L, view);
}

/* ---- sums by something else ---- */

/* Pushes { name, value } of the functions with a value, by name; function 0 is "". */
static int pushnamed (lua_State *L, const pyr_luaunion *u, const int64_t *value) {
  const pyr_shape *s = u->f.shape;
  int all, names, values, result;
  lua_Integer n = 0;
  uint32_t f;
  lua_getiuservalue(L, 1, 2);
  all = lua_gettop(L);
  lua_newtable(L);
  result = lua_gettop(L);
  names = newcolumn(L, result, "name");
  values = newcolumn(L, result, "value");
  for (f = 0; f <= s->functions; f++) {
    const int64_t *v = value + (size_t)f * s->k;
    if (!anyvalue(v, s->k)) continue;
    n++;
    pushname(L, all, f);
    lua_rawseti(L, names, n);
    pushvector(L, v, s->k);
    lua_rawseti(L, values, n);
  }
  lua_settop(L, result);
  return 1;
}

static int union_related (lua_State *L) {
  static const char *const known[] = {"callees", "callers", "below", "above", NULL};
  const pyr_luaunion *u = pyr_lua_union(L);
  uint32_t f = checkfunction(L, u, 2);
  pyr_relation how = (pyr_relation)luaL_checkoption(L, 3, NULL, known);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  int64_t *value = pyr_lua_scratch(
      L, ((size_t)u->f.shape->functions + 1) * u->f.shape->k, sizeof *value);
  if (f != 0 && pyr_forest_related(&u->f, f, how, value, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  return pushnamed(L, u, value);
}

static int union_sites (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  const pyr_shape *s = u->f.shape;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  const uint8_t *flags = checkflags(L, u, 2);
  int64_t *value = pyr_lua_scratch(L, ((size_t)s->functions + 1) * s->k, sizeof *value);
  uint32_t j;
  if (pyr_forest_sites(&u->f, flags, value, &e) != PYR_OK) return pyr_lua_error(L, &e);
  if (s->functions > 0 &&
      s->names[1].length == 0) /* a function without a name: one row */
    for (j = 0; j < s->k; j++) {
      value[s->k + j] += value[j];
      value[j] = 0;
    }
  return pushnamed(L, u, value);
}

/* union:gather(ids, groups): self values of the nodes added up by group; an array of arrays. */
static int union_gather (lua_State *L) {
  const pyr_luaunion *u = pyr_lua_union(L);
  uint32_t k = u->f.shape->k, j;
  lua_Integer n, i, count = 0;
  int64_t *sums;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  n = (lua_Integer)lua_rawlen(L, 2);
  sums =
      pyr_lua_scratch(L, (size_t)n * k, sizeof *sums); /* no more groups than nodes */
  for (i = 1; i <= n; i++) {
    const int64_t *v;
    lua_Integer group;
    lua_rawgeti(L, 2, i);
    lua_rawgeti(L, 3, i);
    v = pyr_forest_self(&u->f, checknode(L, u, -2));
    group = lua_tointeger(L, -1);
    luaL_argcheck(L, group >= 1 && group <= n, 3, "groups are numbered from 1");
    if (group > count) count = group;
    for (j = 0; j < k; j++)
      sums[(size_t)(group - 1) * k + j] += v[j];
    lua_pop(L, 2);
  }
  lua_createtable(L, (int)(count < INT32_MAX ? count : 0), 0);
  for (i = 0; i < count; i++) {
    pushvector(L, sums + (size_t)i * k, k);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {{"size", union_size},
                                   {"totals", union_totals},
                                   {"names", union_names},
                                   {"rows", union_rows},
                                   {"functions", union_functions},
                                   {"combine", union_combine},
                                   {"at", union_at},
                                   {"path", union_path},
                                   {"nodes", union_nodes},
                                   {"held", union_held},
                                   {"without", union_without},
                                   {"keep", union_keep},
                                   {"related", union_related},
                                   {"sites", union_sites},
                                   {"gather", union_gather},
                                   {NULL, NULL}};

void pyr_lua_add_answers (lua_State *L) {
  luaL_setfuncs(L, methods, 0);
}
