#include "http/address.h"

#include <curl/curl.h>
#include <string.h>

void pyr_address_free (pyr_address *a) {
  curl_free(a->send);
  curl_free(a->show);
  curl_free(a->scheme);
  curl_free(a->host);
  curl_free(a->port);
  curl_free(a->path);
  curl_free(a->query);
  curl_free(a->user);
  curl_free(a->password);
  memset(a, 0, sizeof *a);
}

static const char *reason (CURLUcode code) {
  switch (code) {
  case CURLUE_UNSUPPORTED_SCHEME:
    return "only http:// and https:// are spoken";
  case CURLUE_BAD_SCHEME:
    return "an address begins with http:// or https://";
  case CURLUE_NO_HOST:
    return "it has no host";
  case CURLUE_BAD_PORT_NUMBER:
    return "its port is not a number from 0 to 65535";
#if LIBCURL_VERSION_NUM >= 0x075100
  case CURLUE_BAD_HOSTNAME:
    return "its host name has a character that none may have";
  case CURLUE_BAD_IPV6:
    return "its IPv6 address is not one";
#endif
  default:
    return "it is not a valid URL";
  }
}

/* Four numbers of which the first is 127: libcurl has brought other spellings into
   this. */
static bool loopback (const char *host) {
  size_t n = strlen(host);
  static const char name[] = "localhost";
  size_t m = sizeof name - 1;
  if (strcmp(host, "[::1]") == 0) return true;
  if (n >= m && curl_strequal(host + n - m, name) && (n == m || host[n - m - 1] == '.'))
    return true;
  return strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == '\0';
}

/* The parts that may be missing are those whose code is not CURLUE_OK. */
static CURLUcode take (pyr_address *a, CURLU *u) {
  CURLUcode code = curl_url_get(u, CURLUPART_SCHEME, &a->scheme, 0);
  if (code == CURLUE_OK) code = curl_url_get(u, CURLUPART_HOST, &a->host, 0);
  if (code == CURLUE_OK)
    code = curl_url_get(u, CURLUPART_PORT, &a->port, CURLU_DEFAULT_PORT);
  if (code == CURLUE_OK) code = curl_url_get(u, CURLUPART_PATH, &a->path, 0);
  if (code != CURLUE_OK) return code;
  curl_url_get(u, CURLUPART_QUERY, &a->query, 0);
  code = curl_url_get(u, CURLUPART_USER, &a->user, CURLU_URLDECODE);
  if (code != CURLUE_OK && code != CURLUE_NO_USER) return code;
  code = curl_url_get(u, CURLUPART_PASSWORD, &a->password, CURLU_URLDECODE);
  if (code != CURLUE_OK && code != CURLUE_NO_PASSWORD) return code;
  curl_url_set(u, CURLUPART_USER, NULL, 0);
  curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
  curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
  code = curl_url_get(u, CURLUPART_URL, &a->send, 0);
  if (code != CURLUE_OK) return code;
  curl_url_set(u, CURLUPART_QUERY, NULL, 0);
  return curl_url_get(u, CURLUPART_URL, &a->show, 0);
}

pyr_status pyr_address_parse (pyr_address *a, const char *text, pyr_error *e) {
  CURLU *u = curl_url();
  CURLUcode code;
  if (u == NULL) return pyr_nomemory(e);
  code = curl_url_set(u, CURLUPART_URL, text, 0);
  if (code == CURLUE_OK) code = take(a, u);
  curl_url_cleanup(u);
  if (code == CURLUE_OK && strcmp(a->scheme, "http") != 0 &&
      strcmp(a->scheme, "https") != 0)
    code = CURLUE_UNSUPPORTED_SCHEME;
  if (code == CURLUE_UNSUPPORTED_SCHEME && strstr(text, "://") == NULL)
    code = CURLUE_BAD_SCHEME; /* "localhost:4040" */
  if (code != CURLUE_OK) {
    pyr_address_free(a);
    if (code == CURLUE_OUT_OF_MEMORY) return pyr_nomemory(e);
    return pyr_fail(e, PYR_EUSAGE, reason(code), PYR_NOWHERE);
  }
  a->secure = strcmp(a->scheme, "https") == 0;
  a->loopback = loopback(a->host);
  return PYR_OK;
}

bool pyr_address_sameorigin (const pyr_address *a, const pyr_address *b) {
  return strcmp(a->scheme, b->scheme) == 0 && curl_strequal(a->host, b->host) &&
         strcmp(a->port, b->port) == 0;
}
