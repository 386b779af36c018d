#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "lua/cells.h"
#include "lua/picture.h"
#include "lua/rows.h"
#include "profile/sorted.h"

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

static int64_t otherof (const pyr_union *u, uint32_t side) {
  int64_t sum = 0;
  uint32_t i;
  for (i = 1; i < u->tree.count; i++)
    if (pyr_profile_is_other(&u->tree, i)) sum += u->selfs[2 * (size_t)i + side];
  return sum;
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
    lua_pushinteger(L, otherof(u, 0));
  else if (strcmp(key, "after_other") == 0)
    lua_pushinteger(L, otherof(u, 1));
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

/* Self and total of both sides for every group; recursion counted once. */
typedef struct sides {
  int64_t self[2], total[2];
  uint32_t open, seen;
} sides;

static pyr_status weigh (const pyr_union *u, const uint32_t *of, sides *w,
                         pyr_error *e) {
  const pyr_profile *p = &u->tree;
  uint32_t *path = malloc((p->levels + 1u) * sizeof *path), depth = 0, i, s;
  if (path == NULL) return pyr_nomemory(e);
  for (i = pyr_profile_next(p, 0); i != UINT32_MAX; i = pyr_profile_next(p, i)) {
    const pyr_node *n = p->nodes + i;
    uint32_t g = of[n->frame] & ~PYR_GROUP_OTHER;
    for (; depth >= n->level && depth > 0; depth--)
      if (path[depth] != UINT32_MAX) w[path[depth]].open--;
    depth = n->level;
    path[depth] = UINT32_MAX;
    if ((of[n->frame] & PYR_GROUP_OTHER) != 0 && pyr_profile_is_other(p, i)) continue;
    path[depth] = g;
    w[g].seen = 1;
    for (s = 0; s < 2; s++) {
      w[g].self[s] += u->selfs[2 * (size_t)i + s];
      if (w[g].open == 0) w[g].total[s] += u->totals[2 * (size_t)i + s];
    }
    w[g].open++;
  }
  free(path);
  return PYR_OK;
}

/* On the usual machines a long double holds every difference of two int64 exactly. */
typedef struct change {
  long double size;
  uint32_t group;
} change;

typedef struct ordering {
  const pyr_grouping *g;
} ordering;

static int larger (const void *a, const void *b, void *o) {
  const change *x = a, *y = b;
  const ordering *ord = o;
  int order;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  order = pyr_string_compare(ord->g->names[x->group], ord->g->names[y->group]);
  return order != 0 ? order : x->group < y->group ? -1 : x->group > y->group;
}

static int alignment_rows (lua_State *L) {
  static const char *const orders[] = {"self", "total", NULL};
  static const char *const known[] = {"by", "group", "factors", NULL};
  pyr_union *u = checkunion(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 20), shown;
  pyr_granularity by = pyr_lua_checkgroup(L, 3, "group");
  double factors[2] = {1, 1};
  bool by_total = false;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luagroups *groups;
  sides *w;
  change *order;
  ordering ord;
  uint32_t i, count = 0;
  int64_t rest[2] = {0, 0};
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  pyr_lua_options(L, 3, known);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "by");
    if (!lua_isnil(L, -1)) by_total = luaL_checkoption(L, -1, NULL, orders) == 1;
    if (lua_getfield(L, 3, "factors") == LUA_TTABLE)
      for (i = 0; i < 2; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        factors[i] = luaL_checknumber(L, -1);
        lua_pop(L, 1);
      }
    lua_settop(L, 3);
  }
  groups = pyr_lua_newgroups(L);
  if (pyr_grouping_init(&groups->g, &u->tree, by, &e) != PYR_OK ||
      pyr_grouping_frames(&groups->g, &groups->frames, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  w = pyr_lua_scratch(L, groups->g.count, sizeof *w);
  if (weigh(u, groups->g.of, w, &e) != PYR_OK) return pyr_lua_error(L, &e);
  order = pyr_lua_scratch(L, groups->g.count, sizeof *order);
  for (i = 0; i < groups->g.count; i++) {
    const int64_t *v = by_total ? w[i].total : w[i].self;
    if (!w[i].seen) continue;
    order[count].size = (long double)v[1] * factors[1] - (long double)v[0] * factors[0];
    if (order[count].size < 0) order[count].size = -order[count].size;
    order[count++].group = i;
  }
  ord.g = &groups->g;
  qsort_r(order, count, sizeof *order, larger, &ord);
  shown = n == 0 || n > (lua_Integer)count ? (lua_Integer)count : n;
  lua_createtable(L, (int)shown, 0);
  for (i = 0; i < count; i++) {
    const sides *s = w + order[i].group;
    if ((lua_Integer)i >= shown) {
      rest[0] += s->self[0];
      rest[1] += s->self[1];
      continue;
    }
    lua_createtable(L, 0, 8);
    pyr_lua_setplace(L, groups, order[i].group);
    pyr_lua_setinteger(L, "before", s->self[0]);
    pyr_lua_setinteger(L, "after", s->self[1]);
    pyr_lua_setinteger(L, "before_total", s->total[0]);
    pyr_lua_setinteger(L, "after_total", s->total[1]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_createtable(L, 0, 3);
  pyr_lua_setinteger(L, "before", rest[0]);
  pyr_lua_setinteger(L, "after", rest[1]);
  pyr_lua_setinteger(L, "functions", (lua_Integer)count - shown);
  return 2;
}

typedef struct walker {
  pyr_sorted sorted;
  uint32_t next;
} walker;

static int walker__gc (lua_State *L) {
  walker *w = lua_touserdata(L, 1);
  pyr_sorted_free(&w->sorted);
  memset(&w->sorted, 0, sizeof w->sorted);
  w->next = UINT32_MAX;
  return 0;
}

static int walknext (lua_State *L) {
  pyr_union *u = checkunion(L, lua_upvalueindex(1));
  walker *w = lua_touserdata(L, lua_upvalueindex(2));
  const pyr_string *name;
  size_t i = w->next;
  if (w->next == UINT32_MAX) return 0;
  name = u->tree.strings + u->tree.frames[u->tree.nodes[i].frame].name;
  lua_pushinteger(L, u->tree.nodes[i].level);
  if (i == 0)
    lua_pushliteral(L, "total");
  else
    lua_pushlstring(L, name->bytes, name->length);
  lua_pushinteger(L, u->selfs[2 * i]);
  lua_pushinteger(L, u->selfs[2 * i + 1]);
  lua_pushinteger(L, u->totals[2 * i]);
  lua_pushinteger(L, u->totals[2 * i + 1]);
  w->next = pyr_sorted_next(&w->sorted, &u->tree, w->next);
  return 6;
}

static int alignment_walk (lua_State *L) {
  pyr_union *u = checkunion(L, 1);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  walker *w;
  lua_settop(L, 1);
  w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  if (luaL_newmetatable(L, "pyroscope.alignmentwalker")) {
    lua_pushcfunction(L, walker__gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, walker__gc);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  if (pyr_sorted_init(&w->sorted, &u->tree, &e) != PYR_OK)
    return luaL_error(L, "%s", e.message);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, walknext, 2);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 2);
  return 4;
}

/* alignment:render("folded" or "pprof", options): what is no picture. */
static int alignment_render (lua_State *L) {
  static const char *const known[] = {"profile_type", "unit", "time_nanos",
                                      "duration_nanos", NULL};
  const pyr_union *u = checkunion(L, 1);
  const char *name = luaL_checkstring(L, 2);
  bool folded = strcmp(name, "folded") == 0;
  if (folded || strcmp(name, "pprof") == 0) {
    pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
    pyr_renderoptions o;
    pyr_buffer *out;
    memset(&o, 0, sizeof o);
    lua_settop(L, 3);
    pyr_lua_options(L, 3, known);
    if (lua_istable(L, 3)) {
      if (lua_getfield(L, 3, "profile_type") == LUA_TSTRING)
        o.profile_type = lua_tostring(L, -1);
      if (lua_getfield(L, 3, "unit") == LUA_TSTRING) o.unit = lua_tostring(L, -1);
      lua_getfield(L, 3, "time_nanos");
      o.time_nanos = luaL_optinteger(L, -1, 0);
      lua_getfield(L, 3, "duration_nanos");
      o.duration_nanos = luaL_optinteger(L, -1, 0);
    }
    out = pyr_lua_buffer(L);
    if ((folded ? pyr_render_foldeddiff(out, u, &e)
                : pyr_render_pprofdiff(out, u, &o, &e)) != PYR_OK)
      return pyr_lua_error(L, &e);
    return pyr_lua_pushbuffer(L, out);
  }
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
static const luaL_Reg methods[] = {{"rows", alignment_rows},
                                   {"walk", alignment_walk},
                                   {"render", alignment_render},
                                   {"cells", alignment_cells},
                                   {"hit", alignment_hit},
                                   {"close", alignment__gc},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"align", core_align}, {"decode_diff", core_decode_diff}, {NULL, NULL}};

void pyr_lua_open_align (lua_State *L) {
  pyr_lua_type(L, PYR_ALIGNMENT_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
