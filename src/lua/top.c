#include "lua/rows.h"

#include <stdlib.h>
#include <string.h>

/* Methods of a profile that answer with rows. */

static void pushrow (lua_State *L, const pyr_luaprofile *p, const pyr_luagroups *s,
                     uint32_t group) {
  int64_t total = p->p.nodes[0].total;
  lua_createtable(L, 0, 8);
  pyr_lua_setplace(L, s, group);
  pyr_lua_setinteger(L, "self", pyr_lua_divided(p, s->w[group].self));
  pyr_lua_setinteger(L, "total", pyr_lua_divided(p, s->w[group].total));
  pyr_lua_setnumber(L, "self_share", pyr_lua_share(s->w[group].self, total));
  pyr_lua_setnumber(L, "total_share", pyr_lua_share(s->w[group].total, total));
}

int pyr_lua_pushtop (lua_State *L, const pyr_luaprofile *p, pyr_luagroups *s,
                     bool by_total) {
  int64_t shown = 0, total = p->p.nodes[0].total, empty = p->p.nodes[0].self;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t i;
  if (pyr_profile_top(&s->g, s->w, by_total, &s->rows, &s->count, &s->all, &e) !=
      PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, (int)s->count, 0);
  for (i = 0; i < s->count; i++) {
    pushrow(L, p, s, s->rows[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    shown += s->w[s->rows[i]].self;
  }
  lua_createtable(L, 0, 5);
  pyr_lua_setnumber(L, "shown", pyr_lua_share(shown, total));
  pyr_lua_setnumber(L, "rest", pyr_lua_share(total - shown - s->other - empty, total));
  pyr_lua_setnumber(L, "other", pyr_lua_share(s->other, total));
  if (empty != 0) pyr_lua_setnumber(L, "empty", pyr_lua_share(empty, total));
  pyr_lua_setinteger(L, "functions", s->all);
  return 2;
}

static int profile_top (lua_State *L) {
  static const char *const orders[] = {"self", "total", NULL};
  static const char *const known[] = {"by", "group", NULL};
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 20);
  pyr_granularity by = pyr_lua_checkgroup(L, 3, "group");
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  bool by_total = false;
  pyr_luagroups *s;
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  pyr_lua_options(L, 3, known);
  if (by == PYR_BY_LINE && p->p.granularity != PYR_BY_LINE) return pyr_lua_nolines(L);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "by");
    if (!lua_isnil(L, -1)) by_total = luaL_checkoption(L, -1, NULL, orders) == 1;
    lua_pop(L, 1);
  }
  s = pyr_lua_newgroups(L);
  s->count = (uint32_t)n;
  if (pyr_lua_weighgroups(s, &p->p, by, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushtop(L, p, s, by_total);
}

static int profile_find (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *pattern = luaL_checklstring(L, 2, &len);
  const pyr_regex *r = pyr_lua_newregex(L, pattern, len, false);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luagroups *s;
  bool *frames, *wanted;
  uint32_t i;
  if (r == NULL) return 2;
  frames = pyr_lua_scratch(L, p->p.frame_count, sizeof *frames);
  wanted = pyr_lua_scratch(L, p->p.string_count, sizeof *wanted);
  s = pyr_lua_newgroups(L);
  if (pyr_profile_match(&p->p, r, false, frames, &e) != PYR_OK ||
      pyr_lua_weighgroups(s, &p->p, PYR_BY_FUNCTION, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  for (i = 1; i < p->p.frame_count; i++)
    wanted[p->p.frames[i].name] |= frames[i];
  for (i = 0; i < s->g.count; i++)
    s->w[i].seen = s->w[i].seen && wanted[i];
  if (pyr_profile_top(&s->g, s->w, true, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, (int)s->count, 0);
  for (i = 0; i < s->count; i++) {
    pushrow(L, p, s, s->rows[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* One edge: a group, or nobody. 'whole' is the total of the function asked about. */
static void pushedge (lua_State *L, const pyr_luaprofile *p, const pyr_luagroups *s,
                      uint32_t group, int64_t value, int64_t whole) {
  lua_createtable(L, 0, 6);
  if (group == UINT32_MAX) {
    lua_pushliteral(L, "");
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "root");
  } else
    pyr_lua_setplace(L, s, group);
  pyr_lua_setinteger(L, "value", pyr_lua_divided(p, value));
  pyr_lua_setnumber(L, "share", pyr_lua_share(value, whole));
}

static uint32_t findstring (const pyr_profile *p, const char *text, size_t len) {
  uint32_t i;
  for (i = 0; i < p->string_count; i++)
    if (p->strings[i].length == len && memcmp(p->strings[i].bytes, text, len) == 0)
      return i;
  return UINT32_MAX;
}

/* Callers or callees of a function, by value; second result: the function's own row. */
static int edges (lua_State *L, bool callers) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t id = findstring(&p->p, name, len), i;
  int64_t root, cut, whole, *values;
  lua_Integer n = 0;
  pyr_luagroups *s = pyr_lua_newgroups(L);
  if (pyr_lua_weighgroups(s, &p->p, PYR_BY_FUNCTION, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  if (id == UINT32_MAX || !s->w[id].seen) {
    lua_newtable(L);
    lua_pushnil(L);
    return 2;
  }
  whole = s->w[id].total;
  values = pyr_lua_scratch(L, p->p.string_count, sizeof *values);
  if (pyr_profile_edges(&p->p, id, callers, values, &root, &cut, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  if (!callers) root = 0;
  pushrow(L, p, s, id);
  if (!callers && cut != 0) pyr_lua_setinteger(L, "other", pyr_lua_divided(p, cut));
  for (i = 0; i < s->g.count; i++) { /* ranked by what goes over the edge */
    s->w[i].seen = values[i] != 0;
    s->w[i].total = values[i];
  }
  if (pyr_profile_top(&s->g, s->w, true, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, (int)s->count + 1, 0);
  for (i = 0; i < s->count; i++) {
    int64_t value = values[s->rows[i]];
    if (root > value) {
      pushedge(L, p, s, UINT32_MAX, root, whole);
      lua_rawseti(L, -2, ++n);
      root = 0;
    }
    pushedge(L, p, s, s->rows[i], value, whole);
    lua_rawseti(L, -2, ++n);
  }
  if (root != 0) {
    pushedge(L, p, s, UINT32_MAX, root, whole);
    lua_rawseti(L, -2, ++n);
  }
  lua_insert(L, -2);
  return 2;
}

static int profile_callers (lua_State *L) {
  return edges(L, true);
}

static int profile_callees (lua_State *L) {
  return edges(L, false);
}

static int profile_lines (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  uint32_t file = findstring(&p->p, text, len), only = UINT32_MAX, count = 0, i;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_linerow *rows = NULL;
  static const char *const known[] = {"name", NULL};
  void **block;
  pyr_lua_options(L, 3, known);
  block = pyr_lua_owner(L);
  if (p->p.granularity != PYR_BY_LINE) return pyr_lua_nolines(L);
  if (lua_istable(L, 3) && lua_getfield(L, 3, "name") != LUA_TNIL) {
    text = luaL_checklstring(L, -1, &len);
    only = findstring(&p->p, text, len);
    if (only == UINT32_MAX) file = UINT32_MAX;
  }
  if (file != UINT32_MAX && file != 0 &&
      pyr_profile_lines(&p->p, file, only, &rows, &count, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  *block = rows;
  lua_createtable(L, (int)count, 0);
  for (i = 0; i < count; i++) {
    const pyr_string *name = p->p.strings + rows[i].name;
    lua_createtable(L, 0, 4);
    pyr_lua_setinteger(L, "line", rows[i].line);
    lua_pushlstring(L, name->bytes, name->length);
    lua_setfield(L, -2, "name");
    pyr_lua_setinteger(L, "self", pyr_lua_divided(p, rows[i].self));
    pyr_lua_setinteger(L, "total", pyr_lua_divided(p, rows[i].total));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int profile_files (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  bool *seen = pyr_lua_scratch(L, p->p.string_count, sizeof *seen);
  uint32_t i;
  lua_Integer n = 0;
  for (i = 1; i < p->p.frame_count; i++)
    seen[p->p.frames[i].file] = true;
  lua_newtable(L);
  for (i = 1; i < p->p.string_count; i++)
    if (seen[i]) {
      lua_pushlstring(L, p->p.strings[i].bytes, p->p.strings[i].length);
      lua_rawseti(L, -2, ++n);
    }
  return 1;
}

static int profile_stacks (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 20);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t *nodes = NULL, count, i, k;
  void **block = pyr_lua_owner(L);
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  count = (uint32_t)n;
  if (pyr_profile_heaviest(&p->p, &nodes, &count, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  *block = nodes;
  lua_createtable(L, (int)count, 0);
  for (i = 0; i < count; i++) {
    const pyr_node *node = p->p.nodes + nodes[i];
    lua_createtable(L, 0, 3);
    lua_createtable(L, (int)node->level, 0);
    for (k = nodes[i]; k != 0; k = p->p.nodes[k].parent) {
      const pyr_string *s = p->p.strings + p->p.frames[p->p.nodes[k].frame].name;
      lua_pushlstring(L, s->bytes, s->length);
      lua_rawseti(L, -2, p->p.nodes[k].level);
    }
    lua_setfield(L, -2, "frames");
    pyr_lua_setinteger(L, "value", pyr_lua_divided(p, node->self));
    pyr_lua_setnumber(L, "share", pyr_lua_share(node->self, p->p.nodes[0].total));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"top", profile_top},         {"find", profile_find},
    {"callers", profile_callers}, {"callees", profile_callees},
    {"lines", profile_lines},     {"files", profile_files},
    {"stacks", profile_stacks},   {NULL, NULL}};

void pyr_lua_add_rows (lua_State *L) {
  luaL_setfuncs(L, methods, 0);
}
