#ifndef PYR_HTTP_HTTP_H
#define PYR_HTTP_HTTP_H

#include <curl/curl.h>
#include <poll.h>

#include "base/buffer.h"
#include "http/address.h"
#include "http/inflate.h"

#pragma GCC visibility push(hidden)

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or newer is needed"
#endif

/* Why there is no answer. */
typedef enum pyr_httpfailure {
  PYR_HTTP_OK,
  PYR_HTTP_REFUSED,
  PYR_HTTP_DNS,
  PYR_HTTP_NOROUTE,
  PYR_HTTP_NOSOCKET, /* the unix socket */
  PYR_HTTP_CONNECTTIMEOUT,
  PYR_HTTP_RESET, /* closed before the first byte of an answer */
  PYR_HTTP_TLS,
  PYR_HTTP_PROXYDNS,
  PYR_HTTP_PROXY,
  PYR_HTTP_NETWORK, /* anything else before an answer */
  PYR_HTTP_TOTAL,   /* time-outs */
  PYR_HTTP_SILENT,
  PYR_HTTP_MAXBYTES,
  PYR_HTTP_HEADERS,
  PYR_HTTP_CUTOFF,   /* the body ends early, in good order */
  PYR_HTTP_CUTRESET, /* the same by a reset */
  PYR_HTTP_ENCODING, /* a Content-Encoding that is wrong or was not asked for */
  PYR_HTTP_PROTOCOL,
  PYR_HTTP_CAFILE,
  PYR_HTTP_CLIENTCERT,
  PYR_HTTP_CANCELLED,
  PYR_HTTP_MEMORY
} pyr_httpfailure;

typedef enum pyr_requeststate {
  PYR_REQUEST_NEW, /* only while it is being made */
  PYR_REQUEST_QUEUED,
  PYR_REQUEST_RUNNING,
  PYR_REQUEST_DONE,
  PYR_REQUEST_FAILED,
  PYR_REQUEST_CANCELLED
} pyr_requeststate;

/*
** What a request is made from. libcurl copies all of it but 'body', which must live as
** long as the request. Strings may be NULL; times are in seconds.
*/
typedef struct pyr_requestoptions {
  const char *url, *method;
  const char *body;
  size_t body_length;
  const char *username, *password;
  const char *proxy, *unix_socket;
  const char *ca_file, *client_cert, *client_key;
  size_t max_bytes;
  double timeout, connect_timeout, silence;
  enum { PYR_COMPRESS_AUTO, PYR_COMPRESS_NO, PYR_COMPRESS_YES } compress;
  bool follow;
} pyr_requestoptions;

/*
** One request, its answer as it arrives, and how it ended. Its memory is the caller's
** (all zeros is an unused one) and must not move. 'pool' is set while the request is in
** one of the pool's lists; 'easy' while it is there or running.
*/
typedef struct pyr_request {
  struct pyr_pool *pool;
  struct pyr_request *next, *prev;
  pyr_requeststate state;
  pyr_httpfailure failure;
  CURL *easy;
  struct curl_slist *headers;
  bool accept_encoding, content_type, expect; /* headers that the caller gave */
  pyr_address address;
  bool follow, nobody, unix_socket;
  unsigned redirects;
  size_t max_bytes;
  double sent_at, started_at, ended_at, active_at; /* of pyr_http_now */
  double timeout, connect_timeout, silence;
  /* the answer */
  pyr_buffer head; /* header lines of the newest status line, with their line ends */
  pyr_buffer body;
  pyr_inflater inflater;
  bool begun;      /* the first byte of the body has been looked at */
  bool inflating;  /* the body is gzip */
  size_t received; /* of the body, inflated; stays when the body has been given away */
  curl_off_t wire, expected, uploaded; /* 'expected' -1: not known */
  long status, version, connections;
  char *redirect; /* where a 3xx leads, to be shown; curl_free */
  const char *ca; /* what TLS was checked against; constant or the pool's or 'own_ca' */
  char *own_ca;
  char detail[CURL_ERROR_SIZE]; /* libcurl's own words, without anything secret */
} pyr_request;

/*
** Requests in flight on one multi handle and its connections. All zeros and
** pyr_pool_init make one; 'multi' NULL: closed. Lists are in order of arrival.
*/
typedef struct pyr_requestlist {
  pyr_request *first, *last;
  unsigned count;
} pyr_requestlist;

typedef struct pyr_pool {
  CURLM *multi;
  unsigned concurrency;
  pyr_requestlist queued, running, finished;
  CURL *spare[16]; /* easy handles to use again */
  unsigned spares;
  int hashed;         /* the CA directory has hash links: -1 no, 0 not looked, 1 yes */
  const char *cainfo; /* libcurl's defaults, constant */
  const char *capath;
} pyr_pool;

/* Seconds of a clock that never steps back. */
double pyr_http_now (void);

pyr_status pyr_pool_init (pyr_pool *p, unsigned concurrency, long max_host_connections,
                          pyr_error *e);

/* Cancels every request and closes every connection; twice is fine. */
void pyr_pool_close (pyr_pool *p);

/*
** Adds a header line to a new request. PYR_EUSAGE: it is not "Name: value", or it would
** break the line.
*/
pyr_status pyr_request_header (pyr_request *r, const char *line, size_t length,
                               pyr_error *e);

/*
** Makes a new request ready and puts it into the queue. PYR_EUSAGE: the URL cannot be
** used. After a failure the request is good for pyr_request_free only.
*/
pyr_status pyr_pool_send (pyr_pool *p, pyr_request *r, const pyr_requestoptions *o,
                          pyr_error *e);

/*
** Moves everything forward until a request has finished, one of 'fds' is ready, or
** 'seconds' are over (negative: until nothing is in flight). 'fds' and 'waits' describe
** the same 'n' descriptors; 'revents' of 'fds' is the result.
*/
pyr_status pyr_pool_poll (pyr_pool *p, double seconds, struct pollfd *fds,
                          struct curl_waitfd *waits, unsigned n, pyr_error *e);

/* The next finished request, taken out of the pool; NULL when there is none. */
pyr_request *pyr_pool_finished (pyr_pool *p);

/* Ends a request that is queued or running; its pool knows it no more. */
void pyr_request_cancel (pyr_request *r);

/* Frees what the request owns, wherever it is; all zeros after it. */
void pyr_request_free (pyr_request *r);

/* Finds the value of a header line in 'head'; false when it is not there. */
bool pyr_head_find (const pyr_buffer *head, const char *name, const char **value,
                    size_t *length);

/* Takes 'line' (up to 'end') apart; false for lines that are no header. Advances
   'line'. */
bool pyr_head_next (const char **line, const char *end, const char **name,
                    size_t *name_length, const char **value, size_t *value_length);

/* -- between the files of this folder -- */

/* Options and callbacks for libcurl. */
pyr_status pyr_request_prepare (pyr_pool *p, pyr_request *r,
                                const pyr_requestoptions *o, pyr_error *e);

/* libcurl is through with 'r': fills state, failure and the facts of the answer. */
void pyr_request_end (pyr_request *r, CURLcode code);

/* Where 'r' is to go instead, because of a redirect that may be followed: then it has
   been made ready to run again. */
bool pyr_request_again (pyr_request *r);

pyr_httpfailure pyr_http_failure (const pyr_request *r, CURLcode code);

/* What CA certificates are taken from. */
void pyr_request_trust (pyr_pool *p, pyr_request *r, const char *ca_file);

#pragma GCC visibility pop

#endif
