#include "lua/walk.h"

#include <string.h>

#include "profile/sorted.h"

typedef struct walker {
  pyr_sorted sorted;
  uint32_t next;
} walker;

static int walker__gc (lua_State *L) {
  walker *w = lua_touserdata(L, 1);
  pyr_sorted_free(&w->sorted);
  memset(&w->sorted, 0, sizeof w->sorted);
  w->next = UINT32_MAX;
  return 0;
}

uint32_t pyr_lua_walked (lua_State *L, const pyr_profile *p) {
  walker *w = lua_touserdata(L, lua_upvalueindex(2));
  const pyr_string *name;
  uint32_t at = w->next;
  if (at == UINT32_MAX) return at;
  name = p->strings + p->frames[p->nodes[at].frame].name;
  lua_pushinteger(L, p->nodes[at].level);
  if (at == 0)
    lua_pushliteral(L, "total");
  else
    lua_pushlstring(L, name->bytes, name->length);
  w->next = pyr_sorted_next(&w->sorted, p, at);
  return at;
}

int pyr_lua_walk (lua_State *L, const pyr_profile *p, lua_CFunction next) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  walker *w;
  lua_settop(L, 1);
  w = pyr_lua_temporary(L, "pyroscope.walker", sizeof *w, walker__gc);
  if (pyr_sorted_init(&w->sorted, p, &e) != PYR_OK)
    return luaL_error(L, "%s", e.message);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, next, 2);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 2);
  return 4;
}
