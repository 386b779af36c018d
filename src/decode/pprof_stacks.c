#include <stdlib.h>
#include <string.h>

#include "decode/pprof.h"

/*
** Samples to stacks. What a location stands for is found once: 'frames' has the builder's frame
** of every line, 'bare' that of a location without lines. 'path' and 'nodes' are the stack
** before, root first, whose beginning the next one usually shares.
*/
typedef struct walker {
  const pyr_pprof *h;
  pyr_pprofselection *s;
  pyr_stacks *b;
  pyr_error *e;
  uint32_t *names;         /* [string_count] id in the builder + 1, 0: not yet */
  uint32_t *frames;        /* [line_count] */
  uint32_t *bare;          /* [location_count] frame of an address, or UINT32_MAX */
  bool *known;             /* [location_count] */
  int64_t *selfs, *totals; /* [line_count] weights */
  uint32_t *locations;     /* [depth] of one sample */
  uint32_t *path, *nodes, *stack;
  uint32_t path_depth, path_cap;
} walker;

static pyr_status name (walker *w, uint32_t string, uint32_t *id) {
  if (w->names[string] == 0) {
    const pyr_string *s = w->h->strings + string;
    if (pyr_names_intern(&w->b->names, s->bytes, s->length, id) != PYR_OK)
      return pyr_nomemory(w->e);
    w->names[string] = *id + 1;
  }
  *id = w->names[string] - 1;
  return PYR_OK;
}

static pyr_status addressframe (walker *w, const pyr_pproflocation *l, uint32_t object,
                                uint32_t *frame) {
  char text[24];
  uint32_t id, n = 0;
  uint64_t a = l->address;
  char digits[16];
  do {
    digits[n++] = "0123456789abcdef"[a & 15];
    a >>= 4;
  } while (a != 0);
  text[0] = '0';
  text[1] = 'x';
  for (id = 0; id < n; id++) text[2 + id] = digits[n - 1 - id];
  if (pyr_names_intern(&w->b->names, text, n + 2, &id) != PYR_OK) return pyr_nomemory(w->e);
  return pyr_stacks_frame(w->b, id, 0, object, 0, 0, frame, w->e);
}

/* Finds the frames of a location. */
static pyr_status learn (walker *w, uint32_t location) {
  const pyr_pproflocation *l = w->h->locations + location;
  uint32_t object = 0, i;
  if (l->mapping != UINT32_MAX &&
      name(w, w->h->mappings[l->mapping], &object) != PYR_OK)
    return w->e->status;
  w->bare[location] = UINT32_MAX;
  if (l[1].first_line == l->first_line && !w->s->named_only &&
      addressframe(w, l, object, w->bare + location) != PYR_OK)
    return w->e->status;
  for (i = l->first_line; i < l[1].first_line; i++) {
    const pyr_pproffunction *f = w->h->functions + w->h->lines[i].function;
    uint32_t function, file;
    if (name(w, f->name, &function) != PYR_OK || name(w, f->file, &file) != PYR_OK)
      return w->e->status;
    if (pyr_stacks_frame(w->b, function, file, object, w->h->lines[i].line, f->start_line,
                         w->frames + i, w->e) != PYR_OK)
      return w->e->status;
  }
  w->known[location] = true;
  return PYR_OK;
}

static int64_t saturated (int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static bool growpath (walker *w, uint32_t wanted) {
  uint32_t cap = wanted * 2;
  uint32_t *path, *nodes, *stack;
  if (wanted <= w->path_cap) return true;
  path = realloc(w->path, cap * sizeof *path);
  if (path != NULL) w->path = path;
  nodes = realloc(w->nodes, cap * sizeof *nodes);
  if (nodes != NULL) w->nodes = nodes;
  stack = realloc(w->stack, cap * sizeof *stack);
  if (stack != NULL) w->stack = stack;
  if (path == NULL || nodes == NULL || stack == NULL) return false;
  w->path_cap = cap;
  return true;
}

/* The frames of the sample in w->locations, root first, go to w->stack. */
static pyr_status frames (walker *w, uint32_t depth, int64_t value, uint32_t *count) {
  uint32_t n = 0, i, line;
  for (i = depth; i-- > 0;) {
    uint32_t location = w->locations[i];
    const pyr_pproflocation *l = w->h->locations + location;
    if (!w->known[location] && learn(w, location) != PYR_OK) return w->e->status;
    if (!growpath(w, n + 1 + (l[1].first_line - l->first_line))) return pyr_nomemory(w->e);
    if (w->bare[location] != UINT32_MAX) w->stack[n++] = w->bare[location];
    for (line = l[1].first_line; line-- > l->first_line;) {
      w->totals[line] = saturated(w->totals[line], value);
      w->stack[n++] = w->frames[line];
    }
  }
  if (depth != 0) {
    const pyr_pproflocation *leaf = w->h->locations + w->locations[0];
    if (leaf[1].first_line != leaf->first_line)
      w->selfs[leaf->first_line] = saturated(w->selfs[leaf->first_line], value);
  }
  *count = n;
  return PYR_OK;
}

static bool beginsat (const walker *w, uint32_t count) {
  uint32_t i;
  if (count < w->s->call_site_depth) return false;
  for (i = 0; i < w->s->call_site_depth; i++) {
    const pyr_string *s = w->b->names.strings + w->b->frames[w->stack[i]].name;
    if (pyr_string_compare(*s, w->s->call_site[i]) != 0) return false;
  }
  return true;
}

static pyr_status add (walker *w, uint32_t count, int64_t value) {
  uint32_t shared = 0, node = 0, i;
  while (shared < count && shared < w->path_depth && w->path[shared] == w->stack[shared])
    shared++;
  if (shared != 0) node = w->nodes[shared - 1];
  for (i = shared; i < count; i++) {
    if (pyr_stacks_child(w->b, node, w->stack[i], &node, w->e) != PYR_OK)
      return w->e->status;
    w->path[i] = w->stack[i];
    w->nodes[i] = node;
  }
  w->path_depth = count;
  return pyr_stacks_add(w->b, node, value, w->e);
}

/* True if the sample has an id label whose lower-case value is in the set. */
static bool hasid (const walker *w, uint32_t i, const pyr_names *wanted, uint32_t key,
                   uint32_t other) {
  const uint8_t *place = NULL;
  pyr_pproflabel l;
  while (pyr_pprof_label(w->h, i, &place, &l)) {
    const pyr_string *v = w->h->strings + l.value;
    char text[64];
    uint32_t k;
    if (l.value == 0 || (l.key != key && l.key != other) || l.key == 0) continue;
    if (v->length > sizeof text) continue;
    for (k = 0; k < v->length; k++) {
      char c = v->bytes[k];
      text[k] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    if (pyr_names_find(wanted, text, v->length) != UINT32_MAX) return true;
  }
  return false;
}

static bool wanted (const walker *w, uint32_t i) {
  const pyr_pprof *h = w->h;
  const pyr_pprofselection *s = w->s;
  if (s->sets != NULL && !s->sets[h->sample_sets == NULL ? 0 : h->sample_sets[i]])
    return false;
  if (s->spans != NULL && !hasid(w, i, s->spans, h->span_key[0], h->span_key[1]))
    return false;
  return s->traces == NULL || hasid(w, i, s->traces, h->trace_key, 0);
}

static pyr_status walk (walker *w) {
  uint32_t i, depth, count = 0, line;
  for (i = 0; i < w->h->sample_count; i++) {
    int64_t value;
    if (!wanted(w, i)) continue;
    value = pyr_pprof_sample(w->h, i, w->s->type, w->locations, &depth);
    if (value < 0 || (w->s->named_only && pyr_pprof_negative(w->h, i))) {
      w->s->negative++;
      continue;
    }
    if (value == 0) continue;
    if (frames(w, depth, value, &count) != PYR_OK) return w->e->status;
    if (w->s->call_site_depth != 0 && !beginsat(w, count)) continue;
    w->s->count++;
    if (count == 0 && w->s->named_only) continue;
    if (add(w, count, value) != PYR_OK) return w->e->status;
  }
  for (i = 0; i < w->h->location_count; i++) {
    if (!w->known[i]) continue;
    for (line = w->h->locations[i].first_line; line < w->h->locations[i + 1].first_line;
         line++)
      if (w->totals[line] != 0 &&
          pyr_stacks_weigh(w->b, w->frames[line], w->h->lines[line].line, w->selfs[line],
                           w->totals[line], w->e) != PYR_OK)
        return w->e->status;
  }
  return PYR_OK;
}

pyr_status pyr_pprof_stacks (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                             pyr_error *e) {
  walker w;
  memset(&w, 0, sizeof w);
  w.h = h;
  w.s = s;
  w.b = b;
  w.e = e;
  e->status = PYR_OK;
  s->count = s->negative = 0;
  w.names = calloc(h->string_count + 1u, sizeof *w.names);
  w.frames = malloc((h->line_count + 1u) * sizeof *w.frames);
  w.bare = malloc((h->location_count + 1u) * sizeof *w.bare);
  w.known = calloc(h->location_count + 1u, sizeof *w.known);
  w.selfs = calloc(h->line_count + 1u, sizeof *w.selfs);
  w.totals = calloc(h->line_count + 1u, sizeof *w.totals);
  w.locations = malloc((h->depth + 1u) * sizeof *w.locations);
  if (!w.names || !w.frames || !w.bare || !w.known || !w.selfs || !w.totals ||
      !w.locations || !growpath(&w, 64))
    pyr_nomemory(e);
  else
    walk(&w);
  free(w.names);
  free(w.frames);
  free(w.bare);
  free(w.known);
  free(w.selfs);
  free(w.totals);
  free(w.locations);
  free(w.path);
  free(w.nodes);
  free(w.stack);
  return e->status;
}
