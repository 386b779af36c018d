#include "lua/http_answer.h"

#include <stdio.h>
#include <string.h>

/* How each failure is told: kind, code, text with the origin, and what follows it. */
static const struct {
  const char *kind, *code, *text;
  enum { NOTHING, SECONDS, CONNECTSECONDS, SILENCE, DETAIL, ELSEWHERE, BYTES } then;
  bool retryable;
} told[] = {
    [PYR_HTTP_REFUSED] = {"unreachable", "refused",
                          "cannot connect to %s: connection refused", ELSEWHERE, false},
    [PYR_HTTP_DNS] = {"unreachable", "dns", "cannot find the address of %s", NOTHING,
                      false},
    [PYR_HTTP_NOROUTE] = {"unreachable", "no_route", "no network route to %s",
                          ELSEWHERE, false},
    [PYR_HTTP_NOSOCKET] = {"unreachable", "no_socket",
                           "cannot open the unix socket for %s", NOTHING, false},
    [PYR_HTTP_CONNECTTIMEOUT] = {"unreachable", "connect_timeout",
                                 "no connection to %s", CONNECTSECONDS, true},
    [PYR_HTTP_RESET] = {"unreachable", "reset",
                        "%s closed the connection without an answer", NOTHING, true},
    [PYR_HTTP_TLS] = {"unreachable", "tls", "TLS with %s failed", DETAIL, false},
    [PYR_HTTP_PROXYDNS] = {"unreachable", "proxy",
                           "the proxy for %s cannot be found or used", NOTHING, false},
    [PYR_HTTP_PROXY] = {"unreachable", "proxy", "the proxy did not connect to %s",
                        DETAIL, false},
    [PYR_HTTP_NETWORK] = {"unreachable", "network", "the request to %s failed", DETAIL,
                          false},
    [PYR_HTTP_TOTAL] = {"timeout", "total", "no complete answer of %s", SECONDS, false},
    [PYR_HTTP_SILENT] = {"timeout", "silent", "%s went silent: no byte", SILENCE,
                         false},
    [PYR_HTTP_MAXBYTES] = {"limit", "max_bytes", "the answer of %s is larger than",
                           BYTES, false},
    [PYR_HTTP_HEADERS] = {"limit", "headers",
                          "the answer of %s has more headers than can be meant",
                          NOTHING, false},
    [PYR_HTTP_CUTOFF] = {"http", "cut_off", "the answer of %s was cut off", BYTES,
                         false},
    [PYR_HTTP_CUTRESET] = {"http", "cut_off", "the connection to %s broke", BYTES,
                           true},
    [PYR_HTTP_ENCODING] = {"http", "bad_encoding", NULL, NOTHING, false},
    [PYR_HTTP_PROTOCOL] = {"http", "protocol", "%s did not answer in HTTP as it should",
                           DETAIL, false},
    [PYR_HTTP_CAFILE] = {"config", "ca_file",
                         "the CA certificates for %s cannot be read", DETAIL, false},
    [PYR_HTTP_CLIENTCERT] = {"config", "client_cert",
                             "the client certificate for %s cannot be used", DETAIL,
                             false},
    [PYR_HTTP_CANCELLED] = {"cancelled", "cancelled", "cancelled", NOTHING, true},
};

static void setinteger (lua_State *L, const char *name, lua_Integer v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, name);
}

/* Scheme, host and port as they were given, without the path. */
static void pushorigin (lua_State *L, const pyr_address *a) {
  lua_pushlstring(L, a->show, strlen(a->show) - strlen(a->path));
}

/* What is left of a try's time is rarely a round number: four digits say enough. */
static void pushseconds (lua_State *L, const char *word, double seconds) {
  char digits[32];
  snprintf(digits, sizeof digits, "%.4g", seconds);
  lua_pushfstring(L, " %s %s s", word, digits);
}

/* What came of the body before it ended, or how large it may be. */
static void pushbytes (lua_State *L, const pyr_request *r) {
  if (r->failure == PYR_HTTP_MAXBYTES)
    lua_pushfstring(L, " %I bytes", (lua_Integer)r->max_bytes);
  else if (r->expected > r->wire)
    lua_pushfstring(L, " after %I of %I bytes", (lua_Integer)r->wire,
                    (lua_Integer)r->expected);
  else
    lua_pushfstring(L, " after %I bytes", (lua_Integer)r->wire);
}

/* The second half of a message: one string. */
static void pushrest (lua_State *L, const pyr_request *r) {
  switch (told[r->failure].then) {
  case SECONDS:
    pushseconds(L, "within", r->timeout);
    return;
  case CONNECTSECONDS:
    pushseconds(L, "within", r->connect_timeout);
    return;
  case SILENCE:
    pushseconds(L, "for", r->silence);
    return;
  case BYTES:
    pushbytes(L, r);
    return;
  case ELSEWHERE: /* libcurl names the host it tried: another one is a proxy */
    if (r->detail[0] == '\0' || strstr(r->detail, r->address.host) != NULL) break;
    lua_pushfstring(L, " (%s)", r->detail);
    return;
  case DETAIL:
    if (r->detail[0] == '\0') break;
    lua_pushfstring(L, ": %s", r->detail);
    return;
  case NOTHING:
    break;
  }
  lua_pushliteral(L, "");
}

static void pushencoding (lua_State *L, const pyr_request *r, const char *origin) {
  if (r->inflating)
    lua_pushfstring(L, "the answer of %s is not the gzip that it claims to be", origin);
  else
    lua_pushfstring(L, "the answer of %s has a Content-Encoding that was not asked for",
                    origin);
}

void pyr_request_pushfailure (lua_State *L, const pyr_request *r) {
  const char *origin;
  if (r->failure == PYR_HTTP_MEMORY) luaL_error(L, "not enough memory");
  pushorigin(L, &r->address);
  origin = lua_tostring(L, -1);
  if (r->failure == PYR_HTTP_ENCODING)
    pushencoding(L, r, origin);
  else {
    lua_pushfstring(L, told[r->failure].text, origin);
    pushrest(L, r);
    lua_concat(L, 2);
  }
  pyr_lua_fail(L, told[r->failure].kind, lua_tostring(L, -1), told[r->failure].code,
               NULL);
  lua_remove(L, -2); /* the nil */
  lua_pushstring(L, r->address.show);
  lua_setfield(L, -2, "url");
  lua_pushboolean(L, told[r->failure].retryable);
  lua_setfield(L, -2, "retryable");
  if (r->failure == PYR_HTTP_CUTOFF || r->failure == PYR_HTTP_CUTRESET) {
    setinteger(L, "received", (lua_Integer)r->wire);
    if (r->expected >= 0) setinteger(L, "expected", (lua_Integer)r->expected);
  }
  if (r->ca != NULL && (r->failure == PYR_HTTP_TLS || r->failure == PYR_HTTP_CAFILE)) {
    lua_pushstring(L, r->ca);
    lua_setfield(L, -2, "ca");
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Adds one header line to the table on top; lines with the same name are joined. */
static void addheader (lua_State *L, const char *name, size_t n, const char *value,
                       size_t m) {
  luaL_Buffer b;
  char *lower = luaL_buffinitsize(L, &b, n);
  size_t i;
  for (i = 0; i < n; i++)
    lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
  luaL_pushresultsize(&b, n);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushlstring(L, value, m);
  } else {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, value, m);
    lua_concat(L, 3);
  }
  lua_rawset(L, -3);
}

static void pushheaders (lua_State *L, const pyr_buffer *head) {
  const char *line = head->data, *end = line + head->len, *name, *value;
  size_t n, m;
  lua_createtable(L, 0, 8);
  while (line != NULL && line < end) {
    bool status = end - line > 5 && memcmp(line, "HTTP/", 5) == 0;
    if (pyr_head_next(&line, end, &name, &n, &value, &m) && !status)
      addheader(L, name, n, value, m);
  }
}

static const char *versionname (long version) {
  switch (version) {
  case CURL_HTTP_VERSION_1_0:
    return "1.0";
  case CURL_HTTP_VERSION_2_0:
    return "2";
  case CURL_HTTP_VERSION_3:
    return "3";
  default:
    return "1.1";
  }
}

/* The body's bytes move from the request into a userdata that the core can read. */
static void pushbody (lua_State *L, pyr_request *r) {
  pyr_body *b = pyr_lua_new(L, PYR_BODY_T, sizeof *b, 0);
  b->data = r->body.data;
  b->length = r->body.len;
  memset(&r->body, 0, sizeof r->body);
  pyr_lua_weigh(L, b->length);
}

void pyr_request_pushresponse (lua_State *L, pyr_request *r) {
  lua_createtable(L, 0, 9);
  setinteger(L, "status", r->status);
  setinteger(L, "wire", (lua_Integer)r->wire);
  setinteger(L, "connections", r->connections);
  lua_pushnumber(L, r->ended_at - r->sent_at);
  lua_setfield(L, -2, "elapsed");
  lua_pushstring(L, versionname(r->version));
  lua_setfield(L, -2, "version");
  lua_pushstring(L, r->address.show);
  lua_setfield(L, -2, "url");
  if (r->redirect != NULL) {
    lua_pushstring(L, r->redirect);
    lua_setfield(L, -2, "redirect");
  }
  pushheaders(L, &r->head);
  lua_setfield(L, -2, "headers");
  pushbody(L, r);
  lua_setfield(L, -2, "body");
}
