#ifndef PYR_LUA_PICTURE_H
#define PYR_LUA_PICTURE_H

#include "lua/binding.h"
#include "render/render.h"

#pragma GCC visibility push(hidden)

#define PYR_PICTURE_OPTIONS                                                            \
  "title", "subtitle", "width", "min_width", "seconds", "icicle", "colors", "sort",    \
      "link", "sections", "fragment", "part"

/* Reads the options of pictures from the table at 'index', if there is one; texts stay alive as
   long as the table, wrong values raise. */
void pyr_lua_pictureoptions (lua_State *L, int index, pyr_renderoptions *o);

/* alignment:render("svg" or "html", options) */
int pyr_lua_alignmentrender (lua_State *L, const pyr_union *u);

#pragma GCC visibility pop

#endif
