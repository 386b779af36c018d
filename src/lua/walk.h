#ifndef PYR_LUA_WALK_H
#define PYR_LUA_WALK_H

#include "lua/binding.h"

#pragma GCC visibility push(hidden)

/*
** A generic 'for' over the nodes of a tree, depth first in the order of names, whose handle is at
** 1. 'next' has the handle and the state of the walk as its upvalues 1 and 2, and begins with
** pyr_lua_walked. Returns what the method returns; the loop closes the walk, also by break.
*/
int pyr_lua_walk (lua_State *L, const pyr_profile *p, lua_CFunction next);

/* The node that comes now, with its depth and name ("total": the root) pushed; UINT32_MAX, and
   nothing pushed, after the last one. */
uint32_t pyr_lua_walked (lua_State *L, const pyr_profile *p);

#pragma GCC visibility pop

#endif
