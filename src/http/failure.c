#include <errno.h>
#include <string.h>

#include "http/http.h"

/* Why no connection came about, from the system's error number. */
static pyr_httpfailure noconnection (const pyr_request *r) {
  long number = 0;
  curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &number);
  if (r->unix_socket && number != ECONNREFUSED) return PYR_HTTP_NOSOCKET;
  switch (number) {
  case ECONNREFUSED:
    return PYR_HTTP_REFUSED;
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
  case EHOSTDOWN:
  case EADDRNOTAVAIL:
    return PYR_HTTP_NOROUTE;
  case ETIMEDOUT:
    return PYR_HTTP_CONNECTTIMEOUT;
  case ECONNRESET:
    return PYR_HTTP_RESET;
  default:
    return PYR_HTTP_NETWORK;
  }
}

/* libcurl has one code for all times that are over. Time in its own queue is
   connecting. */
static pyr_httpfailure timedout (const pyr_request *r) {
  curl_off_t connected = 0;
  double left = r->timeout - (r->started_at - r->sent_at);
  curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
  if (connected == 0 && r->connect_timeout < left) return PYR_HTTP_CONNECTTIMEOUT;
  return PYR_HTTP_TOTAL;
}

/*
** The connection broke: whether the server had begun to answer makes the difference.
** Seen as such a break too: a proxy that refuses to connect, and a server that refuses
** a certificate (TLS 1.3 says so after the handshake, with an alert).
*/
static pyr_httpfailure broken (const pyr_request *r) {
  long proxy = 0;
  curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
  if (proxy >= 300 && r->head.len == 0) return PYR_HTTP_PROXY;
  if (strstr(r->detail, "alert") != NULL && r->head.len == 0) return PYR_HTTP_TLS;
  if (strstr(r->detail, "chunk") != NULL) return PYR_HTTP_PROTOCOL;
  return r->head.len == 0 ? PYR_HTTP_RESET : PYR_HTTP_CUTRESET;
}

/* The connection broke in the handshake, or the two sides did not agree. */
static pyr_httpfailure handshake (const pyr_request *r) {
  bool gone = strstr(r->detail, "failure: Connection reset") != NULL ||
              strstr(r->detail, "SYSCALL") != NULL;
  return gone ? PYR_HTTP_RESET : PYR_HTTP_TLS;
}

pyr_httpfailure pyr_http_failure (const pyr_request *r, CURLcode code) {
  switch (code) {
  case CURLE_OK:
    return PYR_HTTP_OK;
  case CURLE_OUT_OF_MEMORY:
    return PYR_HTTP_MEMORY;
  case CURLE_COULDNT_RESOLVE_HOST:
    return PYR_HTTP_DNS;
  case CURLE_COULDNT_RESOLVE_PROXY:
    return PYR_HTTP_PROXYDNS;
  case CURLE_COULDNT_CONNECT:
    return noconnection(r);
  case CURLE_OPERATION_TIMEDOUT:
    return timedout(r);
  case CURLE_PROXY:
    return PYR_HTTP_PROXY;
  case CURLE_PARTIAL_FILE: /* of HTTP/2 also where not even a head has come */
    return r->head.len == 0 ? PYR_HTTP_RESET : PYR_HTTP_CUTOFF;
  case CURLE_GOT_NOTHING:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
    return broken(r);
  case CURLE_BAD_CONTENT_ENCODING:
    return PYR_HTTP_ENCODING;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
    return PYR_HTTP_PROTOCOL;
  case CURLE_SSL_CACERT_BADFILE:
    return PYR_HTTP_CAFILE;
  case CURLE_SSL_CERTPROBLEM:
    return PYR_HTTP_CLIENTCERT;
  case CURLE_SSL_CONNECT_ERROR:
    return handshake(r);
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_CRL_BADFILE:
  case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
  case CURLE_SSL_ENGINE_NOTFOUND:
  case CURLE_SSL_ENGINE_SETFAILED:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_SSL_CLIENTCERT:
    return PYR_HTTP_TLS;
  default:
    return PYR_HTTP_NETWORK;
  }
}
