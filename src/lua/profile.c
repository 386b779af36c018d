#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/gzip.h"
#include "decode/decode.h"
#include "decode/pprof.h"
#include "lua/rows.h"
#include "profile/sorted.h"
#include "render/render.h"

#define MAX_BYTES ((size_t)512 << 20)

/* ---- handles ---- */

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
static lua_Integer divided (const pyr_luaprofile *p, int64_t v) {
  int64_t q = v / p->divisor, r = v % p->divisor;
  return q + (r >= p->divisor - r && r != 0);
}

static bool metafield (lua_State *L, int arg, const char *key) {
  if (lua_getiuservalue(L, arg, 1) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_pushnil(L);
    return false;
  }
  lua_getfield(L, -1, key);
  lua_remove(L, -2);
  return !lua_isnil(L, -1);
}

static uint32_t functions (const pyr_profile *p) {
  uint32_t other = p->cut ? pyr_profile_other_name(p) : UINT32_MAX, i, n = 0;
  bool *seen = calloc(p->string_count + 1u, 1);
  if (seen == NULL) return 0;
  for (i = 1; i < p->count; i++) {
    uint32_t name = p->frames[p->nodes[i].frame].name;
    if (seen[name] || (name == other && pyr_profile_is_other(p, i))) continue;
    seen[name] = true;
    n++;
  }
  free(seen);
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
    lua_pushinteger(L, divided(p, p->p.nodes[0].total));
  else if (strcmp(key, "sum") == 0)
    lua_pushinteger(L, p->p.nodes[0].total);
  else if (strcmp(key, "granularity") == 0)
    lua_pushstring(L, granularities[p->p.granularity]);
  else if (strcmp(key, "levels") == 0)
    lua_pushinteger(L, p->p.levels);
  else if (strcmp(key, "functions") == 0)
    lua_pushinteger(L, functions(&p->p));
  else if (strcmp(key, "divisor") == 0)
    lua_pushinteger(L, p->divisor);
  else if (strcmp(key, "meta") == 0) {
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) lua_newtable(L);
  } else
    metafield(L, 1, key);
  return 1;
}

static int profile_describe (lua_State *L) {
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
static pyr_luaprofile *derived (lua_State *L, int arg) {
  const pyr_luaprofile *from = pyr_lua_profile(L, arg);
  pyr_luaprofile *to = pyr_lua_newprofile(L);
  to->divisor = from->divisor;
  lua_getiuservalue(L, arg, 1);
  lua_setiuservalue(L, -2, 1);
  return to;
}

static int pushderived (lua_State *L, pyr_luaprofile *to, pyr_status status,
                        const pyr_error *e) {
  if (status != PYR_OK) return pyr_lua_error(L, e);
  pyr_lua_weigh(L, pyr_profile_bytes(&to->p));
  return 1;
}

/* ---- rows ---- */

static double share (int64_t part, int64_t whole) {
  return whole == 0 ? 0 : (double)part / (double)whole;
}

static void setinteger (lua_State *L, const char *key, lua_Integer v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, key);
}

static void setnumber (lua_State *L, const char *key, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, key);
}

static void pushrow (lua_State *L, const pyr_luaprofile *p, const pyr_luagroups *s,
                     uint32_t group) {
  int64_t total = p->p.nodes[0].total;
  lua_createtable(L, 0, 8);
  pyr_lua_setplace(L, s, group);
  setinteger(L, "self", divided(p, s->w[group].self));
  setinteger(L, "total", divided(p, s->w[group].total));
  setnumber(L, "self_share", share(s->w[group].self, total));
  setnumber(L, "total_share", share(s->w[group].total, total));
}

static int profile_top (lua_State *L) {
  static const char *const orders[] = {"self", "total", NULL};
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 20);
  pyr_granularity by = pyr_lua_checkgroup(L, 3, "group");
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  bool by_total = false;
  int64_t shown = 0, total = p->p.nodes[0].total, empty = p->p.nodes[0].self;
  pyr_luagroups *s;
  uint32_t i;
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "by");
    if (!lua_isnil(L, -1)) by_total = luaL_checkoption(L, -1, NULL, orders) == 1;
    lua_pop(L, 1);
  }
  s = pyr_lua_newgroups(L);
  s->count = (uint32_t)n;
  if (pyr_lua_weighgroups(s, &p->p, by, &e) != PYR_OK ||
      pyr_profile_top(&s->g, s->w, by_total, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, (int)s->count, 0);
  for (i = 0; i < s->count; i++) {
    pushrow(L, p, s, s->rows[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    shown += s->w[s->rows[i]].self;
  }
  lua_createtable(L, 0, 5);
  setnumber(L, "shown", share(shown, total));
  setnumber(L, "rest", share(total - shown - s->other - empty, total));
  setnumber(L, "other", share(s->other, total));
  if (empty != 0) setnumber(L, "empty", share(empty, total));
  setinteger(L, "functions", s->all);
  return 2;
}

static int profile_find (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *pattern = luaL_checklstring(L, 2, &len);
  const pyr_regex *r = pyr_lua_newregex(L, pattern, len, false);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luagroups *s;
  uint32_t i;
  lua_Integer n = 0;
  if (r == NULL) return 2;
  s = pyr_lua_newgroups(L);
  if (pyr_lua_weighgroups(s, &p->p, PYR_BY_FUNCTION, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  for (i = 0; i < s->g.count; i++) { /* what does not match is not seen */
    const pyr_frame *f;
    bool match = false;
    if (!s->w[i].seen) continue;
    f = p->p.frames + s->frames[i];
    if (pyr_regex_test(r, p->p.strings[i].bytes, p->p.strings[i].length, &match, &e) !=
            PYR_OK ||
        (!match && f->file != 0 &&
         pyr_regex_test(r, p->p.strings[f->file].bytes, p->p.strings[f->file].length, &match,
                        &e) != PYR_OK) ||
        (!match && f->object != 0 &&
         pyr_regex_test(r, p->p.strings[f->object].bytes, p->p.strings[f->object].length,
                        &match, &e) != PYR_OK))
      return pyr_lua_error(L, &e);
    s->w[i].seen = match;
  }
  s->count = 0;
  if (pyr_profile_top(&s->g, s->w, true, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_newtable(L);
  for (i = 0; i < s->count; i++) {
    pushrow(L, p, s, s->rows[i]);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Callers or callees of a function, by value; second result: the function's own row. */
static int edges (lua_State *L, bool callers) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t id = UINT32_MAX, i;
  int64_t root = 0, *values;
  lua_Integer n = 0;
  pyr_luagroups *s;
  for (i = 0; i < p->p.string_count && id == UINT32_MAX; i++)
    if (p->p.strings[i].length == len && memcmp(p->p.strings[i].bytes, name, len) == 0) id = i;
  s = pyr_lua_newgroups(L);
  if (pyr_lua_weighgroups(s, &p->p, PYR_BY_FUNCTION, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  if (id == UINT32_MAX || !s->w[id].seen) {
    lua_newtable(L);
    lua_pushnil(L);
    return 2;
  }
  values = pyr_lua_scratch(L, p->p.string_count, sizeof *values);
  if (pyr_profile_edges(&p->p, id, callers, values, &root, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  pushrow(L, p, s, id);
  for (i = 0; i < s->g.count; i++) { /* ranked by what goes over the edge */
    s->w[i].seen = values[i] != 0;
    s->w[i].total = values[i];
    s->w[i].self = 0;
  }
  s->count = 0;
  if (pyr_profile_top(&s->g, s->w, true, &s->rows, &s->count, &s->all, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_newtable(L);
  for (i = 0; i < s->count || root != 0;) {
    bool nobody = root != 0 && (i == s->count || values[s->rows[i]] < root);
    int64_t value = nobody ? root : values[s->rows[i]];
    lua_createtable(L, 0, 6);
    if (nobody) {
      lua_pushliteral(L, "");
      lua_setfield(L, -2, "name");
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, "root");
      root = 0;
    } else
      pyr_lua_setplace(L, s, s->rows[i++]);
    setinteger(L, "value", divided(p, value));
    setnumber(L, "share", share(value, p->p.nodes[0].total));
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

static uint32_t findstring (const pyr_profile *p, const char *text, size_t len) {
  uint32_t i;
  for (i = 0; i < p->string_count; i++)
    if (p->strings[i].length == len && memcmp(p->strings[i].bytes, text, len) == 0) return i;
  return UINT32_MAX;
}

static int freescratch (lua_State *L) {
  void **block = lua_touserdata(L, 1);
  free(*block);
  *block = NULL;
  return 0;
}

/* A place for a malloced block that Lua will free. */
static void **owner (lua_State *L) {
  void **block = lua_newuserdatauv(L, sizeof *block, 0);
  *block = NULL;
  if (luaL_newmetatable(L, "pyroscope.block")) {
    lua_pushcfunction(L, freescratch);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return block;
}

static int profile_lines (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  uint32_t file = findstring(&p->p, text, len), only = UINT32_MAX, count = 0, i;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_linerow *rows = NULL;
  void **block = owner(L);
  if (lua_istable(L, 3) && lua_getfield(L, 3, "name") == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &len);
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
    setinteger(L, "line", rows[i].line);
    lua_pushlstring(L, name->bytes, name->length);
    lua_setfield(L, -2, "name");
    setinteger(L, "self", divided(p, rows[i].self));
    setinteger(L, "total", divided(p, rows[i].total));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int profile_files (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  bool *seen = pyr_lua_scratch(L, p->p.string_count, sizeof *seen);
  uint32_t i;
  lua_Integer n = 0;
  for (i = 1; i < p->p.frame_count; i++) seen[p->p.frames[i].file] = true;
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
  void **block = owner(L);
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  count = (uint32_t)n;
  if (pyr_profile_heaviest(&p->p, &nodes, &count, &e) != PYR_OK) return pyr_lua_error(L, &e);
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
    setinteger(L, "value", divided(p, node->self));
    setnumber(L, "share", share(node->self, p->p.nodes[0].total));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* ---- walking ---- */

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
  pyr_luaprofile *p = pyr_lua_profile(L, lua_upvalueindex(1));
  walker *w = lua_touserdata(L, lua_upvalueindex(2));
  const pyr_node *n;
  const pyr_frame *f;
  const pyr_string *name;
  if (w->next == UINT32_MAX) return 0;
  n = p->p.nodes + w->next;
  f = p->p.frames + n->frame;
  name = p->p.strings + f->name;
  lua_pushinteger(L, n->level);
  if (w->next == 0)
    lua_pushliteral(L, "total");
  else
    lua_pushlstring(L, name->bytes, name->length);
  lua_pushinteger(L, divided(p, n->self));
  lua_pushinteger(L, divided(p, n->total));
  if (f->file != 0)
    lua_pushlstring(L, p->p.strings[f->file].bytes, p->p.strings[f->file].length);
  else
    lua_pushnil(L);
  if (f->line != 0)
    lua_pushinteger(L, f->line);
  else
    lua_pushnil(L);
  w->next = pyr_sorted_next(&w->sorted, &p->p, w->next);
  return 6;
}

static int profile_walk (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  walker *w;
  lua_settop(L, 1);
  w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  if (luaL_newmetatable(L, "pyroscope.walker")) {
    lua_pushcfunction(L, walker__gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, walker__gc);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  if (pyr_sorted_init(&w->sorted, &p->p, &e) != PYR_OK) return luaL_error(L, "%s", e.message);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, walknext, 2);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 2); /* closed when the loop ends, also by break */
  return 4;
}

/* ---- other trees ---- */

static int profile_truncate (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  lua_Integer n = luaL_checkinteger(L, 2);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 2, "must be at least 1");
  to = derived(L, 1);
  return pushderived(L, to, pyr_profile_truncate(&to->p, &p->p, (uint32_t)n, &e), &e);
}

static int profile_regroup (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  pyr_granularity by = pyr_lua_checkgroup(L, 2, NULL);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (by == p->p.granularity) {
    lua_settop(L, 1);
    return 1;
  }
  to = derived(L, 1);
  return pushderived(L, to, pyr_profile_regroup(&to->p, &p->p, by, &e), &e);
}

static int profile_invert (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to = derived(L, 1);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  return pushderived(L, to, pyr_profile_invert(&to->p, &p->p, &e), &e);
}

static int profile_scaled (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (p->divisor == 1) {
    lua_settop(L, 1);
    return 1;
  }
  to = derived(L, 1);
  to->divisor = 1;
  return pushderived(L, to, pyr_profile_scale(&to->p, &p->p, p->divisor, &e), &e);
}

static int selecting (lua_State *L, pyr_selecting how) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  size_t len;
  const char *pattern = luaL_checklstring(L, 2, &len);
  const pyr_regex *r = pyr_lua_newregex(L, pattern, len, false);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  signed char *strings; /* by string: 0 not tried, 1 matches, -1 does not */
  bool *frames;
  uint32_t i, k;
  if (r == NULL) return 2;
  strings = pyr_lua_scratch(L, p->p.string_count, sizeof *strings);
  frames = pyr_lua_scratch(L, p->p.frame_count, sizeof *frames);
  strings[0] = -1;
  for (i = 1; i < p->p.frame_count; i++) {
    const pyr_frame *f = p->p.frames + i;
    uint32_t ids[3];
    ids[0] = f->name;
    ids[1] = f->file;
    ids[2] = f->object;
    for (k = 0; k < 3 && !frames[i]; k++) {
      const pyr_string *s = p->p.strings + ids[k];
      bool match;
      if (strings[ids[k]] == 0 || (k == 0 && ids[k] == 0)) {
        if (pyr_regex_test(r, s->bytes, s->length, &match, &e) != PYR_OK)
          return pyr_lua_error(L, &e);
        if (ids[k] == 0) {
          frames[i] = match;
          continue;
        }
        strings[ids[k]] = match ? 1 : -1;
      }
      frames[i] = strings[ids[k]] > 0;
    }
  }
  to = derived(L, 1);
  return pushderived(L, to, pyr_profile_select(&to->p, &p->p, how, frames, &e), &e);
}

static int profile_focus (lua_State *L) { return selecting(L, PYR_FOCUS); }
static int profile_ignore (lua_State *L) { return selecting(L, PYR_IGNORE); }
static int profile_hide (lua_State *L) { return selecting(L, PYR_HIDE); }
static int profile_show (lua_State *L) { return selecting(L, PYR_SHOW); }
static int profile_show_from (lua_State *L) { return selecting(L, PYR_SHOW_FROM); }
static int profile_prune_from (lua_State *L) { return selecting(L, PYR_PRUNE_FROM); }

static int profile_coverage (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1);
  int64_t other = pyr_profile_other(&p->p);
  lua_createtable(L, 0, 3);
  setinteger(L, "other", divided(p, other));
  setnumber(L, "other_share", share(other, p->p.nodes[0].total));
  lua_pushboolean(L, other != 0);
  lua_setfield(L, -2, "truncated");
  return 1;
}

/* ---- formats ---- */

typedef struct format {
  const char *name, *extension;
  pyr_decoder *read; /* NULL for pprof and speedscope: their files say more than a tree */
  pyr_renderer *write;
  bool binary;
} format;

static const format formats[] = {
    {"pprof", ".pb.gz", NULL, pyr_render_pprof, true},
    {"folded", ".folded", pyr_decode_folded, pyr_render_folded, false},
    {"json", ".json", pyr_decode_flamegraph_json, pyr_render_json, false},
    {"speedscope", ".speedscope.json", NULL, NULL, false},
    {"tree", ".tree", pyr_decode_tree, pyr_render_tree, true},
    {"flamegraph", ".flamegraph.pb", pyr_decode_flamegraph_proto, pyr_render_flamegraph, true},
    {"svg", ".svg", NULL, pyr_render_svg, false},
    {NULL, NULL, NULL, NULL, false}};

static const format *findformat (const char *name) {
  const format *f;
  for (f = formats; f->name != NULL; f++)
    if (strcmp(f->name, name) == 0) return f;
  return NULL;
}

/* A text option or else a meta key of the profile at 1; stays on the stack. */
static const char *textoption (lua_State *L, const char *key, bool meta) {
  if (lua_istable(L, 3) && lua_getfield(L, 3, key) == LUA_TSTRING) return lua_tostring(L, -1);
  if (meta && metafield(L, 1, key) && lua_type(L, -1) == LUA_TSTRING)
    return lua_tostring(L, -1);
  return NULL;
}

static double numberoption (lua_State *L, const char *key) {
  double v = 0;
  if (lua_istable(L, 3)) {
    if (lua_getfield(L, 3, key) != LUA_TNIL) v = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  return v;
}

static lua_Integer timeoption (lua_State *L, const char *key, const char *from,
                               const char *minus) {
  lua_Integer v = 0;
  if (lua_istable(L, 3)) {
    bool given = lua_getfield(L, 3, key) != LUA_TNIL;
    if (given) v = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (given) return v;
  }
  if (metafield(L, 1, from)) {
    v = lua_tointeger(L, -1);
    if (minus != NULL) {
      metafield(L, 1, minus);
      v -= lua_tointeger(L, -1);
    }
    if (v > INT64_MAX / 1000000 || v < 0) v = 0;
    v *= 1000000;
  }
  return v;
}

/* Renders the profile at 1 with the options at 3; pushes a buffer, or nil and an error. */
static pyr_buffer *render (lua_State *L, const format *f) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *scaled = p;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_renderoptions o;
  pyr_buffer *out;
  memset(&o, 0, sizeof o);
  if (p->divisor != 1) {
    scaled = pyr_lua_newprofile(L);
    if (pyr_profile_scale(&scaled->p, &p->p, p->divisor, &e) != PYR_OK) {
      pyr_lua_error(L, &e);
      return NULL;
    }
  }
  o.profile_type = textoption(L, "profile_type", true);
  o.unit = textoption(L, "unit", true);
  o.title = textoption(L, "title", false);
  o.subtitle = textoption(L, "subtitle", false);
  o.width = numberoption(L, "width");
  o.min_width = numberoption(L, "min_width");
  o.time_nanos = timeoption(L, "time_nanos", "from_ms", NULL);
  o.duration_nanos = timeoption(L, "duration_nanos", "to_ms", "from_ms");
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "raw");
    o.raw = lua_toboolean(L, -1);
  }
  out = pyr_lua_buffer(L);
  if (f->write(out, &scaled->p, &o, &e) == PYR_OK) return out;
  pyr_lua_error(L, &e);
  return NULL;
}

static int unknownformat (lua_State *L, const char *name) {
  lua_pushfstring(L, "unknown format '%s'", name);
  return pyr_lua_fail(L, "usage", lua_tostring(L, -1), NULL,
                      "one of: pprof, folded, json, tree, svg");
}

static int profile_render (lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const format *f = findformat(name);
  pyr_buffer *out;
  lua_settop(L, 3);
  pyr_lua_profile(L, 1);
  if (f == NULL || f->write == NULL) return unknownformat(L, name);
  out = render(L, f);
  return out == NULL ? 2 : pyr_lua_pushbuffer(L, out);
}

static bool endswith (const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static const format *formatof (const char *path) {
  const format *f, *best = NULL;
  for (f = formats; f->name != NULL; f++)
    if (endswith(path, f->extension) &&
        (best == NULL || strlen(f->extension) > strlen(best->extension)))
      best = f;
  if (best == NULL && endswith(path, ".collapsed")) best = findformat("folded");
  return best == NULL ? formats : best;
}

static int writefailure (lua_State *L, const char *path, int code) {
  lua_pushfstring(L, "cannot write %s: %s", path,
                  code == EEXIST ? "it exists already" : strerror(code));
  return pyr_lua_fail(L, "io", lua_tostring(L, -1), code == EEXIST ? "exists" : NULL,
                      code == EEXIST ? "force = true (--force) overwrites it" : NULL);
}

/* A new file of mode 600; an old one is replaced only when told, and only when the new one is
   complete. */
static int writefile (lua_State *L, const char *path, const pyr_buffer *b, bool force) {
  const char *target = path;
  size_t done = 0;
  int fd;
  if (force) {
    lua_pushfstring(L, "%s.partial", path);
    target = lua_tostring(L, -1);
    unlink(target);
  }
  fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return writefailure(L, path, errno);
  while (done < b->len) {
    ssize_t n = write(fd, b->data + done, b->len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += (size_t)n;
  }
  if (done < b->len || close(fd) != 0 || (force && rename(target, path) != 0)) {
    int code = errno;
    if (done < b->len) close(fd);
    unlink(target);
    return writefailure(L, path, code);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int profile_save (lua_State *L) {
  const char *path = luaL_checkstring(L, 2), *name = NULL;
  const format *f;
  pyr_buffer *out;
  bool force = false;
  lua_settop(L, 3);
  pyr_lua_profile(L, 1);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "force");
    force = lua_toboolean(L, -1);
    lua_getfield(L, 3, "format");
    name = lua_tostring(L, -1);
  }
  f = name == NULL ? formatof(path) : findformat(name);
  if (f == NULL || f->write == NULL) return unknownformat(L, name == NULL ? f->name : name);
  out = render(L, f);
  return out == NULL ? 2 : writefile(L, path, out, force);
}

static int profile__tostring (lua_State *L) {
  pyr_luaprofile *p = luaL_checkudata(L, 1, PYR_PROFILE_T);
  const char *type, *unit;
  if (p->p.nodes == NULL) {
    lua_pushliteral(L, "profile (closed)");
    return 1;
  }
  lua_settop(L, 1);
  type = textoption(L, "profile_type", true);
  unit = textoption(L, "unit", true);
  lua_pushfstring(L, "profile %s%stotal %I%s%s, %I nodes", type == NULL ? "" : type,
                  type == NULL ? "" : ": ", divided(p, p->p.nodes[0].total),
                  unit == NULL ? "" : " ", unit == NULL ? "" : unit,
                  (lua_Integer)p->p.count);
  return 1;
}

/* ---- making profiles ---- */

static int refused (lua_State *L, const char *what, const char *hint) {
  lua_pushfstring(L, "%s cannot be read", what);
  return pyr_lua_fail(L, "unsupported", lua_tostring(L, -1), NULL, hint);
}

static int decodepprof (lua_State *L, const char *bytes, size_t len, size_t max_bytes) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "pyroscope.core");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "pprof");
  lua_pushlstring(L, bytes, len);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, (lua_Integer)max_bytes);
  lua_setfield(L, -2, "max_bytes");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 2;
  lua_pop(L, 1);
  lua_getfield(L, -2, "collect"); /* core, pprof, collect */
  lua_newtable(L);
  lua_newtable(L);
  lua_pushvalue(L, -4);
  lua_rawseti(L, -2, 1);
  lua_getfield(L, -4, "default_type");
  lua_setfield(L, -2, "type");
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, 3);
  lua_call(L, 2, 2);
  if (!lua_isnil(L, -2)) lua_pop(L, 1);
  return lua_isnil(L, -1) || !lua_isuserdata(L, -1) ? 2 : 1;
}

static int decodewith (lua_State *L, pyr_decoder *read, const char *bytes, size_t len) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  return pushderived(L, p, read(&p->p, bytes, len, &e), &e);
}

/* The file's unit and name are what the profile is until it is described. */
static int decodespeedscope (lua_State *L, const char *bytes, size_t len) {
  static const char *const wanted[] = {"function", "line", NULL};
  pyr_speedscope about = {PYR_BY_FUNCTION, pyr_lua_buffer(L), NULL, 0, 0};
  pyr_luaprofile *p;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "granularity");
    about.granularity =
        luaL_checkoption(L, -1, "function", wanted) == 0 ? PYR_BY_FUNCTION : PYR_BY_LINE;
  }
  p = pyr_lua_newprofile(L);
  if (pyr_decode_speedscope(&p->p, &about, bytes, len, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, about.unit);
  lua_setfield(L, -2, "unit");
  if (about.name->len != 0) {
    lua_pushlstring(L, about.name->data, about.name->len);
    lua_setfield(L, -2, "name");
  }
  lua_setiuservalue(L, -2, 1);
  pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  return 1;
}

static int core_decode (lua_State *L) {
  size_t len, max_bytes = MAX_BYTES;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  const char *name = luaL_optstring(L, 2, NULL);
  const format *f;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  lua_settop(L, 3);
  if (lua_istable(L, 3)) {
    if (lua_getfield(L, 3, "max_bytes") != LUA_TNIL)
      max_bytes = (size_t)luaL_checkinteger(L, -1);
    lua_settop(L, 3);
  }
  if (pyr_is_gzip(bytes, len)) {
    pyr_buffer *b = pyr_lua_buffer(L);
    if (pyr_inflate(b, bytes, len, max_bytes, &e) != PYR_OK) return pyr_lua_error(L, &e);
    bytes = b->data;
    len = b->len;
  }
  if (len > max_bytes)
    return pyr_lua_fail(L, "limit", "larger than the limit", NULL, NULL);
  if (name == NULL) {
    pyr_format guess = pyr_format_guess(bytes, len);
    name = pyr_format_name(guess);
    if (guess == PYR_FORMAT_UNKNOWN)
      return pyr_lua_fail(L, "decode", "no format that is known here", "unknown_format",
                          "pprof, folded stacks, speedscope, Pyroscope's JSON and TREE are read");
    if (guess == PYR_FORMAT_DIFF_JSON)
      return refused(L, "a flame graph of two sides", "give the two profiles to `pscope diff`");
    if (guess == PYR_FORMAT_HTML)
      return refused(L, "a page of HTML", "a login or error page was saved in place of a profile?");
    if (guess == PYR_FORMAT_JFR)
      return refused(L, "a JFR recording", "push it to Pyroscope, or convert it with async-profiler's jfrconv --pprof");
    if (guess == PYR_FORMAT_CHROME_TRACE)
      return refused(L, "a Chrome trace", "export it as speedscope or folded stacks");
    if (guess == PYR_FORMAT_PERF)
      return refused(L, "perf's own format", "perf script | stackcollapse-perf.pl gives folded stacks");
  }
  if (strcmp(name, "pprof") == 0) return decodepprof(L, bytes, len, max_bytes);
  if (strcmp(name, "speedscope") == 0) return decodespeedscope(L, bytes, len);
  f = findformat(name);
  if (f == NULL || f->read == NULL)
    return luaL_argerror(L, 2, "no format that can be read");
  return decodewith(L, f->read, bytes, len);
}

pyr_status pyr_lua_pushflamegraph (lua_State *L, const char *bytes, size_t len,
                                   pyr_error *e) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  if (pyr_decode_flamegraph_proto(&p->p, bytes, len, e) == PYR_OK)
    pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  else
    lua_pop(L, 1);
  return e->status;
}

pyr_status pyr_lua_pushtree (lua_State *L, const char *bytes, size_t len, pyr_error *e) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  if (pyr_decode_tree(&p->p, bytes, len, e) == PYR_OK)
    pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  else
    lua_pop(L, 1);
  return e->status;
}

/* ---- several profiles ---- */

/* Meta of a sum: counts add up, windows unite, what all agree on stays. */
static void mergemeta (lua_State *L, int list, lua_Integer n) {
  static const char *const agreed[] = {"profile_type", "unit", "kind", "sum", "selector",
                                       "source", "labels"};
  lua_Integer i, profiles = 0, from = INT64_MAX, to = INT64_MIN;
  bool known = true;
  size_t k;
  lua_newtable(L);
  for (k = 0; k < sizeof agreed / sizeof *agreed; k++) {
    bool same = true;
    lua_rawgeti(L, list, 1);
    metafield(L, lua_gettop(L), agreed[k]);
    lua_remove(L, -2);
    for (i = 2; i <= n && same; i++) {
      lua_rawgeti(L, list, i);
      metafield(L, lua_gettop(L), agreed[k]);
      same = lua_rawequal(L, -1, -3);
      lua_pop(L, 2);
    }
    if (same)
      lua_setfield(L, -2, agreed[k]);
    else
      lua_pop(L, 1);
  }
  for (i = 1; i <= n; i++) {
    int top;
    lua_rawgeti(L, list, i);
    top = lua_gettop(L);
    if (metafield(L, top, "profiles"))
      profiles += lua_tointeger(L, -1);
    else
      known = false;
    if (metafield(L, top, "from_ms") && lua_tointeger(L, -1) < from)
      from = lua_tointeger(L, -1);
    if (metafield(L, top, "to_ms") && lua_tointeger(L, -1) > to) to = lua_tointeger(L, -1);
    lua_settop(L, top - 1);
  }
  if (known) setinteger(L, "profiles", profiles);
  if (from != INT64_MAX) setinteger(L, "from_ms", from);
  if (to != INT64_MIN) setinteger(L, "to_ms", to);
}

static int core_merge (lua_State *L) {
  const pyr_profile **inputs;
  pyr_luaprofile *out;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  lua_Integer i, n;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  n = luaL_len(L, 1);
  luaL_argcheck(L, n >= 1, 1, "at least one profile is needed");
  inputs = pyr_lua_scratch(L, (size_t)n, sizeof *inputs);
  for (i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    inputs[i - 1] = &pyr_lua_profile(L, -1)->p;
    lua_pop(L, 1);
  }
  out = pyr_lua_newprofile(L);
  if (pyr_profile_merge(&out->p, inputs, (uint32_t)n, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_pushcfunction(L, profile_describe);
  lua_pushvalue(L, -2);
  mergemeta(L, 1, n);
  lua_call(L, 2, 1);
  pyr_lua_weigh(L, pyr_profile_bytes(&out->p));
  return 1;
}

static int core_subtract (lua_State *L) {
  pyr_luaprofile *a = pyr_lua_profile(L, 1), *b = pyr_lua_profile(L, 2), *to;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  int64_t clipped;
  to = derived(L, 1);
  if (pyr_profile_subtract(&to->p, &a->p, &b->p, &clipped, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_pushinteger(L, clipped);
  return 2;
}

static int core_formats (lua_State *L) {
  const format *f;
  lua_newtable(L);
  for (f = formats; f->name != NULL; f++) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, f->extension);
    lua_setfield(L, -2, "extension");
    lua_pushboolean(L, f->binary);
    lua_setfield(L, -2, "binary");
    lua_pushboolean(L, f->read != NULL || f->write == pyr_render_pprof ||
                           strcmp(f->name, "speedscope") == 0);
    lua_setfield(L, -2, "read");
    lua_pushboolean(L, f->write != NULL);
    lua_setfield(L, -2, "write");
    lua_setfield(L, -2, f->name);
  }
  return 1;
}

static const luaL_Reg metamethods[] = {{"__gc", profile__gc},
                                       {"__close", profile__gc},
                                       {"__len", profile__len},
                                       {"__index", profile__index},
                                       {"__tostring", profile__tostring},
                                       {NULL, NULL}};

static const luaL_Reg methods[] = {{"describe", profile_describe},
                                   {"top", profile_top},
                                   {"walk", profile_walk},
                                   {"stacks", profile_stacks},
                                   {"find", profile_find},
                                   {"callers", profile_callers},
                                   {"callees", profile_callees},
                                   {"lines", profile_lines},
                                   {"files", profile_files},
                                   {"truncate", profile_truncate},
                                   {"regroup", profile_regroup},
                                   {"focus", profile_focus},
                                   {"ignore", profile_ignore},
                                   {"hide", profile_hide},
                                   {"show", profile_show},
                                   {"show_from", profile_show_from},
                                   {"prune_from", profile_prune_from},
                                   {"invert", profile_invert},
                                   {"scaled", profile_scaled},
                                   {"coverage", profile_coverage},
                                   {"render", profile_render},
                                   {"save", profile_save},
                                   {"close", profile__gc},
                                   {NULL, NULL}};

static const luaL_Reg library[] = {{"decode", core_decode},
                                   {"merge", core_merge},
                                   {"subtract", core_subtract},
                                   {"formats", core_formats},
                                   {NULL, NULL}};

void pyr_lua_open_profile (lua_State *L) {
  pyr_lua_type(L, PYR_PROFILE_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, library, 0);
}
