#include <stdlib.h>
#include <string.h>

#include "lua/http_answer.h"

#define POOL_T "pyroscope.http.pool"
#define REQUEST_T "pyroscope.http.request"
#define GLOBAL_T "pyroscope.http.global"

#define BODY_LIMIT ((lua_Integer)16 << 20)

/*
** User values. A pool holds the requests in flight (light pointer -> request), so that
** the collector does not take what only libcurl knows. A request holds its pool, the
** bytes that are sent, and its result once that was asked for.
*/
enum { POOL_REQUESTS = 1, POOL_VALUES = 1 };
enum { REQUEST_POOL = 1, REQUEST_BODY, REQUEST_RESULT, REQUEST_VALUES = 3 };

static const char *const states[] = {"queued", "queued", "running",
                                     "done",   "failed", "cancelled"};

static void setinteger (lua_State *L, const char *name, lua_Integer v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, name);
}

static pyr_request *checkrequest (lua_State *L) {
  return luaL_checkudata(L, 1, REQUEST_T);
}

static int request_response (lua_State *L) {
  pyr_request *r = checkrequest(L);
  bool done = r->state == PYR_REQUEST_DONE;
  if (r->state < PYR_REQUEST_DONE) return luaL_error(L, "request is not finished");
  lua_settop(L, 1);
  if (!done) lua_pushnil(L);
  if (lua_getiuservalue(L, 1, REQUEST_RESULT) == LUA_TNIL) {
    lua_pop(L, 1);
    if (done)
      pyr_request_pushresponse(L, r);
    else
      pyr_request_pushfailure(L, r);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, REQUEST_RESULT);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, REQUEST_BODY);
  }
  return done ? 1 : 2;
}

/* The pool need not keep a request that will not change any more. */
static void letgo (lua_State *L, int request, const pyr_request *r) {
  if (lua_getiuservalue(L, request, REQUEST_POOL) == LUA_TUSERDATA &&
      lua_getiuservalue(L, -1, POOL_REQUESTS) == LUA_TTABLE) {
    lua_pushnil(L);
    lua_rawsetp(L, -2, r);
  }
}

static int request_cancel (lua_State *L) {
  pyr_request *r = checkrequest(L);
  pyr_request_cancel(r);
  if (r->state == PYR_REQUEST_CANCELLED) letgo(L, 1, r);
  return 0;
}

static int request__gc (lua_State *L) {
  pyr_request *r = checkrequest(L);
  pyr_request_free(r);
  pyr_lua_dead(L);
  return 0;
}

static int request__tostring (lua_State *L) {
  pyr_request *r = checkrequest(L);
  lua_pushfstring(L, "request (%s, %s)", states[r->state],
                  r->address.show == NULL ? "?" : r->address.show);
  return 1;
}

static int request__index (lua_State *L) {
  pyr_request *r = checkrequest(L);
  const char *name = luaL_checkstring(L, 2);
  if (luaL_getmetafield(L, 1, "methods") == LUA_TTABLE &&
      lua_getfield(L, -1, name) != LUA_TNIL)
    return 1;
  if (strcmp(name, "state") == 0)
    lua_pushstring(L, states[r->state]);
  else if (strcmp(name, "url") == 0)
    lua_pushstring(L, r->address.show);
  else if (strcmp(name, "received") == 0)
    lua_pushinteger(L, (lua_Integer)r->received);
  else if (strcmp(name, "wire") == 0)
    lua_pushinteger(L, (lua_Integer)r->wire);
  else if (strcmp(name, "sent") == 0)
    lua_pushinteger(L, (lua_Integer)r->uploaded);
  else if (strcmp(name, "expected") == 0 && r->expected >= 0)
    lua_pushinteger(L, (lua_Integer)r->expected);
  else if (strcmp(name, "elapsed") == 0)
    lua_pushnumber(L, (r->state < PYR_REQUEST_DONE ? pyr_http_now() : r->ended_at) -
                          r->sent_at);
  else
    lua_pushnil(L);
  return 1;
}

static pyr_pool *checkpool (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  if (p->multi == NULL) luaL_error(L, "pool is closed");
  return p;
}

static int pool__gc (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  if (p->multi == NULL) return 0;
  pyr_pool_close(p);
  pyr_lua_dead(L);
  lua_pushnil(L);
  lua_setiuservalue(L, 1, POOL_REQUESTS);
  return 0;
}

static int pool__tostring (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  if (p->multi == NULL)
    lua_pushliteral(L, "pool (closed)");
  else
    lua_pushfstring(L, "pool (%d running, %d queued)", (int)p->running.count,
                    (int)p->queued.count);
  return 1;
}

static int pool__index (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  const char *name = luaL_checkstring(L, 2);
  if (luaL_getmetafield(L, 1, "methods") == LUA_TTABLE &&
      lua_getfield(L, -1, name) != LUA_TNIL)
    return 1;
  if (strcmp(name, "concurrency") == 0)
    lua_pushinteger(L, (lua_Integer)p->concurrency);
  else if (strcmp(name, "running") == 0)
    lua_pushinteger(L, (lua_Integer)p->running.count);
  else if (strcmp(name, "queued") == 0)
    lua_pushinteger(L, (lua_Integer)p->queued.count);
  else
    lua_pushnil(L);
  return 1;
}

/* -- options: the table is at 'index'; strings stay on the stack while they are used */

static void checknames (lua_State *L, int index, const char *const *names) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *const *n = names;
    lua_pop(L, 1);
    while (*n != NULL &&
           (lua_type(L, -1) != LUA_TSTRING || strcmp(*n, lua_tostring(L, -1)) != 0))
      n++;
    if (*n == NULL) {
      luaL_tolstring(L, -1, NULL);
      luaL_error(L, "unknown option '%s'", lua_tostring(L, -1));
    }
  }
}

static const char *text (lua_State *L, int index, const char *name) {
  int type = lua_getfield(L, index, name);
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING)
    luaL_error(L, "option '%s' must be string, not %s", name, lua_typename(L, type));
  if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
    luaL_error(L, "option '%s' must not hold a NUL", name);
  return lua_tostring(L, -1);
}

static double seconds (lua_State *L, int index, const char *name, double otherwise) {
  int type = lua_getfield(L, index, name);
  double v = type == LUA_TNIL ? otherwise : lua_tonumber(L, -1);
  if ((type != LUA_TNIL && type != LUA_TNUMBER) || !(v > 0))
    luaL_error(L, "option '%s' must be a number of seconds above 0", name);
  lua_pop(L, 1);
  return v < 1e6 ? v : 1e6;
}

static lua_Integer integer (lua_State *L, int index, const char *name,
                            lua_Integer otherwise) {
  int type = lua_getfield(L, index, name), good = 1;
  lua_Integer v = type == LUA_TNIL ? otherwise : lua_tointegerx(L, -1, &good);
  if (!good || v < 1) luaL_error(L, "option '%s' must be an integer above 0", name);
  lua_pop(L, 1);
  return v;
}

/* -1: not given. */
static int boolean (lua_State *L, int index, const char *name) {
  int type = lua_getfield(L, index, name);
  int v = type == LUA_TNIL ? -1 : lua_toboolean(L, -1);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    luaL_error(L, "option '%s' must be boolean, not %s", name, lua_typename(L, type));
  lua_pop(L, 1);
  return v;
}

static const char *const send_names[] = {
    "url",         "method",     "headers", "body",    "username",
    "password",    "max_bytes",  "timeout", "silence", "connect_timeout",
    "compress",    "follow",     "proxy",   "ca_file", "unix_socket",
    "client_cert", "client_key", NULL};

/* A body in C could be closed while libcurl reads it, so its bytes are copied; a string
   is only held. Leaves the string, or nil, on the stack. */
static void takebody (lua_State *L, int index, pyr_requestoptions *o) {
  size_t n;
  const char *bytes;
  if (lua_getfield(L, index, "body") == LUA_TNIL) return;
  bytes = pyr_lua_bytes(L, lua_gettop(L), &n);
  if (lua_type(L, -1) != LUA_TSTRING) {
    bytes = lua_pushlstring(L, bytes, n);
    lua_replace(L, -2);
  }
  o->body = bytes;
  o->body_length = n;
}

static void takeoptions (lua_State *L, int index, pyr_requestoptions *o) {
  int compress = boolean(L, index, "compress");
  o->compress = compress == -1  ? PYR_COMPRESS_AUTO
                : compress == 0 ? PYR_COMPRESS_NO
                                : PYR_COMPRESS_YES;
  o->follow = boolean(L, index, "follow") == 1;
  o->max_bytes = (size_t)integer(L, index, "max_bytes", BODY_LIMIT);
  o->timeout = seconds(L, index, "timeout", 60);
  o->connect_timeout = seconds(L, index, "connect_timeout", 5);
  o->silence = seconds(L, index, "silence", 30);
  o->url = text(L, index, "url");
  if (o->url == NULL) luaL_error(L, "option 'url' is missing");
  o->method = text(L, index, "method");
  o->username = text(L, index, "username");
  o->password = text(L, index, "password");
  o->proxy = text(L, index, "proxy");
  o->unix_socket = text(L, index, "unix_socket");
  o->ca_file = text(L, index, "ca_file");
  o->client_cert = text(L, index, "client_cert");
  o->client_key = text(L, index, "client_key");
}

/* Adds the headers of the options; pushes nil and an error when one is none. */
static bool takeheaders (lua_State *L, int index, pyr_request *r) {
  int type = lua_getfield(L, index, "headers");
  lua_Integer i, n;
  if (type == LUA_TNIL) return true;
  if (type != LUA_TTABLE) luaL_error(L, "option 'headers' must be table");
  n = luaL_len(L, -1);
  for (i = 1; i <= n; i++) {
    pyr_error e;
    size_t length;
    const char *line, *colon;
    if (lua_geti(L, -1, i) != LUA_TSTRING)
      luaL_error(L, "header %d is no string", (int)i);
    line = lua_tolstring(L, -1, &length);
    if (pyr_request_header(r, line, length, &e) != PYR_OK) {
      if (e.status == PYR_EMEMORY) luaL_error(L, "%s", e.message);
      colon = strchr(line, ':');
      lua_pushlstring(L, line, colon == NULL ? 0 : (size_t)(colon - line));
      if (colon == NULL || strpbrk(lua_tostring(L, -1), "\r\n") != NULL)
        lua_pushfstring(L, "header %d of the request: %s", (int)i, e.message);
      else
        lua_pushfstring(L, "header '%s': %s", lua_tostring(L, -1), e.message);
      pyr_lua_fail(L, "config", lua_tostring(L, -1), "bad_header", NULL);
      return false;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return true;
}

/* An address that cannot be read may hold a password all the same: nothing before an
   '@' and nothing after a question mark is repeated. */
static int badaddress (lua_State *L, const char *url, const pyr_error *e) {
  const char *at = strrchr(url, '@'), *start = at == NULL ? url : at + 1;
  size_t i, n = strcspn(start, "?#");
  luaL_Buffer b;
  if (e->status == PYR_EMEMORY) return luaL_error(L, "%s", e->message);
  luaL_buffinit(L, &b);
  for (i = 0; i < n && i < 200; i++) {
    unsigned char c = (unsigned char)start[i];
    luaL_addchar(&b, (char)(c < 0x20 || c == 0x7f ? '?' : c));
  }
  luaL_pushresult(&b);
  lua_pushfstring(L, "cannot use the address '%s': %s", lua_tostring(L, -1),
                  e->message);
  return pyr_lua_fail(L, "config", lua_tostring(L, -1), "bad_url", NULL);
}

static int pool_send (lua_State *L) {
  pyr_pool *p = checkpool(L);
  pyr_requestoptions o;
  pyr_request *r;
  pyr_error e;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  luaL_checkstack(L, 40, NULL);
  checknames(L, 2, send_names);
  memset(&o, 0, sizeof o);
  r = pyr_lua_new(L, REQUEST_T, sizeof *r, REQUEST_VALUES); /* at 3 */
  takeoptions(L, 2, &o);
  if (!takeheaders(L, 2, r)) return 2;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, REQUEST_POOL);
  takebody(L, 2, &o);
  lua_setiuservalue(L, 3, REQUEST_BODY);
  lua_getiuservalue(L, 1, POOL_REQUESTS);
  lua_pushvalue(L, 3);
  lua_rawsetp(L, -2, r);
  if (pyr_pool_send(p, r, &o, &e) != PYR_OK) {
    lua_pushnil(L);
    lua_rawsetp(L, -2, r);
    return badaddress(L, o.url, &e);
  }
  lua_pushvalue(L, 3);
  return 1;
}

/* -- poll -- */

typedef struct pollset {
  struct pollfd *fds;
  struct curl_waitfd *waits;
  unsigned n;
} pollset;

/* Turns { [fd] = "rw" } into what poll and libcurl want, in memory that Lua frees. */
static void takefds (lua_State *L, int index, pollset *set) {
  size_t n = 0;
  memset(set, 0, sizeof *set);
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    n++;
  if (n > 1024) luaL_argerror(L, index, "too many descriptors");
  if (n == 0) return;
  set->waits = lua_newuserdatauv(L, n * sizeof *set->waits, 0);
  set->fds = lua_newuserdatauv(L, n * sizeof *set->fds, 0);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    struct pollfd *fd = &set->fds[set->n];
    struct curl_waitfd *wait = &set->waits[set->n++];
    const char *events = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    bool in = strchr(events, 'r') != NULL, out = strchr(events, 'w') != NULL;
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 0 ||
        lua_tointeger(L, -2) > 1 << 30 || (!in && !out))
      luaL_argerror(L, index, "must be descriptor = \"r\", \"w\" or \"rw\"");
    fd->fd = wait->fd = (int)lua_tointeger(L, -2);
    fd->events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
    wait->events = (short)((in ? CURL_WAIT_POLLIN : 0) | (out ? CURL_WAIT_POLLOUT : 0));
    fd->revents = wait->revents = 0;
  }
}

static void pushready (lua_State *L, const pollset *set) {
  unsigned i;
  lua_newtable(L);
  for (i = 0; i < set->n; i++) {
    const struct pollfd *fd = &set->fds[i];
    bool gone = (fd->revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    bool in = (fd->events & POLLIN) != 0 && (gone || (fd->revents & POLLIN) != 0);
    bool out = (fd->events & POLLOUT) != 0 && (gone || (fd->revents & POLLOUT) != 0);
    if (!in && !out) continue;
    lua_pushstring(L, in && out ? "rw" : in ? "r" : "w");
    lua_rawseti(L, -2, fd->fd);
  }
}

static int pool_poll (lua_State *L) {
  pyr_pool *p = checkpool(L);
  lua_Number wait = luaL_optnumber(L, 2, -1);
  pollset set;
  pyr_request *r;
  pyr_error e;
  lua_Integer i;
  luaL_argcheck(L, lua_isnoneornil(L, 2) || wait >= 0, 2, "must not be negative");
  lua_settop(L, 3);
  takefds(L, 3, &set);
  if (pyr_pool_poll(p, wait, set.fds, set.waits, set.n, &e) != PYR_OK)
    return luaL_error(L, "%s", e.message);
  lua_getiuservalue(L, 1, POOL_REQUESTS);
  lua_newtable(L);
  for (i = 1; (r = pyr_pool_finished(p)) != NULL; i++) {
    lua_rawgetp(L, -2, r);
    lua_rawseti(L, -2, i);
    lua_pushnil(L);
    lua_rawsetp(L, -3, r);
  }
  pushready(L, &set);
  return 2;
}

static int http_pool (lua_State *L) {
  static const char *const names[] = {"concurrency", "max_host_connections", NULL};
  lua_Integer concurrency = 8, connections = 16;
  pyr_error e;
  pyr_pool *p;
  if (!lua_isnoneornil(L, 1)) {
    luaL_checktype(L, 1, LUA_TTABLE);
    checknames(L, 1, names);
    concurrency = integer(L, 1, "concurrency", concurrency);
    connections = integer(L, 1, "max_host_connections", connections);
  }
  luaL_argcheck(L, concurrency <= 1000 && connections <= 1000, 1, "1000 at most");
  p = pyr_lua_new(L, POOL_T, sizeof *p, POOL_VALUES);
  lua_newtable(L);
  lua_setiuservalue(L, -2, POOL_REQUESTS);
  if (pyr_pool_init(p, (unsigned)concurrency, (long)connections, &e) != PYR_OK)
    return luaL_error(L, "%s", e.message);
  return 1;
}

static void setstring (lua_State *L, const char *name, const char *value) {
  if (value == NULL) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

/* The address lives in a userdata while Lua may raise. */
static int address__gc (lua_State *L) {
  pyr_address_free(lua_touserdata(L, 1));
  return 0;
}

static int http_address (lua_State *L) {
  const char *url = luaL_checkstring(L, 1);
  pyr_address *a = lua_newuserdatauv(L, sizeof *a, 0);
  pyr_error e;
  memset(a, 0, sizeof *a);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, address__gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  if (pyr_address_parse(a, url, &e) != PYR_OK) return badaddress(L, url, &e);
  lua_createtable(L, 0, 10);
  setstring(L, "scheme", a->scheme);
  setstring(L, "host", a->host);
  setinteger(L, "port", (lua_Integer)strtol(a->port, NULL, 10));
  setstring(L, "path", a->path);
  setstring(L, "query", a->query);
  setstring(L, "username", a->user);
  setstring(L, "password", a->password);
  setstring(L, "url", a->send);
  setstring(L, "show", a->show);
  lua_pushboolean(L, a->loopback);
  lua_setfield(L, -2, "loopback");
  return 1;
}

static int http_now (lua_State *L) {
  lua_pushnumber(L, pyr_http_now());
  return 1;
}

/* libcurl counts who needs its global state; this state's share ends with it. */
static int global__gc (lua_State *L) {
  (void)L;
  curl_global_cleanup();
  return 0;
}

static const luaL_Reg pool_meta[] = {{"__gc", pool__gc},
                                     {"__close", pool__gc},
                                     {"__index", pool__index},
                                     {"__tostring", pool__tostring},
                                     {NULL, NULL}};

static const luaL_Reg pool_methods[] = {
    {"send", pool_send}, {"poll", pool_poll}, {"close", pool__gc}, {NULL, NULL}};

static const luaL_Reg request_meta[] = {{"__gc", request__gc},
                                        {"__index", request__index},
                                        {"__tostring", request__tostring},
                                        {NULL, NULL}};

static const luaL_Reg request_methods[] = {
    {"response", request_response}, {"cancel", request_cancel}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"pool", http_pool}, {"address", http_address}, {"now", http_now}, {NULL, NULL}};

#pragma GCC visibility push(default)
int luaopen_pyroscope_http (lua_State *L);
#pragma GCC visibility pop

int luaopen_pyroscope_http (lua_State *L) {
  /* the core registers bodies and errors */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "pyroscope.core");
  lua_call(L, 1, 0);
  lua_newuserdatauv(L, 0, 0);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return luaL_error(L, "libcurl cannot be initialised");
  luaL_newmetatable(L, GLOBAL_T);
  lua_pushcfunction(L, global__gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, GLOBAL_T ".share");
  pyr_lua_type(L, POOL_T, pool_meta, pool_methods);
  pyr_lua_type(L, REQUEST_T, request_meta, request_methods);
  lua_pop(L, 2);
  luaL_newlib(L, functions);
  lua_pushstring(L, curl_version_info(CURLVERSION_NOW)->version);
  lua_setfield(L, -2, "version");
  return 1;
}
