#ifndef PYR_LUA_CELLS_H
#define PYR_LUA_CELLS_H

#include "lua/binding.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/* profile:cells(options) and alignment:cells(options): options at 2; 'u' NULL for a profile. */
int pyr_lua_cells (lua_State *L, const pyr_profile *p, const pyr_union *u);

/* profile:hit(options, after, back): the match after a node, and the node to zoom into to see
   it; nothing where there is none. */
int pyr_lua_hit (lua_State *L, const pyr_profile *p, const pyr_union *u);

#pragma GCC visibility pop

#endif
