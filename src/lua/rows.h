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
pyr_status pyr_lua_weighgroups (pyr_luagroups *s, const pyr_profile *p,
                                pyr_granularity by, pyr_error *e);

/* Sets name, file, line and start_line of a group in the table on top of the stack. */
void pyr_lua_setplace (lua_State *L, const pyr_luagroups *s, uint32_t group);

/* The same of a frame, all that is known. */
void pyr_lua_setframe (lua_State *L, const pyr_profile *p, const pyr_frame *f);

/* The error of a question for lines where a profile has none. Returns 2. */
int pyr_lua_nolines (lua_State *L);

/* Pushes the s->count largest groups as rows (0: all), and the coverage. Returns 2. */
int pyr_lua_pushtop (lua_State *L, const pyr_luaprofile *p, pyr_luagroups *s,
                     bool by_total);

pyr_granularity pyr_lua_checkgroup (lua_State *L, int arg, const char *key);

/* Raises for what is no table (or nil) at 'arg', and for keys that are not in 'known', which
   ends with NULL. */
void pyr_lua_options (lua_State *L, int arg, const char *const *known);

/* A value as it leaves a profile: divided by its divisor, rounded half away from zero. */
lua_Integer pyr_lua_divided (const pyr_luaprofile *p, int64_t v);
double pyr_lua_share (int64_t part, int64_t whole);

/* Fields of the table on top of the stack. */
void pyr_lua_setinteger (lua_State *L, const char *key, lua_Integer v);
void pyr_lua_setnumber (lua_State *L, const char *key, double v);

/* Pushes what describe() stored under a key (nil: nothing) of the profile at 'arg'. */
bool pyr_lua_metafield (lua_State *L, int arg, const char *key);
int pyr_lua_describe (lua_State *L); /* the method */

/* A profile made from the one at 'arg' keeps what it is. Pushes the result. */
pyr_luaprofile *pyr_lua_derived (lua_State *L, int arg);
int pyr_lua_pushderived (lua_State *L, pyr_luaprofile *to, pyr_status status,
                         const pyr_error *e);

/* With the module at -3, the metatable and the methods of profiles on top: each file adds
   its own to both. */
void pyr_lua_add_rows (lua_State *L);
void pyr_lua_add_derived (lua_State *L);
void pyr_lua_add_formats (lua_State *L);

/* A place for a malloced block that Lua will free. */
void **pyr_lua_owner (lua_State *L);

/* A malloc that Lua frees: 'count' zeroed elements in a userdata, which is pushed. */
void *pyr_lua_scratch (lua_State *L, size_t count, size_t size);

/* A pattern error as nil and an error object. */
int pyr_lua_patternerror (lua_State *L, const pyr_error *e, const char *pattern,
                          size_t len);

/* Pushes a compiled pattern; NULL: nil and an error object instead. */
pyr_regex *pyr_lua_newregex (lua_State *L, const char *pattern, size_t len,
                             bool anchored);

#pragma GCC visibility pop

#endif
