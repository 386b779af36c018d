#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "http/pool.h"
#include "lua/binding.h"

#define POOL_T "pyroscope.http.pool"
#define REQUEST_T "pyroscope.http.request"
#define SMALL_ANSWER ((lua_Integer)16 << 20)

static int pool__gc (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  if (p->multi != NULL) {
    pyr_pool_close(p);
    pyr_lua_dead(L);
  }
  return 0;
}

static pyr_pool *checkpool (lua_State *L) {
  pyr_pool *p = luaL_checkudata(L, 1, POOL_T);
  if (p->multi == NULL) luaL_error(L, "pool is closed");
  return p;
}

static lua_Integer optinteger (lua_State *L, int arg, const char *key, lua_Integer value) {
  if (lua_istable(L, arg)) {
    if (lua_getfield(L, arg, key) != LUA_TNIL) value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  return value;
}

static double optnumber (lua_State *L, int arg, const char *key, double value) {
  if (lua_getfield(L, arg, key) != LUA_TNIL) value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* User value 1 keeps the requests that have not ended from being collected. */
static int http_pool (lua_State *L) {
  lua_Integer concurrency = optinteger(L, 1, "concurrency", 8);
  lua_Integer connections = optinteger(L, 1, "max_host_connections", 16);
  pyr_pool *p;
  luaL_argcheck(L, concurrency >= 1 && concurrency <= 1024, 1, "concurrency out of range");
  p = lua_newuserdatauv(L, sizeof *p, 1);
  memset(p, 0, sizeof *p);
  luaL_setmetatable(L, POOL_T);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  if (!pyr_pool_open(p, (unsigned)concurrency, (long)connections))
    return luaL_error(L, "not enough memory");
  pyr_lua_born(L);
  return 1;
}

/* ---- requests ---- */

static pyr_request *checkrequest (lua_State *L) {
  return luaL_checkudata(L, 1, REQUEST_T);
}

static int request__gc (lua_State *L) {
  pyr_request *r = checkrequest(L);
  if (r->queued != 0) {
    pyr_request_free(r);
    r->queued = 0;
    pyr_lua_dead(L);
  }
  return 0;
}

static int request_cancel (lua_State *L) {
  pyr_request_cancel(checkrequest(L));
  return 0;
}

static const char *const states[] = {"queued", "running", "done", "failed", "cancelled"};

static int request__index (lua_State *L) {
  pyr_request *r = checkrequest(L);
  const char *key = luaL_checkstring(L, 2);
  luaL_getmetafield(L, 1, "methods");
  if (lua_getfield(L, -1, key) != LUA_TNIL) return 1;
  if (strcmp(key, "state") == 0)
    lua_pushstring(L, states[r->state]);
  else if (strcmp(key, "received") == 0)
    lua_pushinteger(L, (lua_Integer)r->body.len);
  else if (strcmp(key, "sent") == 0)
    lua_pushinteger(L, (lua_Integer)r->sending.len);
  else if (strcmp(key, "elapsed") == 0)
    lua_pushnumber(L, pyr_clock() - r->queued);
  else
    lua_pushnil(L);
  return 1;
}

static int request__tostring (lua_State *L) {
  pyr_request *r = checkrequest(L);
  lua_pushfstring(L, "request (%s, %s)", r->url == NULL ? "?" : r->url, states[r->state]);
  return 1;
}

/* The text option 'key', or NULL; it stays on the stack. */
static const char *opttext (lua_State *L, const char *key) {
  if (lua_getfield(L, 2, key) == LUA_TNIL) return NULL;
  return luaL_checkstring(L, -1);
}

/* What messages may show of a URL: no user, no password, no query. */
static char *shownurl (const char *url) {
  const char *scheme = strstr(url, "://"), *host = scheme == NULL ? url : scheme + 3;
  size_t n = strcspn(host, "?#"), slash = strcspn(host, "/?#");
  const char *at = memchr(host, '@', slash);
  char *shown = malloc((size_t)(host - url) + n + 1);
  if (shown == NULL) return NULL;
  memcpy(shown, url, (size_t)(host - url));
  if (at != NULL) {
    n -= (size_t)(at + 1 - host);
    host = at + 1;
  }
  memcpy(shown + (scheme == NULL ? 0 : scheme + 3 - url), host, n);
  shown[(size_t)(scheme == NULL ? 0 : scheme + 3 - url) + n] = '\0';
  return shown;
}

static void setheaders (lua_State *L, pyr_request *r) {
  lua_Integer i, n;
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  if (list == NULL) luaL_error(L, "not enough memory");
  r->headers = list;
  if (lua_getfield(L, 2, "headers") == LUA_TTABLE) {
    n = luaL_len(L, -1);
    for (i = 1; i <= n; i++) {
      const char *line;
      lua_rawgeti(L, -1, i);
      line = luaL_checkstring(L, -1);
      if (strpbrk(line, "\r\n") != NULL) luaL_error(L, "a header holds a line end");
      list = curl_slist_append(r->headers, line);
      if (list == NULL) luaL_error(L, "not enough memory");
      r->headers = list;
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
}

static void setbody (lua_State *L, pyr_request *r, const char *method) {
  size_t len = 0;
  const char *body = NULL;
  if (lua_getfield(L, 2, "body") != LUA_TNIL) body = luaL_checklstring(L, -1, &len);
  if (body != NULL) {
    pyr_buffer_add(&r->sending, body, len);
    if (r->sending.status != PYR_OK) luaL_error(L, "not enough memory");
    curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->sending.data);
  }
  if (strcmp(method, "HEAD") == 0)
    curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
  else if (strcmp(method, body == NULL ? "GET" : "POST") != 0)
    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
  lua_pop(L, 1);
}

static void setconnection (lua_State *L, pyr_request *r) {
  const char *text;
  if ((text = opttext(L, "proxy")) != NULL) curl_easy_setopt(r->easy, CURLOPT_PROXY, text);
  if ((text = opttext(L, "unix_socket")) != NULL)
    curl_easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, text);
  if ((text = opttext(L, "ca_file")) != NULL) {
    curl_easy_setopt(r->easy, CURLOPT_CAINFO, text);
    curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
  }
  if ((text = opttext(L, "client_cert")) != NULL)
    curl_easy_setopt(r->easy, CURLOPT_SSLCERT, text);
  if ((text = opttext(L, "client_key")) != NULL)
    curl_easy_setopt(r->easy, CURLOPT_SSLKEY, text);
  lua_pop(L, 5);
}

static int pool_send (lua_State *L) {
  pyr_pool *p = checkpool(L);
  const char *url, *method;
  pyr_request *r;
  double timeout;
  bool compress = true;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  r = lua_newuserdatauv(L, sizeof *r, 1);
  memset(r, 0, sizeof *r);
  luaL_setmetatable(L, REQUEST_T);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the pool outlives its requests */
  pyr_lua_born(L);
  r->queued = pyr_clock();
  r->state = PYR_CANCELLED; /* until it is in the pool */
  r->expected = -1;
  url = opttext(L, "url");
  luaL_argcheck(L, url != NULL, 2, "a url is needed");
  method = opttext(L, "method");
  if (method == NULL) method = "GET";
  r->url = shownurl(url);
  r->easy = pyr_pool_easy(p, r);
  if (r->url == NULL || r->easy == NULL) return luaL_error(L, "not enough memory");
  r->pool = p; /* so that the handle finds its way back if anything below raises */
  curl_easy_setopt(r->easy, CURLOPT_URL, url);
  curl_easy_setopt(r->easy, CURLOPT_USERAGENT, "pscope/" PYR_VERSION);
  timeout = optnumber(L, 2, "timeout", 0);
  if (timeout > 0) r->deadline = r->queued + timeout;
  r->silence = optnumber(L, 2, "silence", 30);
  curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)(optnumber(L, 2, "connect_timeout", 5) * 1000));
  r->max_bytes = (size_t)optinteger(L, 2, "max_bytes", SMALL_ANSWER);
  if (lua_getfield(L, 2, "compress") != LUA_TNIL) compress = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (compress) curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  setheaders(L, r);
  setbody(L, r, method);
  setconnection(L, r);
  lua_settop(L, 3);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 3);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  pyr_pool_add(p, r);
  return 1;
}

/* ---- what came ---- */

typedef struct failure {
  CURLcode code;
  const char *kind, *word, *what;
} failure;

static const failure failures[] = {
    {CURLE_COULDNT_CONNECT, "unreachable", "refused", "cannot connect"},
    {CURLE_COULDNT_RESOLVE_HOST, "unreachable", "dns", "unknown host"},
    {CURLE_COULDNT_RESOLVE_PROXY, "unreachable", "dns", "unknown proxy"},
    {CURLE_PEER_FAILED_VERIFICATION, "unreachable", "tls", "TLS: the certificate is not trusted"},
    {CURLE_SSL_CONNECT_ERROR, "unreachable", "tls", "TLS: no secure connection"},
    {CURLE_SSL_CERTPROBLEM, "config", "tls", "TLS: bad client certificate"},
    {CURLE_SSL_CACERT_BADFILE, "config", "tls", "TLS: bad CA file"},
    {CURLE_SEND_ERROR, "unreachable", "reset", "the connection broke while sending"},
    {CURLE_RECV_ERROR, "unreachable", "reset", "the connection broke"},
    {CURLE_GOT_NOTHING, "unreachable", "reset", "the server closed the connection"},
    {CURLE_PARTIAL_FILE, "http", "cut_off", "the answer was cut off"},
    {CURLE_BAD_CONTENT_ENCODING, "http", "cut_off", "the compressed answer is damaged"},
    {CURLE_UNSUPPORTED_PROTOCOL, "config", "url", "only http and https are spoken"},
    {CURLE_URL_MALFORMAT, "config", "url", "malformed URL"},
    {CURLE_WEIRD_SERVER_REPLY, "http", "not_http", "the answer is not HTTP"},
    {CURLE_HTTP2, "http", "http2", "HTTP/2 error"},
    {CURLE_HTTP2_STREAM, "http", "http2", "HTTP/2 error"},
};

static void setfield (lua_State *L, const char *key, const char *value) {
  if (value == NULL) return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

/* nil and an error with kind, code, url and what libcurl said; libcurl's texts name hosts,
   ports and files, never headers or credentials. */
static int fail (lua_State *L, const pyr_request *r, const char *kind, const char *word,
                 const char *what, const char *detail) {
  if (detail != NULL && detail[0] != '\0')
    lua_pushfstring(L, "%s: %s: %s", r->url, what, detail);
  else
    lua_pushfstring(L, "%s: %s", r->url, what);
  pyr_lua_fail(L, kind, lua_tostring(L, -1), word, NULL);
  setfield(L, "url", r->url);
  lua_pushboolean(L, strcmp(kind, "unreachable") == 0 || strcmp(kind, "timeout") == 0);
  lua_setfield(L, -2, "retryable");
  if (r->status != 0) {
    lua_pushinteger(L, r->status);
    lua_setfield(L, -2, "status");
  }
  return 2;
}

static int failrequest (lua_State *L, const pyr_request *r) {
  char text[160];
  size_t i;
  if (r->too_large) {
    lua_pushfstring(L, "the answer is larger than %I bytes", (lua_Integer)r->max_bytes);
    fail(L, r, "limit", "too_large", lua_tostring(L, -1), NULL);
    setfield(L, "hint",
             "ask for less (a shorter window, a narrower selector, fewer nodes) or raise max_bytes");
    return 2;
  }
  if (r->body.status == PYR_EMEMORY) return luaL_error(L, "not enough memory");
  if (r->code == CURLE_OPERATION_TIMEDOUT) {
    double spent = pyr_clock() - r->queued;
    if (r->silent) {
      snprintf(text, sizeof text, "no byte for %.3g s", r->silence);
      return fail(L, r, "timeout", "silent", text, NULL);
    }
    if (r->deadline == 0 || pyr_clock() < r->deadline || (!r->connected && r->status == 0 && r->head.len == 0 && strstr(r->message, "onnect") != NULL))
      return fail(L, r, "unreachable", "connect_timeout", "no connection in time", NULL);
    snprintf(text, sizeof text, "no complete answer in %.3g s", spent);
    return fail(L, r, "timeout", "deadline", text, NULL);
  }
  if (r->code == CURLE_PARTIAL_FILE || r->code == CURLE_BAD_CONTENT_ENCODING ||
      (r->code == CURLE_RECV_ERROR && r->status != 0)) {
    if (r->expected >= 0 && r->plain)
      snprintf(text, sizeof text, "the answer was cut off after %zu of %lld bytes",
               r->body.len, r->expected);
    else
      snprintf(text, sizeof text, "the answer was cut off after %zu bytes", r->body.len);
    return fail(L, r, "http", "cut_off", text, NULL);
  }
  for (i = 0; i < sizeof failures / sizeof *failures; i++)
    if (failures[i].code == r->code)
      return fail(L, r, failures[i].kind, failures[i].word, failures[i].what, r->message);
  return fail(L, r, "unreachable", "transport",
              r->message[0] != '\0' ? r->message : curl_easy_strerror(r->code), NULL);
}

/* "Name: value" lines to a table; repeated names are joined. */
static void pushheaders (lua_State *L, const pyr_buffer *head) {
  const char *p = head->data, *end = head->data + head->len;
  lua_newtable(L);
  while (p != NULL && p < end) {
    const char *stop = memchr(p, '\n', (size_t)(end - p)), *colon, *value, *last;
    if (stop == NULL) stop = end;
    colon = memchr(p, ':', (size_t)(stop - p));
    if (colon != NULL) {
      luaL_Buffer name;
      const char *c;
      luaL_buffinit(L, &name);
      for (c = p; c < colon; c++)
        luaL_addchar(&name, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
      luaL_pushresult(&name);
      for (value = colon + 1; value < stop && (*value == ' ' || *value == '\t');) value++;
      for (last = stop; last > value && (last[-1] == '\r' || last[-1] == ' ');) last--;
      lua_pushvalue(L, -1);
      if (lua_rawget(L, -3) == LUA_TSTRING) {
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value, (size_t)(last - value));
        lua_concat(L, 3);
      } else {
        lua_pop(L, 1);
        lua_pushlstring(L, value, (size_t)(last - value));
      }
      lua_rawset(L, -3);
    }
    p = stop + 1;
  }
}

static int request_response (lua_State *L) {
  pyr_request *r = checkrequest(L);
  pyr_body *body;
  if (r->state == PYR_QUEUED || r->state == PYR_RUNNING)
    return luaL_error(L, "the request has not ended");
  if (r->state == PYR_CANCELLED) return fail(L, r, "cancelled", NULL, "cancelled", NULL);
  if (r->state == PYR_FAILED) return failrequest(L, r);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, r->status);
  lua_setfield(L, -2, "status");
  setfield(L, "url", r->url);
  pushheaders(L, &r->head);
  if (lua_getfield(L, -1, "location") == LUA_TSTRING && r->status >= 300 && r->status < 400) {
    char *shown = shownurl(lua_tostring(L, -1));
    lua_pushstring(L, shown == NULL ? "" : shown);
    lua_setfield(L, -4, "redirect");
    free(shown);
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, "headers");
  body = lua_newuserdatauv(L, sizeof *body, 0);
  memset(body, 0, sizeof *body);
  luaL_setmetatable(L, PYR_BODY_T);
  if (r->body.data == NULL) pyr_buffer_add(&r->body, "", 0);
  if (r->body.data == NULL) return luaL_error(L, "not enough memory");
  body->data = r->body.data;
  body->length = r->body.len;
  memset(&r->body, 0, sizeof r->body);
  pyr_lua_born(L);
  pyr_lua_weigh(L, body->length);
  lua_setfield(L, -2, "body");
  return 1;
}

/* ---- waiting ---- */

static int pool_poll (lua_State *L) {
  pyr_pool *p = checkpool(L);
  double timeout = luaL_checknumber(L, 2);
  struct curl_waitfd *fds = NULL;
  lua_Integer count = 0, i, n = 0;
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    count = luaL_len(L, 3);
    fds = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *fds, 0);
    for (i = 0; i < count; i++) {
      lua_rawgeti(L, 3, i + 1);
      fds[i].fd = (curl_socket_t)luaL_checkinteger(L, -1);
      fds[i].events = CURL_WAIT_POLLIN;
      fds[i].revents = 0;
      lua_pop(L, 1);
    }
  }
  pyr_pool_poll(p, timeout, fds, (unsigned)count);
  lua_newtable(L); /* ended */
  lua_getiuservalue(L, 1, 1);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    pyr_request *r;
    lua_pop(L, 1);
    r = lua_touserdata(L, -1);
    if (r->state == PYR_QUEUED || r->state == PYR_RUNNING) continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, ++n);
  }
  for (i = 1; i <= n; i++) {
    lua_rawgeti(L, -2, i);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
  lua_newtable(L);
  for (i = 0, n = 0; i < count; i++)
    if (fds[i].revents != 0) {
      lua_pushinteger(L, fds[i].fd);
      lua_rawseti(L, -2, ++n);
    }
  return 2;
}

static int http_version (lua_State *L) {
  lua_pushstring(L, curl_version());
  return 1;
}

static const luaL_Reg pool_meta[] = {{"__gc", pool__gc}, {"__close", pool__gc}, {NULL, NULL}};
static const luaL_Reg pool_methods[] = {
    {"send", pool_send}, {"poll", pool_poll}, {"close", pool__gc}, {NULL, NULL}};
static const luaL_Reg request_meta[] = {{"__gc", request__gc},
                                        {"__close", request__gc},
                                        {"__index", request__index},
                                        {"__tostring", request__tostring},
                                        {NULL, NULL}};
static const luaL_Reg request_methods[] = {
    {"response", request_response}, {"cancel", request_cancel}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"pool", http_pool}, {"version", http_version}, {NULL, NULL}};

#pragma GCC visibility push(default)
int luaopen_pyroscope_http (lua_State *L);
#pragma GCC visibility pop

int luaopen_pyroscope_http (lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "pyroscope.core"); /* bodies and errors are its types */
  lua_call(L, 1, 0);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return luaL_error(L, "libcurl cannot be initialised");
  pyr_lua_type(L, POOL_T, pool_meta, pool_methods);
  pyr_lua_type(L, REQUEST_T, request_meta, request_methods);
  lua_pop(L, 2);
  luaL_newlib(L, functions);
  return 1;
}
