#include "lua/rows.h"

#include <stdlib.h>
#include <string.h>

/* Methods of a profile that answer with another one, and sums and differences of several. */

static int profile_truncate (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  lua_Integer n = luaL_checkinteger(L, 2);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 2, "must be at least 1");
  to = pyr_lua_derived(L, 1);
  return pyr_lua_pushderived(L, to,
                             pyr_profile_truncate(&to->p, &p->p, (uint32_t)n, &e), &e);
}

static int profile_regroup (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  pyr_granularity by = pyr_lua_checkgroup(L, 2, NULL);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (by == p->p.granularity) {
    lua_settop(L, 1);
    return 1;
  }
  if (by == PYR_BY_LINE) return pyr_lua_nolines(L);
  to = pyr_lua_derived(L, 1);
  return pyr_lua_pushderived(L, to, pyr_profile_regroup(&to->p, &p->p, by, &e), &e);
}

static int profile_invert (lua_State *L) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to = pyr_lua_derived(L, 1);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  return pyr_lua_pushderived(L, to, pyr_profile_invert(&to->p, &p->p, &e), &e);
}

/* A copy of the meta table of the profile at 'arg', as of one profile; pushed. */
static void pushscaledmeta (lua_State *L, int arg) {
  lua_newtable(L);
  if (lua_getiuservalue(L, arg, 1) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2) != 0;) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -5);
    }
  lua_pop(L, 1);
  pyr_lua_setinteger(L, "profiles", 1);
}

/* The profile at 'arg' with its values divided; itself where they need not be. Pushed. */
static pyr_luaprofile *pushscaled (lua_State *L, int arg, pyr_error *e) {
  pyr_luaprofile *p = pyr_lua_profile(L, arg), *to;
  if (p->divisor == 1) {
    lua_pushvalue(L, arg);
    return p;
  }
  to = pyr_lua_newprofile(L);
  pushscaledmeta(L, arg);
  lua_setiuservalue(L, -2, 1);
  if (pyr_profile_scale(&to->p, &p->p, p->divisor, e) != PYR_OK) return NULL;
  pyr_lua_weigh(L, pyr_profile_bytes(&to->p));
  return to;
}

static int profile_scaled (lua_State *L) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  return pushscaled(L, 1, &e) == NULL ? pyr_lua_error(L, &e) : 1;
}

static int selecting (lua_State *L, pyr_selecting how) {
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *to;
  size_t len;
  const char *pattern = luaL_checklstring(L, 2, &len);
  const pyr_regex *r = pyr_lua_newregex(L, pattern, len, false);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  bool *frames;
  if (r == NULL) return 2;
  frames = pyr_lua_scratch(L, p->p.frame_count, sizeof *frames);
  if (pyr_profile_match(&p->p, r, how == PYR_PRUNE_FROM, frames, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  to = pyr_lua_derived(L, 1);
  return pyr_lua_pushderived(L, to, pyr_profile_select(&to->p, &p->p, how, frames, &e),
                             &e);
}

static int profile_focus (lua_State *L) {
  return selecting(L, PYR_FOCUS);
}

static int profile_ignore (lua_State *L) {
  return selecting(L, PYR_IGNORE);
}

static int profile_hide (lua_State *L) {
  return selecting(L, PYR_HIDE);
}

/* profile:show(pattern), or names that are keys of a table. */
static int profile_show (lua_State *L) {
  pyr_luaprofile *p, *to;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  bool *frames;
  uint32_t i;
  if (!lua_istable(L, 2)) return selecting(L, PYR_SHOW);
  p = pyr_lua_profile(L, 1);
  lua_settop(L, 2);
  frames = pyr_lua_scratch(L, p->p.frame_count, sizeof *frames);
  for (i = 1; i < p->p.frame_count; i++) {
    pyr_string s = p->p.strings[p->p.frames[i].name];
    lua_pushlstring(L, s.bytes, s.length);
    frames[i] = lua_rawget(L, 2) != LUA_TNIL && lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  to = pyr_lua_derived(L, 1);
  return pyr_lua_pushderived(
      L, to, pyr_profile_select(&to->p, &p->p, PYR_SHOW, frames, &e), &e);
}

static int profile_show_from (lua_State *L) {
  return selecting(L, PYR_SHOW_FROM);
}

static int profile_prune_from (lua_State *L) {
  return selecting(L, PYR_PRUNE_FROM);
}

/* A selection by exact name: what is called "a.b" is no pattern here. Pushes the result. */
static pyr_luaprofile *selectnamed (lua_State *L, int arg, pyr_selecting how,
                                    const char *name, size_t len, pyr_error *e) {
  const pyr_profile *p = &pyr_lua_profile(L, arg)->p;
  bool *frames = pyr_lua_scratch(L, p->frame_count, sizeof *frames);
  pyr_luaprofile *to;
  uint32_t i;
  for (i = 1; i < p->frame_count; i++) {
    pyr_string s = p->strings[p->frames[i].name];
    frames[i] = s.length == len && memcmp(s.bytes, name, len) == 0;
  }
  to = pyr_lua_derived(L, arg);
  if (pyr_profile_select(&to->p, p, how, frames, e) != PYR_OK) return NULL;
  pyr_lua_weigh(L, pyr_profile_bytes(&to->p));
  return to;
}

/* Callers from the function up, and callees from it down; both hold the stacks with it. */
static int profile_sandwich (lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luaprofile *pruned, *callers;
  int stacks;
  lua_settop(L, 2);
  if (selectnamed(L, 1, PYR_FOCUS, name, len, &e) == NULL) return pyr_lua_error(L, &e);
  stacks = lua_gettop(L);
  pruned = selectnamed(L, stacks, PYR_PRUNE_FROM, name, len, &e);
  if (pruned == NULL) return pyr_lua_error(L, &e);
  callers = pyr_lua_derived(L, 1);
  if (pyr_profile_invert(&callers->p, &pruned->p, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  pyr_lua_weigh(L, pyr_profile_bytes(&callers->p));
  if (selectnamed(L, stacks, PYR_SHOW_FROM, name, len, &e) == NULL)
    return pyr_lua_error(L, &e);
  lua_pushvalue(L, -3); /* callers, scratch, callees */
  lua_insert(L, -2);
  return 2;
}

/* ---- several profiles ---- */

/* Pushes meta[key] of the i-th profile in the list. */
static bool listfield (lua_State *L, int list, lua_Integer i, const char *key) {
  bool there;
  lua_rawgeti(L, list, i);
  there = pyr_lua_metafield(L, lua_gettop(L), key);
  lua_remove(L, -2);
  return there;
}

/* Sets what all agree on in the table on top of the stack. */
static void mergeagreed (lua_State *L, int list, lua_Integer n, const char *key) {
  lua_Integer i;
  bool same = true;
  listfield(L, list, 1, key);
  for (i = 2; i <= n && same; i++) {
    listfield(L, list, i, key);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
  }
  if (same)
    lua_setfield(L, -2, key);
  else
    lua_pop(L, 1);
}

/* Labels with one value in all of them. */
static void mergelabels (lua_State *L, int list, lua_Integer n) {
  lua_Integer i;
  lua_newtable(L);
  if (listfield(L, list, 1, "labels") && lua_istable(L, -1)) {
    for (lua_pushnil(L); lua_next(L, -2) != 0;) { /* labels, first, key, value */
      bool same = true;
      for (i = 2; i <= n && same; i++) {
        same = listfield(L, list, i, "labels") && lua_istable(L, -1);
        if (same) {
          lua_pushvalue(L, -3);
          lua_rawget(L, -2);
          same = lua_rawequal(L, -1, -3);
          lua_pop(L, 1);
        }
        lua_pop(L, 1);
      }
      if (!same) {
        lua_pop(L, 1);
        continue;
      }
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_setfield(L, -2, "labels");
  } else
    lua_pop(L, 2);
}

/* Result, set of what is in it, one list of warnings; the stack stays as it is. */
static void addwarnings (lua_State *L, lua_Integer *count) {
  int result = lua_gettop(L) - 2;
  lua_Integer k;
  for (k = 1; lua_rawgeti(L, result + 2, k) != LUA_TNIL; k++) {
    lua_pushvalue(L, -1);
    if (lua_rawget(L, result + 1) == LUA_TNIL) {
      lua_pushvalue(L, -2);
      lua_pushboolean(L, 1);
      lua_rawset(L, result + 1);
      lua_pushvalue(L, -2);
      lua_rawseti(L, result, ++*count);
    }
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

/* A warning or a gap of one part is one of the whole. */
static void mergewarnings (lua_State *L, int list, lua_Integer n) {
  lua_Integer i, count = 0;
  bool partial = false;
  lua_newtable(L); /* warnings */
  lua_newtable(L); /* those that are in it */
  for (i = 1; i <= n; i++) {
    partial = (listfield(L, list, i, "partial") && lua_toboolean(L, -1)) || partial;
    lua_pop(L, 1);
    if (listfield(L, list, i, "warnings") && lua_istable(L, -1)) addwarnings(L, &count);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (count != 0)
    lua_setfield(L, -2, "warnings");
  else
    lua_pop(L, 1);
  if (partial) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "partial");
  }
}

/* Counts add up, windows unite. A count that one part does not know is not known. */
static void mergenumbers (lua_State *L, int list, lua_Integer n) {
  lua_Integer i, profiles = 0, from = INT64_MAX, to = INT64_MIN;
  bool known = true;
  for (i = 1; i <= n; i++) {
    if (listfield(L, list, i, "profiles"))
      profiles += lua_tointeger(L, -1);
    else
      known = false;
    if (listfield(L, list, i, "from_ms") && lua_tointeger(L, -1) < from)
      from = lua_tointeger(L, -1);
    if (listfield(L, list, i, "to_ms") && lua_tointeger(L, -1) > to)
      to = lua_tointeger(L, -1);
    lua_pop(L, 3);
  }
  if (known) pyr_lua_setinteger(L, "profiles", profiles);
  if (from != INT64_MAX) pyr_lua_setinteger(L, "from_ms", from);
  if (to != INT64_MIN) pyr_lua_setinteger(L, "to_ms", to);
}

static void pushmergedmeta (lua_State *L, int list, lua_Integer n) {
  static const char *const agreed[] = {"profile_type", "unit",     "kind",
                                       "sum",          "selector", "source"};
  size_t k;
  lua_newtable(L);
  for (k = 0; k < sizeof agreed / sizeof *agreed; k++)
    mergeagreed(L, list, n, agreed[k]);
  mergelabels(L, list, n);
  mergewarnings(L, list, n);
  mergenumbers(L, list, n);
}

/* True, and nil and an error pushed, if two profiles say that their units differ. */
static bool unitsdiffer (lua_State *L, int list, lua_Integer n) {
  lua_Integer i;
  lua_pushnil(L); /* the first unit known */
  for (i = 1; i <= n; i++) {
    if (listfield(L, list, i, "unit") && !lua_isnil(L, -2) &&
        !lua_rawequal(L, -1, -2)) {
      lua_pushfstring(L, "profiles in %s and in %s have no sum", lua_tostring(L, -2),
                      lua_tostring(L, -1));
      pyr_lua_fail(L, "usage", lua_tostring(L, -1), "units", NULL);
      return true;
    }
    if (lua_isnil(L, -2))
      lua_replace(L, -2);
    else
      lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return false;
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
  if (unitsdiffer(L, 1, n)) return 2;
  out = pyr_lua_newprofile(L);
  if (pyr_profile_merge(&out->p, inputs, (uint32_t)n, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_pushcfunction(L, pyr_lua_describe);
  lua_pushvalue(L, -2);
  pushmergedmeta(L, 1, n);
  lua_call(L, 2, 1);
  pyr_lua_weigh(L, pyr_profile_bytes(&out->p));
  return 1;
}

/* Stocks are subtracted as they are seen: divided. Their sums say how often somebody looked. */
static int core_subtract (lua_State *L) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_luaprofile *a, *b, *to;
  int64_t clipped;
  lua_settop(L, 2);
  a = pushscaled(L, 1, &e);
  b = a == NULL ? NULL : pushscaled(L, 2, &e);
  if (b == NULL) return pyr_lua_error(L, &e);
  to = pyr_lua_derived(L, 3);
  if (pyr_profile_subtract(&to->p, &a->p, &b->p, &clipped, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  pyr_lua_weigh(L, pyr_profile_bytes(&to->p));
  lua_pushinteger(L, clipped);
  return 2;
}

static const luaL_Reg methods[] = {
    {"truncate", profile_truncate},   {"regroup", profile_regroup},
    {"focus", profile_focus},         {"ignore", profile_ignore},
    {"hide", profile_hide},           {"show", profile_show},
    {"show_from", profile_show_from}, {"prune_from", profile_prune_from},
    {"invert", profile_invert},       {"scaled", profile_scaled},
    {"sandwich", profile_sandwich},   {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"merge", core_merge}, {"subtract", core_subtract}, {NULL, NULL}};

void pyr_lua_add_derived (lua_State *L) {
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -3);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
