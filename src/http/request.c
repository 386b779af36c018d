#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/version.h"
#include "http/http.h"

#define HEAD_LIMIT ((size_t)256 << 10)
#define PRESIZE ((size_t)64 << 20)
#define REDIRECTS 5

/* A reason of ours, which libcurl will report as an aborted transfer. */
static size_t give_up (pyr_request *r, pyr_httpfailure failure) {
  if (r->failure == PYR_HTTP_OK) r->failure = failure;
  return 0;
}

/* Every status line begins a new head: after 1xx, after authentication. */
static size_t onhead (char *bytes, size_t size, size_t n, void *data) {
  pyr_request *r = data;
  n *= size;
  r->active_at = pyr_http_now();
  if (n > 5 && memcmp(bytes, "HTTP/", 5) == 0 && !r->begun) r->head.len = 0;
  if (n > HEAD_LIMIT - r->head.len) return give_up(r, PYR_HTTP_HEADERS);
  pyr_buffer_add(&r->head, bytes, n);
  return r->head.status == PYR_OK ? n : give_up(r, PYR_HTTP_MEMORY);
}

static bool is (const char *value, size_t length, const char *word) {
  return length == strlen(word) && curl_strnequal(value, word, length);
}

/* Decides how the body is read, and makes room where its size is known and small
   enough. */
static bool begin (pyr_request *r) {
  const char *value;
  size_t length;
  curl_off_t size;
  r->begun = true;
  if (pyr_head_find(&r->head, "content-encoding", &value, &length) && length != 0 &&
      !is(value, length, "identity")) {
    r->inflating = is(value, length, "gzip") || is(value, length, "x-gzip");
    if (!r->inflating) give_up(r, PYR_HTTP_ENCODING);
    return r->inflating;
  }
  if (curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size) !=
          CURLE_OK ||
      size < 0)
    return true;
  if ((uint64_t)size > r->max_bytes) {
    r->expected = size;
    give_up(r, PYR_HTTP_MAXBYTES);
    return false;
  }
  if ((size_t)size <= PRESIZE) pyr_buffer_room(&r->body, (size_t)size);
  return true;
}

static pyr_status add (pyr_request *r, const char *bytes, size_t n) {
  if (r->inflating)
    return pyr_inflater_add(&r->inflater, &r->body, bytes, n, r->max_bytes);
  if (n > r->max_bytes - r->body.len) return PYR_ELIMIT;
  pyr_buffer_add(&r->body, bytes, n);
  return r->body.status;
}

static size_t onbody (char *bytes, size_t size, size_t n, void *data) {
  pyr_request *r = data;
  pyr_status status;
  n *= size;
  r->active_at = pyr_http_now();
  if (!r->begun && !begin(r)) return 0;
  r->wire += (curl_off_t)n;
  status = add(r, bytes, n);
  r->received = r->body.len;
  if (status == PYR_OK) return n;
  return give_up(r, status == PYR_ELIMIT    ? PYR_HTTP_MAXBYTES
                    : status == PYR_EMEMORY ? PYR_HTTP_MEMORY
                                            : PYR_HTTP_ENCODING);
}

static int onprogress (void *data, curl_off_t total, curl_off_t now, curl_off_t uptotal,
                       curl_off_t upnow) {
  pyr_request *r = data;
  (void)now, (void)uptotal;
  if (total > 0) r->expected = total;
  if (upnow != r->uploaded) {
    r->uploaded = upnow;
    r->active_at = pyr_http_now();
  }
  return 0;
}

/* Children that are started meanwhile must not hold the connections open. */
static curl_socket_t onsocket (void *data, curlsocktype purpose,
                               struct curl_sockaddr *a) {
  (void)data, (void)purpose;
#ifdef SOCK_CLOEXEC
  return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
#else
  curl_socket_t s = socket(a->family, a->socktype, a->protocol);
  if (s != CURL_SOCKET_BAD) fcntl(s, F_SETFD, FD_CLOEXEC);
  return s;
#endif
}

static bool append (pyr_request *r, const char *line) {
  struct curl_slist *list = curl_slist_append(r->headers, line);
  if (list == NULL) return false;
  r->headers = list;
  return true;
}

pyr_status pyr_request_header (pyr_request *r, const char *line, size_t length,
                               pyr_error *e) {
  static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  size_t name = strspn(line, token);
  if (name == 0 || name >= length || line[name] != ':')
    return pyr_fail(e, PYR_EUSAGE, "a header is written 'Name: value'", PYR_NOWHERE);
  if (strlen(line) != length || strpbrk(line, "\r\n") != NULL)
    return pyr_fail(e, PYR_EUSAGE, "a header must not hold a line break", PYR_NOWHERE);
  if (is(line, name, "accept-encoding")) r->accept_encoding = true;
  if (is(line, name, "content-type")) r->content_type = true;
  if (is(line, name, "expect")) r->expect = true;
  return append(r, line) ? PYR_OK : pyr_nomemory(e);
}

static long milliseconds (double seconds) {
  double ms = seconds * 1e3;
  return ms < 1 ? 1 : ms > 1e9 ? 1000000000 : (long)ms;
}

/* Any option that libcurl refuses here is one that it has no memory for. */
#define SET(option, value)                                                             \
  do {                                                                                 \
    if (curl_easy_setopt(r->easy, option, value) != CURLE_OK) return false;            \
  } while (0)

static bool setmethod (pyr_request *r, const pyr_requestoptions *o) {
  const char *method = o->method == NULL ? "GET" : o->method;
  r->nobody = strcmp(method, "HEAD") == 0;
  if (r->nobody)
    SET(CURLOPT_NOBODY, 1L);
  else if (o->body != NULL || strcmp(method, "POST") == 0) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, o->body == NULL ? "" : o->body);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_length);
    if (!r->content_type && !append(r, "Content-Type:")) return false;
    if (strcmp(method, "POST") != 0) SET(CURLOPT_CUSTOMREQUEST, method);
  } else if (strcmp(method, "GET") == 0)
    SET(CURLOPT_HTTPGET, 1L);
  else
    SET(CURLOPT_CUSTOMREQUEST, method);
  r->follow = o->follow && (r->nobody || strcmp(method, "GET") == 0);
  return true;
}

static bool settls (pyr_pool *p, pyr_request *r, const pyr_requestoptions *o) {
  if (!r->address.secure) return true;
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  /* until ALPN has said whether one connection will do; plain HTTP would wait for
     answers */
  SET(CURLOPT_PIPEWAIT, 1L);
  if (o->client_cert != NULL) {
    SET(CURLOPT_SSLCERT, o->client_cert);
    SET(CURLOPT_SSLKEY, o->client_key != NULL ? o->client_key : o->client_cert);
    SET(CURLOPT_KEYPASSWD, ""); /* never ask on the terminal */
  }
  pyr_request_trust(p, r, o->ca_file);
  return true;
}

/* The unix socket speaks for itself; a proxy of the environment has no part in it. */
static bool setroute (pyr_request *r, const pyr_requestoptions *o) {
  r->unix_socket = o->unix_socket != NULL;
  if (r->unix_socket) {
    SET(CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
    SET(CURLOPT_PROXY, "");
  } else if (o->proxy != NULL)
    SET(CURLOPT_PROXY, o->proxy);
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  return true;
}

static bool setheaders (pyr_request *r, const pyr_requestoptions *o) {
  bool compress = o->compress == PYR_COMPRESS_YES;
  if (o->compress == PYR_COMPRESS_AUTO)
    compress = !r->unix_socket && !r->address.loopback;
  /* no libcurl option: this file inflates; and servers want the bare word */
  if (compress && !r->accept_encoding && !append(r, "Accept-Encoding: gzip"))
    return false;
  if (!r->expect && !append(r, "Expect:")) return false;
  SET(CURLOPT_HTTPHEADER, r->headers);
  SET(CURLOPT_USERAGENT, "pscope/" PYR_VERSION);
  if (o->username != NULL || r->address.user != NULL) {
    const char *password = o->username != NULL ? o->password : r->address.password;
    SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    SET(CURLOPT_USERNAME, o->username != NULL ? o->username : r->address.user);
    SET(CURLOPT_PASSWORD, password != NULL ? password : "");
  }
  return true;
}

static bool setcallbacks (pyr_request *r) {
  SET(CURLOPT_PRIVATE, r);
  SET(CURLOPT_ERRORBUFFER, r->detail);
  SET(CURLOPT_HEADERFUNCTION, onhead);
  SET(CURLOPT_HEADERDATA, r);
  SET(CURLOPT_WRITEFUNCTION, onbody);
  SET(CURLOPT_WRITEDATA, r);
  SET(CURLOPT_NOPROGRESS, 0L);
  SET(CURLOPT_XFERINFOFUNCTION, onprogress);
  SET(CURLOPT_XFERINFODATA, r);
  SET(CURLOPT_OPENSOCKETFUNCTION, onsocket);
  return true;
}

static bool setall (pyr_pool *p, pyr_request *r, const pyr_requestoptions *o) {
  SET(CURLOPT_URL, r->address.send);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_TCP_KEEPALIVE, 1L);
  SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(o->connect_timeout));
  return setcallbacks(r) && setmethod(r, o) && setroute(r, o) && setheaders(r, o) &&
         settls(p, r, o);
}

pyr_status pyr_request_prepare (pyr_pool *p, pyr_request *r,
                                const pyr_requestoptions *o, pyr_error *e) {
  if (pyr_address_parse(&r->address, o->url, e) != PYR_OK) return e->status;
  r->easy = p->spares != 0 ? p->spare[--p->spares] : curl_easy_init();
  r->max_bytes = o->max_bytes;
  r->timeout = o->timeout;
  r->connect_timeout = o->connect_timeout;
  r->silence = o->silence;
  r->expected = -1;
  if (r->easy == NULL || !setall(p, r, o)) return pyr_nomemory(e);
  return PYR_OK;
}

/* libcurl quotes addresses in some of its texts: what looks like credentials goes. */
static void scrub (char *text) {
  char *at;
  while ((at = strchr(text, '@')) != NULL) {
    char *from = at;
    while (from > text && strchr(" '\"/", from[-1]) == NULL)
      from--;
    memmove(from, at + 1, strlen(at + 1) + 1);
  }
}

static void facts (pyr_request *r) {
  curl_off_t size = -1;
  char *where = NULL;
  curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
  curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &r->version);
  curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &r->connections);
  if (curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size) ==
          CURLE_OK &&
      size >= 0)
    r->expected = size;
  if (r->status / 100 == 3 &&
      curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &where) == CURLE_OK &&
      where != NULL) {
    pyr_address to = {0};
    pyr_error e;
    if (pyr_address_parse(&to, where, &e) == PYR_OK) {
      r->redirect = to.show;
      to.show = NULL;
      pyr_address_free(&to);
    }
  }
}

void pyr_request_end (pyr_request *r, CURLcode code) {
  r->ended_at = pyr_http_now();
  facts(r);
  if (r->failure == PYR_HTTP_OK) r->failure = pyr_http_failure(r, code);
  if (r->failure == PYR_HTTP_OK && !pyr_inflater_complete(&r->inflater))
    r->failure = PYR_HTTP_CUTOFF;
  if (r->failure == PYR_HTTP_OK && r->body.data == NULL) {
    pyr_buffer_add(&r->body, "", 0);
    if (r->body.status != PYR_OK) r->failure = PYR_HTTP_MEMORY;
  }
  pyr_inflater_free(&r->inflater);
  scrub(r->detail);
  r->state = r->failure == PYR_HTTP_OK          ? PYR_REQUEST_DONE
             : r->failure == PYR_HTTP_CANCELLED ? PYR_REQUEST_CANCELLED
                                                : PYR_REQUEST_FAILED;
}

bool pyr_request_again (pyr_request *r) {
  pyr_address to = {0};
  pyr_error e;
  char *where = NULL;
  if (r->state != PYR_REQUEST_DONE || !r->follow || r->redirects >= REDIRECTS ||
      r->redirect == NULL || r->status == 300 || r->status == 304)
    return false;
  if (curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &where) != CURLE_OK ||
      where == NULL || pyr_address_parse(&to, where, &e) != PYR_OK)
    return false;
  if (!pyr_address_sameorigin(&r->address, &to) ||
      curl_easy_setopt(r->easy, CURLOPT_URL, to.send) != CURLE_OK) {
    pyr_address_free(&to);
    return false;
  }
  pyr_address_free(&r->address);
  r->address = to;
  r->redirects++;
  curl_free(r->redirect);
  r->redirect = NULL;
  r->state = PYR_REQUEST_RUNNING;
  r->head.len = r->body.len = 0;
  r->begun = r->inflating = false;
  r->expected = -1;
  r->wire = 0;
  return true;
}
