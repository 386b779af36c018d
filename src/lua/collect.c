#include <stdlib.h>
#include <string.h>

#include "decode/pprof_tags.h"
#include "lua/pprof.h"
#include "lua/rows.h"

/* Everything that a question about samples needs until its answer is there. */
typedef struct collection {
  pyr_stacks b;
  pyr_pprofrows rows;
  pyr_luaprofile frames; /* of rows: a profile without nodes below the root */
  lua_Integer count, negative;
} collection;

#define COLLECTION_T "pyroscope.collection"
#define TAGS_T "pyroscope.tags"
#define NAMES_T "pyroscope.names"

static int collection__gc (lua_State *L) {
  collection *c = luaL_checkudata(L, 1, COLLECTION_T);
  pyr_stacks_free(&c->b);
  pyr_pprofrows_free(&c->rows);
  pyr_profile_free(&c->frames.p);
  return 0;
}

static int names__gc (lua_State *L) {
  pyr_names_free(luaL_checkudata(L, 1, NAMES_T));
  return 0;
}

/*
** The keys of the table in field 'key' of the selection at 'arg' as a set, in lower
** case; pushes one value.
*/
static const pyr_names *checkids (lua_State *L, int arg, const char *key) {
  pyr_names *set;
  if (lua_getfield(L, arg, key) == LUA_TNIL) return NULL;
  luaL_checktype(L, -1, LUA_TTABLE);
  set = pyr_lua_temporary(L, NAMES_T, sizeof *set, names__gc);
  if (pyr_names_init(set, 1) != PYR_OK) luaL_error(L, "not enough memory");
  lua_pushnil(L);
  while (lua_next(L, -3) != 0) {
    char id[64];
    size_t len, k;
    uint32_t index;
    const char *text;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "the keys of '%s' must be strings", key);
    text = lua_tolstring(L, -2, &len);
    if (lua_toboolean(L, -1) && len <= sizeof id) { /* what is longer is no id */
      for (k = 0; k < len; k++)
        id[k] =
            text[k] >= 'A' && text[k] <= 'Z' ? (char)(text[k] + 'a' - 'A') : text[k];
      if (pyr_names_intern(set, id, (uint32_t)len, &index) != PYR_OK)
        luaL_error(L, "not enough memory");
    }
    lua_pop(L, 1);
  }
  lua_remove(L, -2);
  return set;
}

static int tags__gc (lua_State *L) {
  pyr_tagfilter_free(luaL_checkudata(L, 1, TAGS_T));
  return 0;
}

/* Field 'key' of the options at 'arg' as a filter by labels; pushes two values. Raises what is
   the caller's mistake, as an error table. */
static const pyr_tagfilter *checktags (lua_State *L, int arg, const char *key,
                                       pyr_error *e) {
  pyr_tagfilter *f;
  size_t len;
  const char *text;
  if (lua_getfield(L, arg, key) == LUA_TNIL) return NULL;
  text = luaL_checklstring(L, -1, &len);
  f = pyr_lua_temporary(L, TAGS_T, sizeof *f, tags__gc);
  return pyr_tagfilter_init(f, text, len, e) == PYR_OK ? f : NULL;
}

/*
** Field call_site of the options at 'arg' as an array in a userdata, which keeps a
** table of the strings alive; pushes one value.
*/
static const pyr_string *checkcallsite (lua_State *L, int arg, uint32_t *depth) {
  pyr_string *site;
  lua_Integer n, i;
  *depth = 0;
  if (lua_getfield(L, arg, "call_site") == LUA_TNIL) return NULL;
  luaL_checktype(L, -1, LUA_TTABLE);
  n = (lua_Integer)lua_rawlen(L, -1);
  site = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *site, 1);
  lua_createtable(L, (int)n, 0);
  for (i = 1; i <= n; i++) {
    size_t len;
    if (lua_rawgeti(L, -3, i) != LUA_TSTRING)
      luaL_error(L, "option 'call_site' must be an array of function names");
    site[i - 1].bytes = lua_tolstring(L, -1, &len);
    site[i - 1].length = (uint32_t)len;
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, 1);
  lua_remove(L, -2);
  *depth = (uint32_t)n;
  return site;
}

static pyr_granularity checkgranularity (lua_State *L, int arg) {
  pyr_granularity by = PYR_BY_FUNCTION;
  if (lua_getfield(L, arg, "granularity") != LUA_TNIL) {
    const char *text = luaL_checkstring(L, -1);
    if (strcmp(text, "line") == 0)
      by = PYR_BY_LINE;
    else if (strcmp(text, "function") != 0)
      luaL_error(L, "granularity must be 'function' or 'line', not '%s'", text);
  }
  lua_pop(L, 1);
  return by;
}

/* Reads the selection at 'arg', whose fields stay on the stack as long as they are
 * needed. */
static const pyr_pprof *checkselection (lua_State *L, int arg, lua_Integer number,
                                        pyr_pprofselection *s) {
  const pyr_pprof *h;
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_getfield(L, arg, "type");
  lua_getfield(L, arg, "sets");
  s->spans = checkids(L, arg, "spans");
  s->traces = checkids(L, arg, "traces");
  lua_rawgeti(L, arg, 1);
  h = luaL_testudata(L, -1, PYR_PPROF_T);
  if (h == NULL || h->types == NULL)
    luaL_error(L, "selection %I has no open pprof", number);
  s->type = pyr_lua_checktype(L, arg + 1, h);
  s->sets = pyr_lua_checksets(L, arg + 2, h);
  return h;
}

/*
** Walks over all samples of the selections at 1, with the options at 'arg', a table.
** Returns what it pushes last.
*/
static collection *gather (lua_State *L, int arg, pyr_granularity by, bool rows,
                           pyr_error *e) {
  pyr_pprofselection common;
  collection *c;
  lua_Integer i, n;
  memset(&common, 0, sizeof common);
  lua_getfield(L, arg, "named_only");
  common.named_only = lua_toboolean(L, -1);
  if (lua_getfield(L, arg, "max_depth") != LUA_TNIL) {
    lua_Integer max = luaL_checkinteger(L, -1);
    luaL_argcheck(L, max >= 1, arg, "option 'max_depth' must be positive");
    common.max_depth = max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
  }
  lua_pop(L, 2);
  common.call_site = checkcallsite(L, arg, &common.call_site_depth);
  common.focus = checktags(L, arg, "tagfocus", e);
  if (e->status == PYR_OK) common.ignore = checktags(L, arg, "tagignore", e);
  c = pyr_lua_temporary(L, COLLECTION_T, sizeof *c, collection__gc);
  if (e->status != PYR_OK || pyr_stacks_init(&c->b, by, e) != PYR_OK) return c;
  n = (lua_Integer)lua_rawlen(L, 1);
  luaL_checkstack(L, 20, NULL);
  for (i = 1; i <= n; i++) {
    pyr_pprofselection s = common;
    int top = lua_gettop(L);
    const pyr_pprof *h;
    lua_rawgeti(L, 1, i);
    h = checkselection(L, top + 1, i, &s);
    if ((rows ? pyr_pprof_weigh(h, &s, &c->b, &c->rows, e)
              : pyr_pprof_stacks(h, &s, &c->b, e)) != PYR_OK)
      return c;
    c->count += s.count;
    c->negative += s.negative;
    lua_settop(L, top);
  }
  return c;
}

/* A table at 'arg', made where there is none, with known keys. */
static void checkoptions (lua_State *L, int arg, const char *const *known) {
  lua_settop(L, arg);
  if (lua_isnil(L, arg)) {
    lua_newtable(L);
    lua_replace(L, arg);
  }
  pyr_lua_options(L, arg, known);
}

/* The error of gathering with the options at 'arg': of a bad filter with a caret in it. */
static int badcollection (lua_State *L, int arg, const pyr_error *e) {
  static const char *const keys[] = {"tagfocus", "tagignore", NULL};
  int i;
  for (i = 0; e->status == PYR_EUSAGE && keys[i] != NULL; i++) {
    pyr_error own = {PYR_OK, NULL, NULL, PYR_NOWHERE};
    size_t len;
    const char *text;
    if (lua_getfield(L, arg, keys[i]) == LUA_TNIL) continue;
    text = lua_tolstring(L, -1, &len);
    if (checktags(L, arg, keys[i], &own) == NULL)
      return pyr_lua_patternerror(L, &own, text, len);
  }
  return pyr_lua_error(L, e);
}

static int core_collect (lua_State *L) {
  static const char *const known[] = {"granularity", "named_only", "call_site",
                                      "max_depth",   "tagfocus",   "tagignore",
                                      NULL};
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_granularity by;
  pyr_luaprofile *result;
  collection *c;
  luaL_checktype(L, 1, LUA_TTABLE);
  checkoptions(L, 2, known);
  by = checkgranularity(L, 2);
  c = gather(L, 2, by, false, &e);
  if (e.status != PYR_OK) return badcollection(L, 2, &e);
  result = pyr_lua_newprofile(L);
  if (pyr_stacks_finish(&c->b, &result->p, &e) != PYR_OK) return pyr_lua_error(L, &e);
  pyr_lua_weigh(L, pyr_profile_bytes(&result->p));
  lua_pushinteger(L, c->count);
  lua_pushinteger(L, c->negative);
  return 3;
}

/* Weights of frames become those of groups; at function granularity a group is one
 * frame. */
static pyr_status weighgroups (pyr_luagroups *s, collection *c, pyr_error *e) {
  const pyr_profile *p = &c->frames.p;
  uint32_t f;
  if (pyr_grouping_init(&s->g, p, PYR_BY_FUNCTION, e) != PYR_OK) return e->status;
  s->w = calloc(s->g.count + 1u, sizeof *s->w);
  s->frames = malloc((s->g.count + 1u) * sizeof *s->frames);
  if (s->w == NULL || s->frames == NULL) return pyr_nomemory(e);
  memset(s->frames, 0xff, (s->g.count + 1u) * sizeof *s->frames);
  for (f = 1; f < p->frame_count; f++) {
    uint32_t group = s->g.of[f] & ~PYR_GROUP_OTHER;
    s->w[group] = c->rows.weights[f];
    s->frames[group] = f;
  }
  return PYR_OK;
}

static int core_pprof_top (lua_State *L) {
  static const char *const orders[] = {"self", "total", NULL};
  static const char *const known[] = {"by",     "named_only", "call_site", "max_depth",
                                      "divide", "tagfocus",   "tagignore", NULL};
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  lua_Integer n = luaL_optinteger(L, 2, 20), divide = 1;
  bool by_total = false;
  int64_t total, empty;
  collection *c;
  pyr_luagroups *s;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 2, "out of range");
  checkoptions(L, 3, known);
  if (lua_getfield(L, 3, "by") != LUA_TNIL)
    by_total = luaL_checkoption(L, -1, NULL, orders) == 1;
  if (lua_getfield(L, 3, "divide") != LUA_TNIL) divide = luaL_checkinteger(L, -1);
  luaL_argcheck(L, divide >= 1, 3, "option 'divide' must be positive");
  c = gather(L, 3, PYR_BY_FUNCTION, true, &e);
  if (e.status != PYR_OK) return badcollection(L, 3, &e);
  total = c->b.total;
  empty = c->b.nodes[0].self;
  if (pyr_stacks_finish(&c->b, &c->frames.p, &e) != PYR_OK) return pyr_lua_error(L, &e);
  c->frames.divisor = divide;
  c->frames.p.nodes[0].total = total;
  c->frames.p.nodes[0].self = empty;
  s = pyr_lua_newgroups(L);
  s->count = (uint32_t)n;
  if (weighgroups(s, c, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushtop(L, &c->frames, s, by_total);
}

static const luaL_Reg functions[] = {
    {"collect", core_collect}, {"pprof_top", core_pprof_top}, {NULL, NULL}};

void pyr_lua_add_collect (lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
