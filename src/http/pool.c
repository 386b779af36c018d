#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/http.h"

double pyr_http_now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void enlist (pyr_requestlist *list, pyr_request *r) {
  r->prev = list->last;
  r->next = NULL;
  if (list->last != NULL)
    list->last->next = r;
  else
    list->first = r;
  list->last = r;
  list->count++;
}

static void unlist (pyr_requestlist *list, pyr_request *r) {
  if (r->prev != NULL)
    r->prev->next = r->next;
  else
    list->first = r->next;
  if (r->next != NULL)
    r->next->prev = r->prev;
  else
    list->last = r->prev;
  r->next = r->prev = NULL;
  list->count--;
}

/*
** TLS may write into a connection that the other side has closed. libcurl is told to
** leave signals alone (it would change them for the whole process), so SIGPIPE is held
** back in this thread, and taken away if it came from here.
*/
typedef struct pipeguard {
  sigset_t before;
  bool pending;
} pipeguard;

static void hold (pipeguard *g) {
#ifndef __APPLE__
  sigset_t set;
  sigpending(&set);
  g->pending = sigismember(&set, SIGPIPE) == 1;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, &g->before);
#else
  (void)g;
#endif
}

static void release (pipeguard *g) {
#ifndef __APPLE__
  if (!g->pending) {
    static const struct timespec none = {0, 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    while (sigtimedwait(&set, NULL, &none) == -1 && errno == EINTR)
      ;
  }
  pthread_sigmask(SIG_SETMASK, &g->before, NULL);
#else
  (void)g;
#endif
}

pyr_status pyr_pool_init (pyr_pool *p, unsigned concurrency, long max_host_connections,
                          pyr_error *e) {
  p->multi = curl_multi_init();
  if (p->multi == NULL) return pyr_nomemory(e);
  p->concurrency = concurrency;
  curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, max_host_connections);
  curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, 2 * max_host_connections);
  curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
  return PYR_OK;
}

/* The easy handle goes back to the spare ones; its connection is the pool's anyway. */
static void giveback (pyr_pool *p, pyr_request *r) {
  if (r->easy == NULL) return;
  if (p->spares < sizeof p->spare / sizeof *p->spare) {
    curl_easy_reset(r->easy);
    p->spare[p->spares++] = r->easy;
  } else
    curl_easy_cleanup(r->easy);
  r->easy = NULL;
  curl_slist_free_all(r->headers);
  r->headers = NULL;
}

static void finish (pyr_pool *p, pyr_request *r, CURLcode code) {
  pyr_request_end(r, code);
  giveback(p, r);
  enlist(&p->finished, r);
}

/* Stops a request of any list, for the reason given. It is in no list then. */
static void stop (pyr_pool *p, pyr_request *r, pyr_httpfailure failure) {
  if (r->state == PYR_REQUEST_RUNNING) {
    pipeguard g;
    hold(&g);
    curl_multi_remove_handle(p->multi, r->easy);
    release(&g);
    unlist(&p->running, r);
  } else if (r->state == PYR_REQUEST_QUEUED)
    unlist(&p->queued, r);
  else {
    unlist(&p->finished, r);
    r->pool = NULL;
    return;
  }
  r->failure = failure;
  pyr_request_end(r, CURLE_OK);
  giveback(p, r);
  r->pool = NULL;
}

void pyr_request_cancel (pyr_request *r) {
  if (r->pool != NULL &&
      (r->state == PYR_REQUEST_RUNNING || r->state == PYR_REQUEST_QUEUED))
    stop(r->pool, r, PYR_HTTP_CANCELLED);
}

void pyr_request_free (pyr_request *r) {
  if (r->pool != NULL) stop(r->pool, r, PYR_HTTP_CANCELLED);
  if (r->easy != NULL) curl_easy_cleanup(r->easy);
  curl_slist_free_all(r->headers);
  pyr_address_free(&r->address);
  pyr_buffer_free(&r->head);
  pyr_buffer_free(&r->body);
  pyr_inflater_free(&r->inflater);
  curl_free(r->redirect);
  free(r->own_ca);
  memset(r, 0, sizeof *r);
}

pyr_status pyr_pool_send (pyr_pool *p, pyr_request *r, const pyr_requestoptions *o,
                          pyr_error *e) {
  if (pyr_request_prepare(p, r, o, e) != PYR_OK) return e->status;
  r->sent_at = r->active_at = pyr_http_now();
  r->state = PYR_REQUEST_QUEUED;
  r->pool = p;
  enlist(&p->queued, r);
  return PYR_OK;
}

/* The time that libcurl may take is what is left of the request's. */
static void start (pyr_pool *p, pyr_request *r, double now) {
  double left = (r->timeout - (now - r->sent_at)) * 1e3;
  curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS,
                   left < 1     ? 1L
                   : left > 1e9 ? 1000000000L
                                : (long)left);
  unlist(&p->queued, r);
  r->started_at = r->active_at = now;
  r->state = PYR_REQUEST_RUNNING;
  if (curl_multi_add_handle(p->multi, r->easy) == CURLM_OK)
    enlist(&p->running, r);
  else {
    r->failure = PYR_HTTP_MEMORY;
    finish(p, r, CURLE_OK);
  }
}

static void fill (pyr_pool *p, double now) {
  while (p->queued.first != NULL && p->running.count < p->concurrency)
    start(p, p->queued.first, now);
}

static void collect (pyr_pool *p) {
  CURLMsg *m;
  int left;
  while ((m = curl_multi_info_read(p->multi, &left)) != NULL) {
    CURLcode code = m->data.result;
    char *private = NULL;
    pyr_request *r;
    if (m->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
    r = (pyr_request *)(void *)private;
    curl_multi_remove_handle(p->multi, r->easy);
    unlist(&p->running, r);
    pyr_request_end(r, code);
    if (pyr_request_again(r)) {
      r->state = PYR_REQUEST_QUEUED;
      enlist(&p->queued, r);
      start(p, r, pyr_http_now());
    } else {
      giveback(p, r);
      enlist(&p->finished, r);
    }
  }
}

/* libcurl watches the total time of what it has; the rest is watched here. */
static void expire (pyr_pool *p, double now) {
  pyr_request *r, *next;
  for (r = p->running.first; r != NULL; r = next) {
    next = r->next;
    if (now - r->active_at >= r->silence && now - r->started_at >= r->connect_timeout) {
      stop(p, r, PYR_HTTP_SILENT);
      r->pool = p;
      enlist(&p->finished, r);
    }
  }
  for (r = p->queued.first; r != NULL; r = next) {
    next = r->next;
    if (now - r->sent_at >= r->timeout) {
      stop(p, r, PYR_HTTP_TOTAL);
      r->pool = p;
      enlist(&p->finished, r);
    }
  }
}

/* When 'expire' has something to do next, in seconds from 'now'. */
static double nextexpiry (const pyr_pool *p, double now, double most) {
  const pyr_request *r;
  for (r = p->running.first; r != NULL; r = r->next) {
    double at = r->active_at + r->silence, connect = r->started_at + r->connect_timeout;
    if (at < connect) at = connect;
    if (at - now < most) most = at - now;
  }
  for (r = p->queued.first; r != NULL; r = r->next)
    if (r->sent_at + r->timeout - now < most) most = r->sent_at + r->timeout - now;
  return most < 0 ? 0 : most;
}

static void forward (pyr_pool *p) {
  pipeguard g;
  int running;
  double now = pyr_http_now();
  fill(p, now);
  hold(&g);
  curl_multi_perform(p->multi, &running);
  release(&g);
  collect(p);
  expire(p, pyr_http_now());
  /* places that are free now are used at once, or the next poll would sleep on them */
  if (p->queued.first != NULL && p->running.count < p->concurrency) {
    fill(p, pyr_http_now());
    hold(&g);
    curl_multi_perform(p->multi, &running);
    release(&g);
    collect(p);
  }
}

/* curl_multi_poll says nothing of a pipe whose writer has gone, so this asks itself. */
static bool ready (struct pollfd *fds, unsigned n) {
  if (n == 0) return false;
  return poll(fds, n, 0) > 0;
}

pyr_status pyr_pool_poll (pyr_pool *p, double seconds, struct pollfd *fds,
                          struct curl_waitfd *waits, unsigned n, pyr_error *e) {
  double until = pyr_http_now() + seconds;
  for (;;) {
    double now, left;
    forward(p);
    if (ready(fds, n) || p->finished.first != NULL) return PYR_OK;
    if (seconds < 0 && n == 0 && p->running.count + p->queued.count == 0) return PYR_OK;
    now = pyr_http_now();
    left = seconds < 0 ? 3600 : until - now;
    if (left <= 0) return PYR_OK;
    left = nextexpiry(p, now, left < 3600 ? left : 3600) * 1e3;
    if (curl_multi_poll(p->multi, waits, n, (int)left + 1, NULL) != CURLM_OK)
      return pyr_nomemory(e);
  }
}

pyr_request *pyr_pool_finished (pyr_pool *p) {
  pyr_request *r = p->finished.first;
  if (r == NULL) return NULL;
  unlist(&p->finished, r);
  r->pool = NULL;
  return r;
}

void pyr_pool_close (pyr_pool *p) {
  pipeguard g;
  if (p->multi == NULL) return;
  while (p->queued.first != NULL)
    stop(p, p->queued.first, PYR_HTTP_CANCELLED);
  while (p->running.first != NULL)
    stop(p, p->running.first, PYR_HTTP_CANCELLED);
  while (p->finished.first != NULL)
    pyr_pool_finished(p);
  hold(&g);
  while (p->spares != 0)
    curl_easy_cleanup(p->spare[--p->spares]);
  curl_multi_cleanup(p->multi);
  release(&g);
  p->multi = NULL;
}
