#ifndef PYR_LUA_PPROF_H
#define PYR_LUA_PPROF_H

#include "decode/pprof.h"
#include "lua/binding.h"

#pragma GCC visibility push(hidden)

/* Number of a sample type (1-based at 'arg') as an index. */
uint32_t pyr_lua_checktype (lua_State *L, int arg, const pyr_pprof *h);

/* An array of wanted sets at 'arg' (nil: NULL) as flags in a userdata: pushes it. */
const bool *pyr_lua_checksets (lua_State *L, int arg, const pyr_pprof *h);

/* collect.c: adds collect and pprof_top to the module on top of the stack. */
void pyr_lua_add_collect (lua_State *L);

#pragma GCC visibility pop

#endif
