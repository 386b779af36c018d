#ifndef PYR_LUA_UNION_H
#define PYR_LUA_UNION_H

#include "lua/binding.h"
#include "profile/forest.h"

#pragma GCC visibility push(hidden)

/* Two user values: the fields that Lua gave, and the names of all functions; views have the same
   two. */
typedef struct pyr_luaunion {
  pyr_forest f;   /* f.shape == NULL: closed */
  uint8_t side[]; /* [k] 0: A, 1: B */
} pyr_luaunion;

pyr_luaunion *pyr_lua_union (lua_State *L); /* at 1; raises when closed */

/* Pushes a view of the union at 1, closed until its forest is there. */
pyr_luaunion *pyr_lua_newview (lua_State *L, const pyr_luaunion *u);

/* Counts the union on top of the stack, whose forest is there now. Returns 1. */
int pyr_lua_filledunion (lua_State *L, const pyr_luaunion *u);

/* answers.c: adds the methods to the table on top of the stack. */
void pyr_lua_add_answers (lua_State *L);

#pragma GCC visibility pop

#endif
