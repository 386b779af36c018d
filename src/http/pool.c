#include "http/pool.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

double pyr_clock (void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
** Parsing the whole bundle of CAs takes OpenSSL 20 ms for every new connection; a directory
** with hash links is looked into for the one certificate that is needed.
*/
static char *hasheddirectory (void) {
  static const char path[] = "/etc/ssl/certs";
  DIR *d = opendir(path);
  struct dirent *entry;
  bool found = false;
  if (d == NULL) return NULL;
  while (!found && (entry = readdir(d)) != NULL) {
    const char *n = entry->d_name;
    found = strlen(n) == 10 && strspn(n, "0123456789abcdef") == 8 && n[8] == '.' &&
            n[9] == '0';
  }
  closedir(d);
  return found ? strdup(path) : NULL;
}

bool pyr_pool_open (pyr_pool *p, unsigned concurrency, long host_connections) {
  memset(p, 0, sizeof *p);
  p->concurrency = concurrency;
  p->multi = curl_multi_init();
  if (p->multi == NULL) return false;
  curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, host_connections);
  curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, host_connections);
  curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  p->ca_path = hasheddirectory();
  return true;
}

static void unlinkrequest (pyr_request *r) {
  pyr_pool *p = r->pool;
  if (p == NULL) return;
  if (r->before != NULL)
    r->before->next = r->next;
  else
    p->first = r->next;
  if (r->next != NULL)
    r->next->before = r->before;
  else
    p->last = r->before;
  r->next = r->before = NULL;
  r->pool = NULL;
}

/* Takes the easy handle off and keeps it for the next request. */
static void endeasy (pyr_request *r) {
  pyr_pool *p = r->pool;
  if (r->easy == NULL) return;
  if (r->state == PYR_RUNNING) {
    curl_multi_remove_handle(p->multi, r->easy);
    p->running--;
  }
  if (p->spares < sizeof p->spare / sizeof *p->spare)
    p->spare[p->spares++] = r->easy;
  else
    curl_easy_cleanup(r->easy);
  r->easy = NULL;
}

static void end (pyr_request *r, pyr_state state) {
  endeasy(r);
  r->state = state;
  unlinkrequest(r);
  curl_slist_free_all(r->headers);
  r->headers = NULL;
  pyr_buffer_free(&r->sending);
}

void pyr_request_cancel (pyr_request *r) {
  if (r->state == PYR_QUEUED || r->state == PYR_RUNNING) end(r, PYR_CANCELLED);
}

void pyr_request_free (pyr_request *r) {
  pyr_request_cancel(r);
  pyr_buffer_free(&r->body);
  pyr_buffer_free(&r->head);
  pyr_buffer_free(&r->sending);
  curl_slist_free_all(r->headers);
  r->headers = NULL;
  free(r->url);
  r->url = NULL;
}

void pyr_pool_close (pyr_pool *p) {
  if (p->multi == NULL) return;
  while (p->first != NULL) end(p->first, PYR_CANCELLED);
  while (p->spares > 0) curl_easy_cleanup(p->spare[--p->spares]);
  curl_multi_cleanup(p->multi);
  free(p->ca_path);
  memset(p, 0, sizeof *p);
}

static size_t onbody (char *bytes, size_t size, size_t count, void *user) {
  pyr_request *r = user;
  size_t n = size * count;
  r->heard = pyr_clock();
  if (r->body.len + n > r->max_bytes) {
    r->too_large = true;
    return 0;
  }
  if (r->body.data == NULL && r->plain && r->expected > 0 &&
      (unsigned long long)r->expected <= r->max_bytes && r->expected < (64 << 20))
    pyr_buffer_room(&r->body, (size_t)r->expected);
  pyr_buffer_add(&r->body, bytes, n);
  return r->body.status == PYR_OK ? n : 0;
}

#define HEAD_MAX ((size_t)256 << 10)

static size_t onheader (char *bytes, size_t size, size_t count, void *user) {
  pyr_request *r = user;
  size_t n = size * count;
  r->heard = pyr_clock();
  if (n > 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* also after a redirect or a 100 */
    r->head.len = 0;
    r->expected = -1;
    r->plain = true;
  }
  if (n > 15 && strncasecmp(bytes, "content-length:", 15) == 0)
    r->expected = strtoll(bytes + 15, NULL, 10);
  if (n > 17 && strncasecmp(bytes, "content-encoding:", 17) == 0) r->plain = false;
  if (r->head.len + n > HEAD_MAX) {
    r->too_large = true;
    return 0;
  }
  pyr_buffer_add(&r->head, bytes, n);
  return r->head.status == PYR_OK ? n : 0;
}

CURL *pyr_pool_easy (pyr_pool *p, pyr_request *r) {
  CURL *c = p->spares > 0 ? p->spare[--p->spares] : curl_easy_init();
  if (c == NULL) return NULL;
  curl_easy_reset(c); /* keeps connections, sessions and names */
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->message);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, onbody);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, onheader);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
  curl_easy_setopt(c, CURLOPT_PRIVATE, r);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  if (p->ca_path != NULL) {
    curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(c, CURLOPT_CAPATH, p->ca_path);
  } else
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL); /* so that libcurl may keep the parsed file */
  return c;
}

static void start (pyr_pool *p, pyr_request *r) {
  r->heard = pyr_clock();
  if (curl_multi_add_handle(p->multi, r->easy) == CURLM_OK) {
    r->state = PYR_RUNNING;
    p->running++;
  } else {
    r->code = CURLE_FAILED_INIT;
    end(r, PYR_FAILED);
  }
}

void pyr_pool_add (pyr_pool *p, pyr_request *r) {
  r->pool = p;
  r->state = PYR_QUEUED;
  r->before = p->last;
  r->next = NULL;
  if (p->last != NULL)
    p->last->next = r;
  else
    p->first = r;
  p->last = r;
  if (p->running < p->concurrency) start(p, r);
}

static unsigned finished (pyr_pool *p) {
  CURLMsg *m;
  int left;
  unsigned n = 0;
  while ((m = curl_multi_info_read(p->multi, &left)) != NULL) {
    pyr_request *r = NULL;
    if (m->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
    curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &r->status);
    r->code = m->data.result;
    end(r, r->code == CURLE_OK ? PYR_DONE : PYR_FAILED);
    n++;
  }
  return n;
}

/* Ends what is too late; returns how many, and when the next one will be. */
static unsigned expire (pyr_pool *p, double now, double *soonest) {
  pyr_request *r = p->first, *next;
  unsigned n = 0;
  for (; r != NULL; r = next) {
    bool late = r->deadline != 0 && now >= r->deadline;
    bool silent = r->state == PYR_RUNNING && r->silence > 0 && now - r->heard >= r->silence;
    next = r->next;
    if (late || silent) {
      r->code = CURLE_OPERATION_TIMEDOUT;
      r->silent = silent && !late;
      if (r->state == PYR_RUNNING) {
        double spent = 0;
        curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
        curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME, &spent);
        r->connected = spent > 0;
      }
      end(r, PYR_FAILED);
      n++;
      continue;
    }
    if (r->deadline != 0 && r->deadline < *soonest) *soonest = r->deadline;
    if (r->state == PYR_RUNNING && r->silence > 0 && r->heard + r->silence < *soonest)
      *soonest = r->heard + r->silence;
  }
  return n;
}

static void startmore (pyr_pool *p) {
  pyr_request *r = p->first, *next;
  for (; r != NULL && p->running < p->concurrency; r = next) {
    next = r->next;
    if (r->state == PYR_QUEUED) start(p, r);
  }
}

unsigned pyr_pool_poll (pyr_pool *p, double timeout, struct curl_waitfd *fds,
                        unsigned count) {
  double now = pyr_clock(), until = now + timeout;
  for (;;) {
    double soonest = until;
    int running;
    unsigned n, i;
    startmore(p);
    curl_multi_perform(p->multi, &running);
    n = finished(p);
    startmore(p);
    now = pyr_clock();
    n += expire(p, now, &soonest);
    if (n != 0 || now >= until || (p->first == NULL && count == 0)) return n;
    curl_multi_poll(p->multi, fds, count, (int)((soonest - now) * 1000) + 1, NULL);
    for (i = 0; i < count; i++)
      if (fds[i].revents != 0) return 0;
  }
}
