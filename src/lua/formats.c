#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/gzip.h"
#include "decode/decode.h"
#include "decode/pprof.h"
#include "lua/cells.h"
#include "lua/picture.h"
#include "lua/rows.h"
#include "render/render.h"

#define MAX_BYTES ((size_t)512 << 20)

typedef struct format {
  const char *name, *extension;
  pyr_decoder
      *read; /* NULL for pprof and speedscope: their files say more than a tree */
  pyr_renderer *write;
  bool binary;
} format;

static const format formats[] = {
    {"pprof", ".pb.gz", NULL, pyr_render_pprof, true},
    {"folded", ".folded", pyr_decode_folded, pyr_render_folded, false},
    {"json", ".json", pyr_decode_flamegraph_json, pyr_render_json, false},
    {"speedscope", ".speedscope.json", NULL, pyr_render_speedscope, false},
    {"dot", ".dot", NULL, pyr_render_dot, false},
    {"tree", ".tree", pyr_decode_tree, pyr_render_tree, true},
    {"flamegraph", ".flamegraph.pb", pyr_decode_flamegraph_proto, pyr_render_flamegraph,
     true},
    {"svg", ".svg", NULL, pyr_render_picture, false},
    {"html", ".html", NULL, pyr_render_picture, false},
    {NULL, NULL, NULL, NULL, false}};

static const format *findformat (const char *name) {
  const format *f;
  for (f = formats; f->name != NULL; f++)
    if (strcmp(f->name, name) == 0) return f;
  return NULL;
}

/* A text option or else a meta key of the profile at 1; stays on the stack. */
static const char *textoption (lua_State *L, const char *key, bool meta) {
  if (lua_istable(L, 3) && lua_getfield(L, 3, key) == LUA_TSTRING)
    return lua_tostring(L, -1);
  if (meta && pyr_lua_metafield(L, 1, key) && lua_type(L, -1) == LUA_TSTRING)
    return lua_tostring(L, -1);
  return NULL;
}

static lua_Integer timeoption (lua_State *L, const char *key, const char *from,
                               const char *minus) {
  lua_Integer v = 0;
  if (lua_istable(L, 3)) {
    bool given = lua_getfield(L, 3, key) != LUA_TNIL;
    if (given) v = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    if (given) return v;
  }
  if (pyr_lua_metafield(L, 1, from)) {
    v = lua_tointeger(L, -1);
    if (minus != NULL) {
      pyr_lua_metafield(L, 1, minus);
      v -= lua_tointeger(L, -1);
    }
    if (v > INT64_MAX / 1000000 || v < 0) v = 0;
    v *= 1000000;
  }
  return v;
}

/* Renders the profile at 1 with the options at 3; pushes a buffer, or nil and an error. */
static pyr_buffer *render (lua_State *L, const format *f) {
  static const char *const known[] = {"time_nanos", "duration_nanos",
                                      "raw",        PYR_PICTURE_OPTIONS,
                                      "unit",       "force",
                                      "format",     "profile_type",
                                      "nodes",      NULL};
  pyr_luaprofile *p = pyr_lua_profile(L, 1), *scaled = p;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_renderoptions o;
  pyr_buffer *out;
  memset(&o, 0, sizeof o);
  if (p->divisor != 1) {
    scaled = pyr_lua_newprofile(L);
    if (pyr_profile_scale(&scaled->p, &p->p, p->divisor, &e) != PYR_OK) {
      pyr_lua_error(L, &e);
      return NULL;
    }
  }
  pyr_lua_options(L, 3, known);
  o.profile_type = textoption(L, "profile_type", true);
  o.unit = textoption(L, "unit", true);
  o.html = strcmp(f->name, "html") == 0;
  pyr_lua_pictureoptions(L, 3, &o);
  if (lua_istable(L, 3)) {
    if (lua_getfield(L, 3, "nodes") != LUA_TNIL) {
      lua_Integer nodes = luaL_checkinteger(L, -1);
      o.nodes = nodes < 0 ? -1 : nodes > INT32_MAX ? INT32_MAX : (int32_t)nodes;
    }
    lua_pop(L, 1);
  }
  o.time_nanos = timeoption(L, "time_nanos", "from_ms", NULL);
  o.duration_nanos = timeoption(L, "duration_nanos", "to_ms", "from_ms");
  if (o.seconds == 0 && o.profile_type != NULL &&
      strstr(o.profile_type, ":cpu:nanoseconds:") != NULL)
    o.seconds = (double)o.duration_nanos / 1e9;
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "raw");
    o.raw = lua_toboolean(L, -1);
  }
  out = pyr_lua_buffer(L);
  if (f->write(out, &scaled->p, &o, &e) == PYR_OK) return out;
  pyr_lua_error(L, &e);
  return NULL;
}

static int unknownformat (lua_State *L, const char *name) {
  lua_pushfstring(L, "unknown format '%s'", name);
  return pyr_lua_fail(L, "usage", lua_tostring(L, -1), NULL,
                      "one of: pprof, folded, json, speedscope, tree, dot, svg, html");
}

static int profile_render (lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const format *f = findformat(name);
  pyr_buffer *out;
  lua_settop(L, 3);
  pyr_lua_profile(L, 1);
  if (f == NULL || f->write == NULL) return unknownformat(L, name);
  out = render(L, f);
  return out == NULL ? 2 : pyr_lua_pushbuffer(L, out);
}

static bool endswith (const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static const format *formatof (const char *path) {
  const format *f, *best = NULL;
  for (f = formats; f->name != NULL; f++)
    if (endswith(path, f->extension) &&
        (best == NULL || strlen(f->extension) > strlen(best->extension)))
      best = f;
  if (best == NULL && endswith(path, ".collapsed")) best = findformat("folded");
  return best == NULL ? formats : best;
}

/* A pipe or a device: it is written to, never replaced. */
static bool special (const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

static int writefailure (lua_State *L, const char *path, int code) {
  lua_pushfstring(L, "cannot write %s: %s", path,
                  code == EEXIST ? "it exists already" : strerror(code));
  return pyr_lua_fail(L, "io", lua_tostring(L, -1), code == EEXIST ? "exists" : NULL,
                      code == EEXIST ? "force = true (--force) overwrites it" : NULL);
}

/* A new file of mode 600; an old one is replaced only when told, and only when the new one is
   complete. */
static int writefile (lua_State *L, const char *path, const pyr_buffer *b, bool force) {
  const char *target = path;
  size_t done = 0;
  bool pipe = special(path);
  int fd;
  if (pipe) force = false;
  if (force) {
    lua_pushfstring(L, "%s.partial", path);
    target = lua_tostring(L, -1);
    unlink(target);
  }
  fd =
      open(target,
           pipe ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return writefailure(L, path, errno);
  while (done < b->len) {
    ssize_t n = write(fd, b->data + done, b->len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += (size_t)n;
  }
  if (done < b->len || close(fd) != 0 || (force && rename(target, path) != 0)) {
    int code = errno;
    if (done < b->len) close(fd);
    if (!pipe) unlink(target);
    return writefailure(L, path, code);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int profile_save (lua_State *L) {
  const char *path = luaL_checkstring(L, 2), *name = NULL;
  const format *f;
  pyr_buffer *out;
  bool force = false;
  lua_settop(L, 3);
  pyr_lua_profile(L, 1);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "force");
    force = lua_toboolean(L, -1);
    lua_getfield(L, 3, "format");
    name = lua_tostring(L, -1);
  }
  f = name == NULL ? formatof(path) : findformat(name);
  if (f == NULL) return unknownformat(L, name);
  if (f->write == NULL) return unknownformat(L, f->name);
  out = render(L, f);
  return out == NULL ? 2 : writefile(L, path, out, force);
}

/* ---- making profiles ---- */

static int refused (lua_State *L, const char *what, const char *hint) {
  lua_pushfstring(L, "%s cannot be read", what);
  return pyr_lua_fail(L, "unsupported", lua_tostring(L, -1), NULL, hint);
}

/* The profile below the top of the stack is in the unit of the default type of 'handle'. */
static void pprofunit (lua_State *L, int handle) {
  lua_createtable(L, 0, 1);
  lua_getfield(L, handle, "types");
  lua_pushvalue(L, handle);
  lua_call(L, 1, 1);
  lua_getfield(L, handle, "default_type");
  lua_gettable(L, -2);
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "unit");
    lua_setfield(L, -4, "unit");
  }
  lua_pop(L, 2);
  lua_setiuservalue(L, -3, 1);
}

/* Calls pprof and collect of the module: a pprof says more than a tree. The inflated bytes in
   'b' (empty: the argument was not compressed) become a body, so they are not copied. */
static int decodepprof (lua_State *L, pyr_buffer *b, size_t max_bytes) {
  int module = lua_upvalueindex(1), handle;
  lua_getfield(L, module, "pprof");
  if (b != NULL) {
    pyr_body *body = lua_newuserdatauv(L, sizeof *body, 0);
    body->data = NULL;
    luaL_setmetatable(L, PYR_BODY_T);
    body->length = b->len;
    body->data = b->data;
    b->data = NULL;
    pyr_buffer_free(b);
    pyr_lua_born(L);
  } else
    lua_pushvalue(L, 1);
  lua_createtable(L, 0, 1);
  pyr_lua_setinteger(L, "max_bytes", (lua_Integer)max_bytes);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 2;
  lua_pop(L, 1);
  handle = lua_gettop(L);
  lua_getfield(L, module, "collect");
  lua_createtable(L, 1, 0); /* selections */
  lua_createtable(L, 1, 1); /* the only one */
  lua_pushvalue(L, handle);
  lua_rawseti(L, -2, 1);
  lua_getfield(L, handle, "default_type");
  lua_setfield(L, -2, "type");
  lua_rawseti(L, -2, 1);
  lua_newtable(L);
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "granularity");
    lua_setfield(L, -2, "granularity");
  }
  lua_call(L, 2, 2);
  if (!lua_isnil(L, -2)) pprofunit(L, handle);
  lua_getfield(L, handle, "close"); /* nobody else has it */
  lua_pushvalue(L, handle);
  lua_call(L, 1, 0);
  return lua_isnil(L, -2) ? 2 : (lua_pop(L, 1), 1);
}

static int decodewith (lua_State *L, pyr_decoder *read, const char *bytes, size_t len) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  return pyr_lua_pushderived(L, p, read(&p->p, bytes, len, &e), &e);
}

/* The file's unit and name are what the profile is until it is described. */
static int decodespeedscope (lua_State *L, const char *bytes, size_t len) {
  static const char *const wanted[] = {"function", "line", NULL};
  pyr_speedscope about = {PYR_BY_FUNCTION, pyr_lua_buffer(L), NULL, 0, 0};
  pyr_luaprofile *p;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "granularity");
    about.granularity = luaL_checkoption(L, -1, "function", wanted) == 0
                            ? PYR_BY_FUNCTION
                            : PYR_BY_LINE;
  }
  p = pyr_lua_newprofile(L);
  if (pyr_decode_speedscope(&p->p, &about, bytes, len, &e) != PYR_OK)
    return pyr_lua_error(L, &e);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, about.unit);
  lua_setfield(L, -2, "unit");
  if (about.name->len != 0) {
    lua_pushlstring(L, about.name->data, about.name->len);
    lua_setfield(L, -2, "name");
  }
  lua_setiuservalue(L, -2, 1);
  pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  return 1;
}

static int core_decode (lua_State *L) {
  size_t len, max_bytes = MAX_BYTES;
  const char *bytes = pyr_lua_bytes(L, 1, &len);
  const char *name = luaL_optstring(L, 2, NULL);
  static const char *const known[] = {"max_bytes", "granularity", NULL};
  const format *f;
  pyr_buffer *b = NULL;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  lua_settop(L, 3);
  pyr_lua_options(L, 3, known);
  if (lua_istable(L, 3)) {
    if (lua_getfield(L, 3, "max_bytes") != LUA_TNIL)
      max_bytes = (size_t)luaL_checkinteger(L, -1);
    lua_settop(L, 3);
  }
  if (pyr_is_gzip(bytes, len)) {
    b = pyr_lua_buffer(L);
    if (pyr_inflate(b, bytes, len, max_bytes, &e) != PYR_OK)
      return pyr_lua_error(L, &e);
    bytes = b->data == NULL ? "" : b->data;
    len = b->len;
  }
  if (len > max_bytes)
    return pyr_lua_fail(L, "limit", "larger than the limit", NULL, NULL);
  if (name == NULL) {
    pyr_format guess = pyr_format_guess(bytes, len);
    name = pyr_format_name(guess);
    if (guess == PYR_FORMAT_UNKNOWN)
      return pyr_lua_fail(
          L, "decode", "no format that is known here", "unknown_format",
          "pprof, folded stacks, speedscope, Pyroscope's JSON and TREE are read");
    if (guess == PYR_FORMAT_DIFF_JSON)
      return refused(L, "a flame graph of two sides",
                     "give the two profiles to `pscope diff`");
    if (guess == PYR_FORMAT_HTML)
      return refused(L, "a page of HTML",
                     "a login or error page was saved in place of a profile?");
    if (guess == PYR_FORMAT_JFR)
      return refused(
          L, "a JFR recording",
          "push it to Pyroscope, or convert it with async-profiler's jfrconv --pprof");
    if (guess == PYR_FORMAT_CHROME_TRACE)
      return refused(L, "a Chrome trace", "export it as speedscope or folded stacks");
    if (guess == PYR_FORMAT_PERF)
      return refused(L, "perf's own format",
                     "perf script | stackcollapse-perf.pl gives folded stacks");
  }
  if (strcmp(name, "pprof") == 0) return decodepprof(L, b, max_bytes);
  if (strcmp(name, "speedscope") == 0) return decodespeedscope(L, bytes, len);
  f = findformat(name);
  if (f == NULL || f->read == NULL)
    return luaL_argerror(L, 2, "no format that can be read");
  return decodewith(L, f->read, bytes, len);
}

pyr_status pyr_lua_pushflamegraph (lua_State *L, const char *bytes, size_t len,
                                   pyr_error *e) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  if (pyr_decode_flamegraph_proto(&p->p, bytes, len, e) == PYR_OK)
    pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  else
    lua_pop(L, 1);
  return e->status;
}

pyr_status pyr_lua_pushtree (lua_State *L, const char *bytes, size_t len,
                             pyr_error *e) {
  pyr_luaprofile *p = pyr_lua_newprofile(L);
  if (pyr_decode_tree(&p->p, bytes, len, e) == PYR_OK)
    pyr_lua_weigh(L, pyr_profile_bytes(&p->p));
  else
    lua_pop(L, 1);
  return e->status;
}

static int core_formats (lua_State *L) {
  const format *f;
  lua_newtable(L);
  for (f = formats; f->name != NULL; f++) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, f->extension);
    lua_setfield(L, -2, "extension");
    lua_pushboolean(L, f->binary);
    lua_setfield(L, -2, "binary");
    lua_pushboolean(L, f->read != NULL || f->write == pyr_render_pprof ||
                           strcmp(f->name, "speedscope") == 0);
    lua_setfield(L, -2, "read");
    lua_pushboolean(L, f->write != NULL);
    lua_setfield(L, -2, "write");
    lua_setfield(L, -2, f->name);
  }
  return 1;
}

static int core_assets (lua_State *L) {
  static const char *const names[] = {"style", "script", "policy"};
  pyr_asset which;
  lua_createtable(L, 0, 3);
  for (which = PYR_ASSET_STYLE; which <= PYR_ASSET_POLICY; which++) {
    pyr_error e;
    pyr_buffer *b = pyr_lua_buffer(L);
    if (pyr_picture_assets(b, which, &e) != PYR_OK) return pyr_lua_error(L, &e);
    pyr_lua_pushbuffer(L, b);
    lua_setfield(L, -3, names[which]);
    lua_pop(L, 1);
  }
  return 1;
}

static int profile_cells (lua_State *L) {
  return pyr_lua_cells(L, &pyr_lua_profile(L, 1)->p, NULL);
}

static int profile_hit (lua_State *L) {
  return pyr_lua_hit(L, &pyr_lua_profile(L, 1)->p, NULL);
}

static const luaL_Reg methods[] = {{"render", profile_render},
                                   {"save", profile_save},
                                   {"cells", profile_cells},
                                   {"hit", profile_hit},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"decode", core_decode},
                                     {"formats", core_formats},
                                     {"picture_assets", core_assets},
                                     {NULL, NULL}};

void pyr_lua_add_formats (lua_State *L) {
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -3);
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, functions, 1); /* decode calls pprof and collect */
  lua_pop(L, 1);
}
