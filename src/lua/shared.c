#include "lua/binding.h"

#include <stdlib.h>
#include <string.h>

/* Linked into both modules: errors, bodies and buffers look the same on both sides. */

static const char *const kinds[] = {"ok",    "memory",      "decode",  "limit",
                                    "usage", "unsupported", "no_data", "io"};

/* Pushes an error table with kind and message and the metatable of errors. */
static void newerror (lua_State *L, const char *kind, const char *message) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, message);
  lua_setfield(L, -2, "message");
  luaL_setmetatable(L, PYR_ERROR_T);
}

int pyr_lua_error (lua_State *L, const pyr_error *e) {
  if (e->status == PYR_EMEMORY) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  if (e->format != NULL) {
    lua_pushfstring(L, "%s: %s", e->format, e->message);
    newerror(L, kinds[e->status], lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_pushstring(L, e->format);
    lua_setfield(L, -2, "format");
  } else
    newerror(L, kinds[e->status], e->message);
  if (e->where != PYR_NOWHERE) {
    lua_pushinteger(L, (lua_Integer)e->where);
    lua_setfield(L, -2, "where");
  }
  return 2;
}

int pyr_lua_fail (lua_State *L, const char *kind, const char *message, const char *code,
                  const char *hint) {
  lua_pushnil(L);
  newerror(L, kind, message);
  if (code != NULL) {
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
  }
  if (hint != NULL) {
    lua_pushstring(L, hint);
    lua_setfield(L, -2, "hint");
  }
  return 2;
}

const char *pyr_lua_bytes (lua_State *L, int arg, size_t *len) {
  pyr_body *b;
  if (lua_type(L, arg) == LUA_TSTRING) return lua_tolstring(L, arg, len);
  b = luaL_testudata(L, arg, PYR_BODY_T);
  if (b == NULL || b->data == NULL) {
    if (b == NULL) luaL_typeerror(L, arg, "string or pyroscope.body");
    luaL_argerror(L, arg, "body is closed");
    return NULL; /* never: the call above raises */
  }
  *len = b->length;
  return b->data;
}

/* The number of living handles of both modules is one registry entry. */
static void count (lua_State *L, lua_Integer change) {
  static const char key[] = "pyroscope.live";
  lua_Integer n;
  lua_getfield(L, LUA_REGISTRYINDEX, key);
  n = lua_tointeger(L, -1) + change;
  lua_pop(L, 1);
  lua_pushinteger(L, n);
  lua_setfield(L, LUA_REGISTRYINDEX, key);
}

void *pyr_lua_new (lua_State *L, const char *name, size_t size, int values) {
  void *handle = lua_newuserdatauv(L, size, values);
  memset(handle, 0, size);
  count(L, 1);
  luaL_setmetatable(L, name);
  return handle;
}

void pyr_lua_born (lua_State *L) {
  count(L, 1);
}

void pyr_lua_dead (lua_State *L) {
  count(L, -1);
}

void pyr_lua_weigh (lua_State *L, size_t bytes) {
  size_t kib = bytes >> 10;
  if (kib != 0) lua_gc(L, LUA_GCSTEP, (int)(kib > 1 << 20 ? 1 << 20 : kib));
}

void pyr_lua_type (lua_State *L, const char *name, const luaL_Reg *metamethods,
                   const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  if (lua_getfield(L, -2, "__index") == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_setfield(L, -4, "__index");
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, "methods");
}

void *pyr_lua_temporary (lua_State *L, const char *name, size_t size,
                         lua_CFunction gc) {
  void *bytes = lua_newuserdatauv(L, size, 0);
  memset(bytes, 0, size);
  if (luaL_newmetatable(L, name)) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  return bytes;
}

#define BUFFER_T "pyroscope.buffer"

static int buffer__gc (lua_State *L) {
  pyr_buffer_free(luaL_checkudata(L, 1, BUFFER_T));
  return 0;
}

pyr_buffer *pyr_lua_buffer (lua_State *L) {
  return pyr_lua_temporary(L, BUFFER_T, sizeof(pyr_buffer), buffer__gc);
}

int pyr_lua_pushbuffer (lua_State *L, pyr_buffer *b) {
  if (b->status == PYR_EMEMORY) return luaL_error(L, "not enough memory");
  if (b->status != PYR_OK)
    return pyr_lua_fail(L, "limit", "the output is larger than its limit", NULL, NULL);
  lua_pushlstring(L, b->data == NULL ? "" : b->data, b->len);
  pyr_buffer_free(b);
  return 1;
}
