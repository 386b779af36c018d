#ifndef PYR_HTTP_POOL_H
#define PYR_HTTP_POOL_H

#include <curl/curl.h>

#include "base/buffer.h"

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or newer is needed"
#endif

#pragma GCC visibility push(hidden)

/*
** Requests over one multi handle and its connection cache. Nothing here calls back into Lua:
** bytes are collected, with a limit, and looked at between polls. Times are seconds of the
** monotonic clock.
*/
typedef enum pyr_state {
  PYR_QUEUED,
  PYR_RUNNING,
  PYR_DONE,
  PYR_FAILED,
  PYR_CANCELLED
} pyr_state;

typedef struct pyr_request {
  struct pyr_pool *pool;             /* NULL once the pool is closed */
  struct pyr_request *next, *before; /* in the pool's list of what has not ended */
  CURL *easy;
  struct curl_slist *headers;
  pyr_state state;
  CURLcode code;      /* of a failure */
  bool too_large;     /* the body hit its limit */
  bool silent;        /* the answer stopped coming for longer than 'silence' */
  pyr_buffer body, head, sending;
  char *url; /* for messages: without user, password and query */
  size_t max_bytes;
  double queued, deadline; /* deadline 0: none */
  double heard, silence;   /* when the last byte came; how long without one */
  long status;
  long long expected; /* Content-Length, -1: unknown */
  int connected;
  bool plain; /* not compressed: expected says how much will come */
  char message[CURL_ERROR_SIZE];
} pyr_request;

typedef struct pyr_pool {
  CURLM *multi;
  pyr_request *first, *last;
  unsigned running, concurrency;
  CURL *spare[8]; /* easy handles to use again */
  unsigned spares;
  char *ca_path; /* hashed directory of the system, NULL: the library's own default */
} pyr_pool;

double pyr_clock (void);

bool pyr_pool_open (pyr_pool *p, unsigned concurrency, long host_connections);
void pyr_pool_close (pyr_pool *p); /* unfinished requests become PYR_CANCELLED */

/* Adds a request whose easy handle was set up; starts it if there is room. */
void pyr_pool_add (pyr_pool *p, pyr_request *r);

/* An easy handle with everything set that all requests share; NULL without memory. */
CURL *pyr_pool_easy (pyr_pool *p, pyr_request *r);

/*
** Moves everything along, waiting at most 'timeout' seconds for something to happen. 'fds' are
** watched too; their revents are set. Returns the number of requests that ended in this call.
*/
unsigned pyr_pool_poll (pyr_pool *p, double timeout, struct curl_waitfd *fds,
                        unsigned count);

void pyr_request_cancel (pyr_request *r);

/* Frees what the request owns and leaves the pool's list; twice is fine. */
void pyr_request_free (pyr_request *r);

#pragma GCC visibility pop

#endif
