#include "lua/picture.h"

#include <string.h>

#include "lua/rows.h"

/* A text that lives in the table; NULL where it is not given. */
static const char *text (lua_State *L, int index, const char *key) {
  const char *value = NULL;
  if (lua_getfield(L, index, key) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "option '%s' must be a string", key);
    value = lua_tostring(L, -1);
  }
  lua_pop(L, 1);
  return value;
}

static double number (lua_State *L, int index, const char *key, double most) {
  double value = 0;
  if (lua_getfield(L, index, key) != LUA_TNIL) {
    value = luaL_checknumber(L, -1);
    if (!(value >= 0 && value <= most))
      luaL_error(L, "option '%s' is out of range", key);
  }
  lua_pop(L, 1);
  return value;
}

static bool flag (lua_State *L, int index, const char *key) {
  bool value;
  lua_getfield(L, index, key);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static int choice (lua_State *L, int index, const char *key, const char *const *among) {
  const char *value = text(L, index, key);
  int i;
  if (value == NULL) return 0;
  for (i = 0; among[i] != NULL; i++)
    if (strcmp(among[i], value) == 0) return i;
  return luaL_error(L, "option '%s' cannot be '%s'", key, value);
}

/* A link runs when it is clicked: only where that cannot be a script. */
static bool harmless (const char *link) {
  static const char *const schemes[] = {"https://", "http://", "vscode://"};
  size_t i;
  for (i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (strncmp(link, schemes[i], strlen(schemes[i])) == 0) return true;
  return false;
}

void pyr_lua_pictureoptions (lua_State *L, int index, pyr_renderoptions *o) {
  static const char *const colours[] = {"package", "value", "class", "plain", NULL};
  static const char *const orders[] = {"total", "name", NULL};
  if (!lua_istable(L, index)) return;
  o->title = text(L, index, "title");
  o->subtitle = text(L, index, "subtitle");
  o->width = number(L, index, "width", 100000);
  o->min_width = number(L, index, "min_width", 1000);
  o->seconds = number(L, index, "seconds", 1e12);
  o->icicle = flag(L, index, "icicle");
  o->fragment = flag(L, index, "fragment");
  o->part = (int32_t)number(L, index, "part", 1000000);
  o->colours = (pyr_colouring)choice(L, index, "colors", colours);
  o->by_name = choice(L, index, "sort", orders) == 1;
  o->sections = text(L, index, "sections");
  o->link = text(L, index, "link");
  if (o->link != NULL && !harmless(o->link))
    luaL_error(L, "option 'link' must begin with https://, http:// or vscode://");
}

static void sideoptions (lua_State *L, const char *key, pyr_pictureside *side) {
  side->scale = 1;
  if (!lua_istable(L, 3)) return;
  if (lua_getfield(L, 3, key) == LUA_TTABLE) {
    int at = lua_gettop(L);
    side->label = text(L, at, "label");
    side->text = text(L, at, "text");
    side->scale = number(L, at, "scale", 1e300);
    side->rate = number(L, at, "rate", 1e300);
    if (!(side->scale > 0)) luaL_error(L, "option 'scale' must be above 0");
  }
  lua_pop(L, 1);
}

static int64_t integer (lua_State *L, const char *key) {
  lua_Integer value = 0;
  if (lua_getfield(L, 3, key) != LUA_TNIL) value = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

int pyr_lua_alignmentrender (lua_State *L, const pyr_union *u) {
  static const char *const formats[] = {"svg", "html", "folded", "json", "pprof", NULL};
  static pyr_diffrenderer *const writers[] = {
      pyr_render_diffpicture, pyr_render_diffpicture, pyr_render_difffolded,
      pyr_render_diffjson, pyr_render_diffpprof};
  static const char *const known[] = {
      PYR_PICTURE_OPTIONS, "unit",  "profile_type", "before",         "after", "mode",
      "measure",           "noise", "time_nanos",   "duration_nanos", "raw",   NULL};
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  int format = luaL_checkoption(L, 2, NULL, formats);
  pyr_renderoptions o;
  pyr_buffer *out;
  memset(&o, 0, sizeof o);
  o.html = format == 1;
  lua_settop(L, 3);
  pyr_lua_options(L, 3, known);
  pyr_lua_pictureoptions(L, 3, &o);
  sideoptions(L, "before", &o.sides[0]);
  sideoptions(L, "after", &o.sides[1]);
  if (lua_istable(L, 3)) {
    o.unit = text(L, 3, "unit");
    o.profile_type = text(L, 3, "profile_type");
    o.mode = text(L, 3, "mode");
    o.measure = text(L, 3, "measure");
    o.noise = number(L, 3, "noise", 1);
    o.time_nanos = integer(L, "time_nanos");
    o.duration_nanos = integer(L, "duration_nanos");
    o.raw = flag(L, 3, "raw");
  }
  if (o.mode == NULL) o.mode = "rate";
  out = pyr_lua_buffer(L);
  if (writers[format](out, u, &o, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushbuffer(L, out);
}
