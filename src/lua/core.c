#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/gzip.h"
#include "base/version.h"
#include "decode/decode.h"
#include "lua/binding.h"

#define FILE_LIMIT ((size_t)512 << 20)

static int body__gc (lua_State *L) {
  pyr_body *b = luaL_checkudata(L, 1, PYR_BODY_T);
  if (b->data != NULL) {
    free(b->data);
    b->data = NULL;
    pyr_lua_dead(L);
  }
  return 0;
}

static int body_string (lua_State *L) {
  size_t len;
  const char *data = pyr_lua_bytes(L, 1, &len);
  lua_Integer n = (lua_Integer)len, from = luaL_optinteger(L, 2, 1),
              to = luaL_optinteger(L, 3, -1);
  if (from < 0) from = from + n + 1;
  if (to < 0) to = to + n + 1;
  if (from < 1) from = 1;
  if (to > n) to = n;
  if (from > to)
    lua_pushliteral(L, "");
  else
    lua_pushlstring(L, data + from - 1, (size_t)(to - from + 1));
  return 1;
}

static int body__len (lua_State *L) {
  size_t len;
  pyr_lua_bytes(L, 1, &len);
  lua_pushinteger(L, (lua_Integer)len);
  return 1;
}

static int body__tostring (lua_State *L) {
  pyr_body *b = luaL_checkudata(L, 1, PYR_BODY_T);
  if (b->data == NULL)
    lua_pushliteral(L, "body (closed)");
  else
    lua_pushfstring(L, "body (%I bytes)", (lua_Integer)b->length);
  return 1;
}

/* Pushes a closed body; whoever fills 'data' counts it as alive by that. */
static pyr_body *newbody (lua_State *L) {
  pyr_body *b = lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  luaL_setmetatable(L, PYR_BODY_T);
  return b;
}

static void fillbody (lua_State *L, pyr_body *b, char *data, size_t length) {
  b->data = data;
  b->length = length;
  pyr_lua_born(L);
  pyr_lua_weigh(L, length);
}

static int core_body (lua_State *L) {
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  pyr_body *b = newbody(L);
  char *data = malloc(len + 1);
  if (data == NULL) return luaL_error(L, "not enough memory");
  memcpy(data, bytes, len);
  data[len] = '\0';
  fillbody(L, b, data, len);
  return 1;
}

static int filefailure (lua_State *L, const char *path) {
  int code = errno;
  lua_pushfstring(L, "cannot read %s: %s", path, strerror(code));
  return pyr_lua_fail(L, "io", lua_tostring(L, -1),
                      code == ENOENT   ? "not_found"
                      : code == EACCES ? "permission_denied"
                                       : NULL,
                      NULL);
}

/* Reads to the end of the file: also what has no size, as a pipe. */
static pyr_status readall (FILE *f, pyr_buffer *b, size_t max_bytes) {
  for (;;) {
    size_t block = b->len < 65536 ? 65536 : b->len, got;
    char *room = pyr_buffer_room(b, block);
    if (room == NULL) return b->status;
    got = fread(room, 1, block, f);
    b->len += got;
    b->data[b->len] = '\0';
    if (b->len > max_bytes) return PYR_ELIMIT;
    if (got < block) return ferror(f) ? PYR_EIO : PYR_OK;
  }
}

/* When a file was last written, in ns since the epoch; nil where there is none. */
static int core_modified (lua_State *L) {
  struct stat st;
  if (stat(luaL_checkstring(L, 1), &st) != 0) return 0;
  lua_pushinteger(L, (lua_Integer)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
  return 1;
}

static int core_read_file (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t max_bytes = (size_t)luaL_optinteger(L, 2, (lua_Integer)FILE_LIMIT);
  pyr_body *body = newbody(L);
  pyr_buffer *b = pyr_lua_buffer(L);
  struct stat st;
  pyr_status status;
  FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  if (f == NULL) return filefailure(L, path);
  if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
    if (f != stdin) fclose(f);
    errno = EISDIR;
    return filefailure(L, path);
  }
  status = readall(f, b, max_bytes);
  if (f != stdin) {
    int code = errno;
    fclose(f);
    errno = code;
  }
  if (status == PYR_EMEMORY) return luaL_error(L, "not enough memory");
  if (status == PYR_EIO) return filefailure(L, path);
  if (status == PYR_ELIMIT) {
    lua_pushfstring(L, "%s is larger than %I bytes", path, (lua_Integer)max_bytes);
    return pyr_lua_fail(L, "limit", lua_tostring(L, -1), NULL, NULL);
  }
  fillbody(L, body, b->data, b->len);
  b->data = NULL; /* the body owns it now */
  lua_pushvalue(L, -2);
  return 1;
}

static int core_gzip (lua_State *L) {
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  pyr_buffer *b = pyr_lua_buffer(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_deflate(b, bytes, len, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushbuffer(L, b);
}

static int core_gunzip (lua_State *L) {
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  size_t max_bytes = (size_t)luaL_optinteger(L, 2, (lua_Integer)FILE_LIMIT);
  pyr_buffer *b = pyr_lua_buffer(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_inflate(b, bytes, len, max_bytes, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushbuffer(L, b);
}

static int core_guess (lua_State *L) {
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  pyr_format f = pyr_format_guess(bytes, len);
  if (f == PYR_FORMAT_UNKNOWN)
    lua_pushnil(L);
  else
    lua_pushstring(L, pyr_format_name(f));
  return 1;
}

static int core_live (lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "pyroscope.live");
  lua_pushinteger(L, lua_tointeger(L, -1));
  return 1;
}

static const luaL_Reg body_meta[] = {{"__gc", body__gc},
                                     {"__close", body__gc},
                                     {"__len", body__len},
                                     {"__tostring", body__tostring},
                                     {NULL, NULL}};

static const luaL_Reg body_methods[] = {
    {"string", body_string}, {"close", body__gc}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"body", core_body},         {"read_file", core_read_file},
    {"gzip", core_gzip},         {"gunzip", core_gunzip},
    {"guess", core_guess},       {"live", core_live},
    {"modified", core_modified}, {NULL, NULL}};

#pragma GCC visibility push(default)
int luaopen_pyroscope_core (lua_State *L);
#pragma GCC visibility pop

int luaopen_pyroscope_core (lua_State *L) {
  luaL_newlib(L, functions);
  lua_pushliteral(L, PYR_VERSION);
  lua_setfield(L, -2, "version");
  luaL_newmetatable(L, PYR_ERROR_T);
  lua_setfield(L, -2, "error_metatable");
  pyr_lua_type(L, PYR_BODY_T, body_meta, body_methods);
  lua_pop(L, 1);
  pyr_lua_open_profile(L);
  pyr_lua_open_pprof(L);
  pyr_lua_open_align(L);
  pyr_lua_open_union(L);
  pyr_lua_open_querier(L);
  pyr_lua_open_regex(L);
  return 1;
}
