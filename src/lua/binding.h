#ifndef PYR_LUA_BINDING_H
#define PYR_LUA_BINDING_H

#include <lauxlib.h>
#include <lua.h>

#include "base/buffer.h"
#include "base/status.h"
#include "profile/profile.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** What the binding files share. A handle is born zeroed with its metatable set and filled
** afterwards, so that whatever Lua raises, __gc finds it and frees it. __gc and __close are
** one function that may run twice. No malloced pointer lives in a C local across a Lua call
** that can raise: scratch memory is a userdata too (pyr_scratch).
*/
#define PYR_ERROR_T "pyroscope.error"
#define PYR_BODY_T "pyroscope.body"
#define PYR_PROFILE_T "pyroscope.profile"
#define PYR_PPROF_T "pyroscope.pprof"
#define PYR_ALIGNMENT_T "pyroscope.alignment"
#define PYR_UNION_T "pyroscope.union"
#define PYR_REGEX_T "pyroscope.regex"

/* Bytes owned by Lua, always followed by a NUL that 'length' does not count. Shared by both
   modules: "pyroscope.http" fills it, the core reads it. data == NULL: closed. */
typedef struct pyr_body {
  char *data;
  size_t length;
} pyr_body;

/* A profile and how its values leave it: divided by 'divisor' (1: as they are). One user
   value: the table given to describe(). */
typedef struct pyr_luaprofile {
  pyr_profile p; /* p.nodes == NULL: closed */
  int64_t divisor;
} pyr_luaprofile;

/* Pushes nil and an error object; PYR_EMEMORY raises. Always returns 2. */
int pyr_lua_error (lua_State *L, const pyr_error *e);

/* The same for a failure that has no pyr_error: kind, message, code or hint may be NULL. */
int pyr_lua_fail (lua_State *L, const char *kind, const char *message, const char *code,
                  const char *hint);

/* Bytes of a string or an open body at 'arg', NUL-terminated. */
const char *pyr_lua_bytes (lua_State *L, int arg, size_t *len);

/* Creates a userdata of 'size' zeroed bytes with metatable 'name' and 'values' user values,
   and counts it as alive until pyr_lua_dead. */
void *pyr_lua_new (lua_State *L, const char *name, size_t size, int values);
void pyr_lua_dead (lua_State *L);

/* Counts a handle made otherwise: born empty, counted once it holds something. */
void pyr_lua_born (lua_State *L);

/* Tells the collector about 'bytes' of memory behind a handle. */
void pyr_lua_weigh (lua_State *L, size_t bytes);

/* Registers a type: metatable with __name, the methods in its field "methods", and __index the
   same table where 'metamethods' has none. Leaves the metatable on the stack. */
void pyr_lua_type (lua_State *L, const char *name, const luaL_Reg *metamethods,
                   const luaL_Reg *methods);

pyr_luaprofile *pyr_lua_newprofile (lua_State *L);       /* pushes it */
pyr_luaprofile *pyr_lua_profile (lua_State *L, int arg); /* raises when closed */

/* Scratch: pushes 'size' zeroed bytes that 'gc' empties (__gc and __close of metatable 'name');
   it is not counted as a handle. */
void *pyr_lua_temporary (lua_State *L, const char *name, size_t size, lua_CFunction gc);

/* A buffer of that kind. */
pyr_buffer *pyr_lua_buffer (lua_State *L);

/* Pushes the content of a buffer as a string, or raises / returns the error it holds. */
int pyr_lua_pushbuffer (lua_State *L, pyr_buffer *b);

/* Each binding file adds its functions to the module table on top of the stack. */
void pyr_lua_open_profile (
    lua_State *L); /* profile.c: decode, merge, subtract, formats */
void pyr_lua_open_pprof (lua_State *L); /* pprof.c: pprof, collect */
void pyr_lua_open_align (lua_State *L); /* align.c: align, decode_diff */
void pyr_lua_open_union (lua_State *L); /* union.c: union, union_names */
void pyr_lua_open_querier (
    lua_State *L); /* querier.c: methods, encode, decode_answer, ... */
void pyr_lua_open_regex (lua_State *L); /* regex.c */

/* For querier.c: handles from messages inside an answer. Each pushes a handle, or pushes
   nothing and returns a status with 'e' filled. */
pyr_status pyr_lua_pushflamegraph (lua_State *L, const char *bytes, size_t len,
                                   pyr_error *e);
pyr_status pyr_lua_pushtree (lua_State *L, const char *bytes, size_t len, pyr_error *e);
pyr_status pyr_lua_pushdiff (lua_State *L, const char *bytes, size_t len, pyr_error *e);
pyr_status pyr_lua_pushpprof (lua_State *L, const char *bytes, size_t len,
                              pyr_error *e);

#pragma GCC visibility pop

#endif
