#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "lua/cells.h"
#include "lua/picture.h"
#include "lua/rows.h"
#include "lua/walk.h"
#include "profile/change.h"

static pyr_union *checkunion (lua_State *L, int arg) {
  pyr_union *u = luaL_checkudata(L, arg, PYR_ALIGNMENT_T);
  if (u->tree.nodes == NULL) luaL_error(L, "alignment is closed");
  return u;
}

static pyr_union *newunion (lua_State *L) {
  pyr_union *u = lua_newuserdatauv(L, sizeof *u, 0);
  memset(u, 0, sizeof *u);
  luaL_setmetatable(L, PYR_ALIGNMENT_T);
  return u;
}

static int alignment__gc (lua_State *L) {
  pyr_union *u = luaL_checkudata(L, 1, PYR_ALIGNMENT_T);
  if (u->tree.nodes != NULL) {
    pyr_union_free(u);
    pyr_lua_dead(L);
  }
  return 0;
}

static int filled (lua_State *L, const pyr_union *u) {
  pyr_lua_born(L);
  pyr_lua_weigh(L, pyr_profile_bytes(&u->tree) + (size_t)u->tree.count * u->k * 16);
  return 1;
}

static int alignment__index (lua_State *L) {
  pyr_union *u;
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "methods");
  if (lua_getfield(L, -1, key) != LUA_TNIL) return 1;
  u = checkunion(L, 1);
  if (strcmp(key, "before") == 0)
    lua_pushinteger(L, u->totals[0]);
  else if (strcmp(key, "after") == 0)
    lua_pushinteger(L, u->totals[1]);
  else if (strcmp(key, "before_other") == 0)
    lua_pushinteger(L, pyr_union_other(u, 0));
  else if (strcmp(key, "after_other") == 0)
    lua_pushinteger(L, pyr_union_other(u, 1));
  else
    lua_pushnil(L);
  return 1;
}

static int alignment__len (lua_State *L) {
  lua_pushinteger(L, checkunion(L, 1)->tree.count);
  return 1;
}

static int alignment__tostring (lua_State *L) {
  pyr_union *u = luaL_checkudata(L, 1, PYR_ALIGNMENT_T);
  if (u->tree.nodes == NULL)
    lua_pushliteral(L, "alignment (closed)");
  else
    lua_pushfstring(L, "alignment (before %I, after %I, %I nodes)",
                    (lua_Integer)u->totals[0], (lua_Integer)u->totals[1],
                    (lua_Integer)u->tree.count);
  return 1;
}

/* Field 'least' of the options at 3, or 0. */
static double checkleast (lua_State *L) {
  double least = 0;
  if (!lua_istable(L, 3)) return 0;
  if (lua_getfield(L, 3, "least") != LUA_TNIL) least = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return least;
}

/* Field 'factors' of the options at 3, or 1 and 1. */
static void checkfactors (lua_State *L, double *factors) {
  int i;
  factors[0] = factors[1] = 1;
  if (!lua_istable(L, 3)) return;
  if (lua_getfield(L, 3, "factors") == LUA_TTABLE)
    for (i = 0; i < 2; i++) {
      lua_rawgeti(L, -1, i + 1);
      factors[i] = luaL_checknumber(L, -1);
      lua_pop(L, 1);
    }
  lua_pop(L, 1);
}

static void setvalues (lua_State *L, const int64_t *self, const int64_t *total) {
  pyr_lua_setinteger(L, "before", self[0]);
  pyr_lua_setinteger(L, "after", self[1]);
  pyr_lua_setinteger(L, "before_total", total[0]);
  pyr_lua_setinteger(L, "after_total", total[1]);
}

static int alignment_rows (lua_State *L) {
  static const char *const orders[] = {"self", "total", NULL};
  static const char *const known[] = {"by", "group", "factors", "least", NULL};
  pyr_union *u = checkunion(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 20);
  pyr_granularity by = pyr_lua_checkgroup(L, 3, "group");
  double factors[2];
  bool by_total = false;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luagroups *s;
  pyr_sideweight *w;
  uint32_t i, k, small;
  int64_t rest[2] = {0, 0};
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  pyr_lua_options(L, 3, known);
  if (by == PYR_BY_LINE && u->tree.granularity != PYR_BY_LINE)
    return pyr_lua_nolines(L);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "by");
    if (!lua_isnil(L, -1)) by_total = luaL_checkoption(L, -1, NULL, orders) == 1;
    lua_settop(L, 3);
  }
  checkfactors(L, factors);
  s = pyr_lua_newgroups(L);
  if (pyr_grouping_init(&s->g, &u->tree, by, &e) != PYR_OK ||
      pyr_grouping_frames(&s->g, &s->frames, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  w = pyr_lua_scratch(L, s->g.count, sizeof *w);
  s->count = (uint32_t)n;
  if (pyr_union_weigh(u, s->g.of, w, &e) != PYR_OK ||
      pyr_union_rank(&s->g, w, by_total, factors, checkleast(L), &s->rows, &s->count,
                     &s->all, &small, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  for (i = 0; i < s->g.count; i++)
    for (k = 0; k < 2; k++)
      rest[k] += w[i].self[k];
  lua_createtable(L, (int)s->count, 0);
  for (i = 0; i < s->count; i++) {
    const pyr_sideweight *mine = w + s->rows[i];
    for (k = 0; k < 2; k++)
      rest[k] -= mine->self[k];
    lua_createtable(L, 0, 8);
    pyr_lua_setplace(L, s, s->rows[i]);
    setvalues(L, mine->self, mine->total);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_createtable(L, 0, 4);
  pyr_lua_setinteger(L, "small", small);
  pyr_lua_setinteger(L, "before", rest[0]);
  pyr_lua_setinteger(L, "after", rest[1]);
  pyr_lua_setinteger(L, "functions", (lua_Integer)s->all - s->count);
  return 2;
}

static int alignment_tree (lua_State *L) {
  static const char *const known[] = {"factors", "least", NULL};
  pyr_union *u = checkunion(L, 1);
  const pyr_profile *p = &u->tree;
  lua_Integer n = luaL_optinteger(L, 2, 20);
  double factors[2];
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t *nodes = NULL, count, i;
  void **block;
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  pyr_lua_options(L, 3, known);
  checkfactors(L, factors);
  block = pyr_lua_owner(L);
  if (pyr_union_changed(u, factors, checkleast(L), (uint32_t)n, &nodes, &count, &e) !=
      PYR_OK)
    return pyr_lua_error(L, &e);
  *block = nodes;
  lua_createtable(L, (int)count, 0);
  for (i = 0; i < count; i++) {
    lua_createtable(L, 0, 8);
    pyr_lua_setinteger(L, "depth", p->nodes[nodes[i]].level);
    pyr_lua_setframe(L, p, p->frames + p->nodes[nodes[i]].frame);
    setvalues(L, u->selfs + 2 * (size_t)nodes[i], u->totals + 2 * (size_t)nodes[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int walknext (lua_State *L) {
  pyr_union *u = checkunion(L, lua_upvalueindex(1));
  size_t i;
  uint32_t at = pyr_lua_walked(L, &u->tree);
  if (at == UINT32_MAX) return 0;
  i = 2 * (size_t)at;
  lua_pushinteger(L, u->selfs[i]);
  lua_pushinteger(L, u->selfs[i + 1]);
  lua_pushinteger(L, u->totals[i]);
  lua_pushinteger(L, u->totals[i + 1]);
  return 6;
}

static int alignment_walk (lua_State *L) {
  return pyr_lua_walk(L, &checkunion(L, 1)->tree, walknext);
}

static int alignment_render (lua_State *L) {
  return pyr_lua_alignmentrender(L, checkunion(L, 1));
}

static int core_align (lua_State *L) {
  const pyr_profile *inputs[2];
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_union *u;
  inputs[0] = &pyr_lua_profile(L, 1)->p;
  inputs[1] = &pyr_lua_profile(L, 2)->p;
  u = newunion(L);
  if (pyr_profile_align(u, inputs, 2, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return filled(L, u);
}

pyr_status pyr_lua_pushdiff (lua_State *L, const char *bytes, size_t len,
                             pyr_error *e) {
  pyr_union *u = newunion(L);
  if (pyr_decode_diff_proto(u, bytes, len, e) == PYR_OK)
    filled(L, u);
  else
    lua_pop(L, 1);
  return e->status;
}

static int core_decode_diff (lua_State *L) {
  static const char *const formats[] = {"proto", "json", NULL};
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  int json = lua_isnoneornil(L, 2) ? len > 0 && (bytes[0] == '{' || bytes[0] == ' ')
                                   : luaL_checkoption(L, 2, NULL, formats);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_union *u = newunion(L);
  if ((json ? pyr_decode_diff_json(u, bytes, len, &e)
            : pyr_decode_diff_proto(u, bytes, len, &e)) != PYR_OK)
    return pyr_lua_error(L, &e);
  return filled(L, u);
}

static int alignment_cells (lua_State *L) {
  const pyr_union *u = checkunion(L, 1);
  return pyr_lua_cells(L, &u->tree, u);
}

static int alignment_hit (lua_State *L) {
  const pyr_union *u = checkunion(L, 1);
  return pyr_lua_hit(L, &u->tree, u);
}

static const luaL_Reg metamethods[] = {{"__gc", alignment__gc},
                                       {"__close", alignment__gc},
                                       {"__index", alignment__index},
                                       {"__len", alignment__len},
                                       {"__tostring", alignment__tostring},
                                       {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"rows", alignment_rows},   {"tree", alignment_tree},
    {"walk", alignment_walk},   {"render", alignment_render},
    {"cells", alignment_cells}, {"hit", alignment_hit},
    {"close", alignment__gc},   {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"align", core_align}, {"decode_diff", core_decode_diff}, {NULL, NULL}};

void pyr_lua_open_align (lua_State *L) {
  pyr_lua_type(L, PYR_ALIGNMENT_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
