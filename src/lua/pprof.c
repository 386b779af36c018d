#include <stdlib.h>
#include <string.h>

#include "lua/pprof.h"

static pyr_pprof *checkpprof (lua_State *L, int arg) {
  pyr_pprof *h = luaL_checkudata(L, arg, PYR_PPROF_T);
  if (h->types == NULL) luaL_argerror(L, arg, "pprof is closed");
  return h;
}

static int pprof__gc (lua_State *L) {
  pyr_pprof *h = luaL_checkudata(L, 1, PYR_PPROF_T);
  if (h->types != NULL) {
    pyr_pprof_free(h);
    pyr_lua_dead(L);
  }
  return 0;
}

static void pushstring (lua_State *L, const pyr_pprof *h, uint32_t index) {
  lua_pushlstring(L, h->strings[index].bytes, h->strings[index].length);
}

static int pprof__tostring (lua_State *L) {
  pyr_pprof *h = luaL_checkudata(L, 1, PYR_PPROF_T);
  if (h->types == NULL)
    lua_pushliteral(L, "pprof (closed)");
  else
    lua_pushfstring(L, "pprof (%I samples, %I types)", (lua_Integer)h->sample_count,
                    (lua_Integer)h->type_count);
  return 1;
}

static int pprof__index (lua_State *L) {
  pyr_pprof *h = luaL_checkudata(L, 1, PYR_PPROF_T);
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "methods");
  if (lua_getfield(L, -1, key) != LUA_TNIL) return 1;
  if (h->types == NULL) return luaL_error(L, "pprof is closed");
  if (strcmp(key, "time_nanos") == 0)
    lua_pushinteger(L, h->time_nanos);
  else if (strcmp(key, "duration_nanos") == 0)
    lua_pushinteger(L, h->duration_nanos);
  else if (strcmp(key, "period") == 0)
    lua_pushinteger(L, h->period);
  else if (strcmp(key, "samples") == 0)
    lua_pushinteger(L, h->sample_count);
  else if (strcmp(key, "default_type") == 0)
    lua_pushinteger(L, (lua_Integer)h->default_type + 1);
  else if (strcmp(key, "period_type") == 0)
    pushstring(L, h, h->period_type.type);
  else if (strcmp(key, "period_unit") == 0)
    pushstring(L, h, h->period_type.unit);
  else
    lua_pushnil(L);
  return 1;
}

static int pprof_types (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t i;
  lua_createtable(L, (int)h->type_count, 0);
  for (i = 0; i < h->type_count; i++) {
    lua_createtable(L, 0, 2);
    pushstring(L, h, h->types[i].type);
    lua_setfield(L, -2, "type");
    pushstring(L, h, h->types[i].unit);
    lua_setfield(L, -2, "unit");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static uint32_t setof (const pyr_pprof *h, uint32_t sample) {
  return h->sample_sets == NULL ? 0 : h->sample_sets[sample];
}

static int pprof_sets (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t i, k;
  uint32_t *counts = lua_newuserdatauv(L, (h->set_count + 1) * sizeof *counts, 0);
  memset(counts, 0, (h->set_count + 1) * sizeof *counts);
  for (i = 0; i < h->sample_count; i++)
    counts[setof(h, i)]++;
  lua_createtable(L, (int)h->set_count, 0);
  for (i = 0; i < h->set_count; i++) {
    lua_createtable(L, 0, 2);
    lua_createtable(L, 0, (int)(h->sets[i + 1] - h->sets[i]));
    for (k = h->sets[i]; k < h->sets[i + 1]; k++) {
      pushstring(L, h, h->labels[k].key);
      pushstring(L, h, h->labels[k].value);
      lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "labels");
    lua_pushinteger(L, counts[i]);
    lua_setfield(L, -2, "samples");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* A profile without types is empty: asking for its first one finds nothing. */
uint32_t pyr_lua_checktype (lua_State *L, int arg, const pyr_pprof *h) {
  lua_Integer type = luaL_checkinteger(L, arg);
  lua_Integer count = h->type_count == 0 ? 1 : (lua_Integer)h->type_count;
  luaL_argcheck(L, type >= 1 && type <= count, arg, "no sample type of that number");
  return (uint32_t)(type - 1);
}

static int overflow (lua_State *L) {
  static const pyr_error e = {PYR_EDECODE, "the sum of all values exceeds 64 bits",
                              "pprof", PYR_NOWHERE};
  return pyr_lua_error(L, &e);
}

/* Ids are compared, and shown, in lower case. */
static void pushid (lua_State *L, const pyr_pprof *h, uint32_t index) {
  const pyr_string *s = h->strings + index;
  luaL_Buffer b;
  char *text = luaL_buffinitsize(L, &b, s->length);
  uint32_t k;
  for (k = 0; k < s->length; k++)
    text[k] = s->bytes[k] >= 'A' && s->bytes[k] <= 'Z' ? (char)(s->bytes[k] + 'a' - 'A')
                                                       : s->bytes[k];
  luaL_pushresultsize(&b, s->length);
}

/* Adds 'value' to t[key][text] of the table on top; false if the sum is too large. */
static bool addtag (lua_State *L, const pyr_pprof *h, const pyr_pproflabel *l, bool id,
                    int64_t value) {
  int64_t sum;
  pushstring(L, h, l->key);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    pushstring(L, h, l->key);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  if (l->numeric)
    lua_pushfstring(L, "%I", (lua_Integer)l->number);
  else if (id)
    pushid(L, h, l->value);
  else
    pushstring(L, h, l->value);
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  if (__builtin_add_overflow((int64_t)lua_tointeger(L, -1), value, &sum)) return false;
  lua_pop(L, 1);
  lua_pushinteger(L, sum);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return true;
}

static int collecttags (lua_State *L, bool ids) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t type = pyr_lua_checktype(L, 2, h), i, depth;
  lua_newtable(L);
  for (i = 0; i < h->sample_count; i++) {
    const uint8_t *at = NULL;
    pyr_pproflabel l;
    int64_t value = pyr_pprof_sample(h, i, type, NULL, &depth);
    if (value < 0) continue;
    while (pyr_pprof_label(h, i, &at, &l)) {
      if (ids && (l.value == 0 || pyr_pprof_kind(h, l.key) == PYR_LABEL)) continue;
      if (!addtag(L, h, &l, ids, value)) return overflow(L);
    }
  }
  return 1;
}

static int pprof_tags (lua_State *L) {
  return collecttags(L, false);
}

static int pprof_ids (lua_State *L) {
  return collecttags(L, true);
}

const bool *pyr_lua_checksets (lua_State *L, int arg, const pyr_pprof *h) {
  bool *flags;
  lua_Integer i, n;
  if (lua_isnoneornil(L, arg)) {
    lua_pushnil(L);
    return NULL;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  arg = lua_absindex(L, arg);
  flags = lua_newuserdatauv(L, h->set_count + 1, 0);
  memset(flags, 0, h->set_count + 1);
  n = (lua_Integer)lua_rawlen(L, arg);
  for (i = 1; i <= n; i++) {
    lua_Integer set;
    lua_rawgeti(L, arg, i);
    set = lua_tointeger(L, -1);
    if (set < 1 || set > (lua_Integer)h->set_count)
      luaL_error(L, "no label set of number %I", set);
    flags[set - 1] = true;
    lua_pop(L, 1);
  }
  return flags;
}

static int pprof_total (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t type = pyr_lua_checktype(L, 2, h), i, depth;
  lua_Integer count = 0;
  const bool *sets;
  int64_t sum = 0;
  lua_settop(L, 3);
  sets = pyr_lua_checksets(L, 3, h);
  for (i = 0; i < h->sample_count; i++) {
    int64_t value;
    if (sets != NULL && !sets[setof(h, i)]) continue;
    value = pyr_pprof_sample(h, i, type, NULL, &depth);
    if (value <= 0) continue;
    count++;
    if (__builtin_add_overflow(sum, value, &sum)) return overflow(L);
  }
  lua_pushinteger(L, sum);
  lua_pushinteger(L, count);
  return 2;
}

typedef struct total {
  int64_t value;
  lua_Integer samples;
} total;

/* One pass for all sets: asking for each would walk over the samples as often. */
static int pprof_totals (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t type = pyr_lua_checktype(L, 2, h), i, depth;
  total *totals = lua_newuserdatauv(L, (h->set_count + 1) * sizeof *totals, 0);
  memset(totals, 0, (h->set_count + 1) * sizeof *totals);
  for (i = 0; i < h->sample_count; i++) {
    total *t = totals + setof(h, i);
    int64_t value = pyr_pprof_sample(h, i, type, NULL, &depth);
    if (value <= 0) continue;
    t->samples++;
    if (__builtin_add_overflow(t->value, value, &t->value)) return overflow(L);
  }
  lua_createtable(L, (int)h->set_count, 0);
  for (i = 0; i < h->set_count; i++) {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, totals[i].value);
    lua_setfield(L, -2, "value");
    lua_pushinteger(L, totals[i].samples);
    lua_setfield(L, -2, "samples");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/*
** Adds 'value' to the row of a span; 'rows' is an array that is indexed by 'known'
** too. False if the sum is too large.
*/
static bool addspan (lua_State *L, const pyr_pprof *h, uint32_t set, uint32_t span,
                     uint32_t trace, int64_t value, int rows, int known) {
  uint32_t key[3] = {set, span, trace};
  lua_pushlstring(L, (const char *)key, sizeof key);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, known) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)set + 1);
    lua_setfield(L, -2, "set");
    pushid(L, h, span);
    lua_setfield(L, -2, "span_id");
    pushid(L, h, trace);
    lua_setfield(L, -2, "trace_id");
    lua_pushinteger(L, 0);
    lua_setfield(L, -2, "value");
    lua_pushvalue(L, -1);
    lua_rawseti(L, rows, (lua_Integer)lua_rawlen(L, rows) + 1);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, known);
  }
  lua_getfield(L, -1, "value");
  if (__builtin_add_overflow((int64_t)lua_tointeger(L, -1), value, &value))
    return false;
  lua_pop(L, 1);
  lua_pushinteger(L, value);
  lua_setfield(L, -2, "value");
  lua_pop(L, 2);
  return true;
}

static int pprof_spans (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  uint32_t type = pyr_lua_checktype(L, 2, h), i, depth;
  int rows, known;
  lua_settop(L, 2);
  lua_newtable(L);
  rows = lua_gettop(L);
  lua_newtable(L);
  known = lua_gettop(L);
  for (i = 0; i < h->sample_count; i++) {
    const uint8_t *place = NULL;
    pyr_pproflabel l;
    uint32_t span = 0, trace = 0;
    int64_t value = pyr_pprof_sample(h, i, type, NULL, &depth);
    if (value <= 0) continue;
    while (pyr_pprof_label(h, i, &place, &l)) {
      pyr_labelkind kind = pyr_pprof_kind(h, l.key);
      if (l.value == 0) continue;
      if (kind == PYR_SPAN) span = l.value;
      if (kind == PYR_TRACE) trace = l.value;
    }
    if (span == 0) continue;
    if (!addspan(L, h, setof(h, i), span, trace, value, rows, known))
      return overflow(L);
  }
  lua_pop(L, 1);
  return 1;
}

static int pprof_bytes (lua_State *L) {
  pyr_pprof *h = checkpprof(L, 1);
  lua_pushlstring(L, h->bytes == NULL ? "" : h->bytes, h->length);
  return 1;
}

#define MAX_BYTES ((lua_Integer)512 << 20)

static size_t checkmax (lua_State *L, int arg) {
  lua_Integer n = MAX_BYTES;
  if (lua_isnoneornil(L, arg)) return (size_t)n;
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_getfield(L, arg, "max_bytes") != LUA_TNIL) {
    n = luaL_checkinteger(L, -1);
    luaL_argcheck(L, n >= 1, arg, "option 'max_bytes' must be positive");
  }
  lua_pop(L, 1);
  return (size_t)n;
}

static pyr_pprof *newpprof (lua_State *L) {
  pyr_pprof *h = lua_newuserdatauv(L, sizeof *h, 0);
  memset(h, 0, sizeof *h);
  luaL_setmetatable(L, PYR_PPROF_T);
  return h;
}

/* Counts a handle that was just filled. */
static void filled (lua_State *L, const pyr_pprof *h) {
  pyr_lua_born(L);
  pyr_lua_weigh(L, pyr_pprof_bytes(h));
}

static int core_pprof (lua_State *L) {
  size_t len, max_bytes = checkmax(L, 2);
  pyr_pprof *h = newpprof(L);
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_pprof_parse(h, bytes, len, max_bytes, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  filled(L, h);
  return 1;
}

pyr_status pyr_lua_pushpprof (lua_State *L, const char *bytes, size_t len,
                              pyr_error *e) {
  pyr_pprof *h = newpprof(L);
  if (pyr_pprof_parse(h, bytes, len, 0, e) != PYR_OK) {
    lua_pop(L, 1);
    return e->status;
  }
  filled(L, h);
  return PYR_OK;
}

static const luaL_Reg metamethods[] = {{"__gc", pprof__gc},
                                       {"__close", pprof__gc},
                                       {"__index", pprof__index},
                                       {"__tostring", pprof__tostring},
                                       {NULL, NULL}};

static const luaL_Reg methods[] = {{"types", pprof_types}, {"sets", pprof_sets},
                                   {"tags", pprof_tags},   {"ids", pprof_ids},
                                   {"total", pprof_total}, {"totals", pprof_totals},
                                   {"spans", pprof_spans}, {"bytes", pprof_bytes},
                                   {"close", pprof__gc},   {NULL, NULL}};

static const luaL_Reg functions[] = {{"pprof", core_pprof}, {NULL, NULL}};

void pyr_lua_open_pprof (lua_State *L) {
  pyr_lua_type(L, PYR_PPROF_T, metamethods, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
  pyr_lua_add_collect(L);
}
