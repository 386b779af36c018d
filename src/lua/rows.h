#ifndef PYR_LUA_ROWS_H
#define PYR_LUA_ROWS_H

#include "lua/binding.h"
#include "profile/ops.h"
#include "profile/regex.h"

#pragma GCC visibility push(hidden)

/* Scratch of one question about groups: Lua frees it, whatever raises in between. */
typedef struct pyr_luagroups {
  pyr_grouping g;
  pyr_weight *w;
  uint32_t *frames; /* speaker of each group */
  uint32_t *rows;
  uint32_t count, all;
  int64_t other;
} pyr_luagroups;

pyr_luagroups *pyr_lua_newgroups (lua_State *L);

/* Group 'by' of 'p', with weights and speakers. */
pyr_status pyr_lua_weighgroups (pyr_luagroups *s, const pyr_profile *p, pyr_granularity by,
                                pyr_error *e);

/* Sets name, file, line and start_line of a group in the table on top of the stack. */
void pyr_lua_setplace (lua_State *L, const pyr_luagroups *s, uint32_t group);

pyr_granularity pyr_lua_checkgroup (lua_State *L, int arg, const char *key);

/* A malloc that Lua frees: 'count' zeroed elements in a userdata, which is pushed. */
void *pyr_lua_scratch (lua_State *L, size_t count, size_t size);

/* A pattern error as nil and an error object. */
int pyr_lua_patternerror (lua_State *L, const pyr_error *e, const char *pattern);

/* Pushes a compiled pattern; NULL: nil and an error object instead. */
pyr_regex *pyr_lua_newregex (lua_State *L, const char *pattern, size_t len, bool anchored);

#pragma GCC visibility pop

#endif
