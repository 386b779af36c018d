#include "lua/cells.h"

#include <string.h>

#include "lua/rows.h"
#include "profile/package.h"
#include "render/cells.h"
#include "render/picture.h"

#define CELLS_T "pyroscope.cells"

static int cells__gc (lua_State *L) {
  pyr_cells_free(luaL_checkudata(L, 1, CELLS_T));
  return 0;
}

static lua_Integer integer (lua_State *L, int arg, const char *key, lua_Integer usual,
                            lua_Integer least, lua_Integer most) {
  lua_Integer v = usual;
  if (lua_getfield(L, arg, key) != LUA_TNIL) v = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  if (v < least || v > most) luaL_error(L, "option '%s' is out of range", key);
  return v;
}

static double scale (lua_State *L, int arg, int i) {
  double v = 1;
  if (lua_getfield(L, arg, "scales") == LUA_TTABLE) {
    lua_rawgeti(L, -1, i);
    v = luaL_optnumber(L, -1, 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return v;
}

/* One box as a table. */
static void pushcell (lua_State *L, const pyr_profile *p, const pyr_union *u,
                      const pyr_cell *c) {
  const pyr_node *n = p->nodes + c->node;
  const pyr_frame *f = p->frames + n->frame;
  pyr_string name = p->strings[f->name];
  lua_createtable(L, 0, 14);
  pyr_lua_setinteger(L, "node", c->node);
  pyr_lua_setinteger(L, "parent", n->parent);
  pyr_lua_setinteger(L, "level", c->level);
  pyr_lua_setinteger(L, "from", c->from);
  pyr_lua_setinteger(L, "to", c->to);
  pyr_lua_setinteger(L, "self", n->self);
  pyr_lua_setinteger(L, "total", n->total);
  if (c->node == 0)
    lua_pushliteral(L, "total");
  else
    lua_pushlstring(L, name.bytes, name.length);
  lua_setfield(L, -2, "name");
  if (f->file != 0) {
    lua_pushlstring(L, p->strings[f->file].bytes, p->strings[f->file].length);
    lua_setfield(L, -2, "file");
    pyr_lua_setinteger(L, "line", f->line != 0 ? f->line : f->start_line);
  }
  lua_pushstring(L, pyr_picture_hue(pyr_package(name)));
  lua_setfield(L, -2, "hue");
  if (c->matches) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "matches");
  }
  if (pyr_profile_is_other(p, c->node)) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "other");
  }
  if (u != NULL) {
    pyr_lua_setinteger(L, "before", u->totals[2 * (size_t)c->node]);
    pyr_lua_setinteger(L, "after", u->totals[2 * (size_t)c->node + 1]);
  }
}

/* The names of the nodes above the top, the root first. */
static void pushpath (lua_State *L, const pyr_profile *p, uint32_t top) {
  uint32_t level = p->nodes[top].level, i = top;
  lua_createtable(L, (int)level, 0);
  while (level > 0) {
    i = p->nodes[i].parent;
    lua_createtable(L, 0, 2);
    pyr_lua_setinteger(L, "node", i);
    if (i == 0)
      lua_pushliteral(L, "total");
    else {
      pyr_string name = p->strings[p->frames[p->nodes[i].frame].name];
      lua_pushlstring(L, name.bytes, name.length);
    }
    lua_setfield(L, -2, "name");
    lua_rawseti(L, -2, level--);
  }
}

/* Reads the options at 2; what they point to stays on the stack. */
static void options (lua_State *L, const pyr_profile *p, pyr_celloptions *o) {
  static const char *const known[] = {"top",    "width",   "levels", "by",
                                      "scales", "pattern", NULL};
  static const char *const widths[] = {"after", "before", "larger", NULL};
  luaL_checktype(L, 2, LUA_TTABLE);
  pyr_lua_options(L, 2, known);
  memset(o, 0, sizeof *o);
  o->top = (uint32_t)integer(L, 2, "top", 0, 0, (lua_Integer)p->count - 1);
  o->width = (uint32_t)integer(L, 2, "width", 80, 1, 100000);
  o->levels = (uint32_t)integer(L, 2, "levels", 0, 0, INT32_MAX);
  o->scales[0] = scale(L, 2, 1);
  o->scales[1] = scale(L, 2, 2);
  if (lua_getfield(L, 2, "by") != LUA_TNIL)
    o->by = (pyr_cellwidth)luaL_checkoption(L, -1, NULL, widths);
  if (lua_getfield(L, 2, "pattern") != LUA_TNIL) {
    o->pattern = luaL_checkudata(L, -1, PYR_REGEX_T);
    if (o->pattern->code == NULL) luaL_error(L, "regex is closed");
  }
}

int pyr_lua_hit (lua_State *L, const pyr_profile *p, const pyr_union *u) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_celloptions o;
  lua_Integer after = luaL_optinteger(L, 3, -1);
  bool back = lua_toboolean(L, 4);
  uint32_t hit, view;
  lua_settop(L, 2);
  options(L, p, &o);
  if (pyr_render_hit(p, u, &o,
                     after < 0 || after >= (lua_Integer)p->count ? UINT32_MAX
                                                                 : (uint32_t)after,
                     back, &hit, &view, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  if (hit == UINT32_MAX) return 0;
  lua_pushinteger(L, hit);
  lua_pushinteger(L, view);
  return 2;
}

int pyr_lua_cells (lua_State *L, const pyr_profile *p, const pyr_union *u) {
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_celloptions o;
  pyr_cells *c;
  uint32_t i, level = 0;
  int rows, row = 0, n = 0;
  lua_settop(L, 2);
  options(L, p, &o);
  c = pyr_lua_temporary(L, CELLS_T, sizeof *c, cells__gc);
  if (pyr_render_cells(c, p, u, &o, &e) != PYR_OK) return pyr_lua_error(L, &e);
  lua_newtable(L);
  rows = lua_gettop(L);
  for (i = 0; i < c->count; i++) {
    if (row == 0 || c->cells[i].level != level) {
      level = c->cells[i].level;
      lua_newtable(L);
      if (row != 0) lua_replace(L, row);
      row = rows + 1;
      lua_pushvalue(L, row);
      lua_rawseti(L, rows, (lua_Integer)level + 1);
      n = 0;
    }
    pushcell(L, p, u, c->cells + i);
    lua_rawseti(L, row, ++n);
  }
  lua_settop(L, rows);
  lua_pushnumber(L, c->whole);
  lua_setfield(L, rows, "whole");
  lua_pushnumber(L, c->hidden);
  lua_setfield(L, rows, "hidden");
  lua_pushnumber(L, c->deep);
  lua_setfield(L, rows, "deep");
  lua_pushnumber(L, c->matched);
  lua_setfield(L, rows, "matched");
  pyr_lua_setinteger(L, "functions", c->functions);
  pyr_lua_setinteger(L, "boxes", c->boxes);
  pushpath(L, p, o.top);
  lua_setfield(L, rows, "path");
  return 1;
}
