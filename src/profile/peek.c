#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"
#include "profile/top.h"

/*
** One walk with two counters a function: how often it is on the stack, and how many edges
** between it and the wanted function are. A nested edge is part of the outermost one, so only
** that adds its value.
*/
typedef struct edge {
  int64_t value;
  uint32_t open;
  uint32_t seen;
} edge;

typedef struct opened {
  uint32_t next, end, name;
  uint32_t edge; /* whose edge ends with this node, or UINT32_MAX */
} opened;

typedef struct walker {
  const pyr_profile *p;
  uint32_t target, other;
  bool callers;
  edge *edges; /* by name */
  pyr_edges *d;
  uint32_t open; /* how often the target is on the stack */
  bool found;
} walker;

static uint32_t addedge (walker *w, uint32_t parent, uint32_t name, const pyr_node *n) {
  uint32_t far;
  if (parent == name) return UINT32_MAX;
  if (w->callers)
    far = name == w->target ? parent : UINT32_MAX;
  else
    far = parent == w->target ? name : UINT32_MAX;
  if (far == UINT32_MAX) return UINT32_MAX;
  w->edges[far].seen = 1;
  if (w->edges[far].open++ == 0) w->edges[far].value += n->total;
  return far;
}

static void visit (walker *w, const pyr_node *n, bool leaf, opened *at,
                   const opened *parent, bool top) {
  uint32_t name = w->p->frames[n->frame].name;
  *at = (opened){n->first_child, n[1].first_child, name, UINT32_MAX};
  if (leaf && name == w->other) {
    if (!top && parent->name == w->target && w->open == 1) w->d->cut += n->total;
    at->name = UINT32_MAX;
    return;
  }
  if (name == w->target) {
    w->found = true;
    w->d->of.self += n->self;
    if (w->open++ == 0) w->d->of.total += n->total;
  }
  if (!top)
    at->edge = addedge(w, parent->name, name, n);
  else if (name == w->target)
    w->d->nobody += n->total;
}

static void leave (walker *w, const opened *at) {
  if (at->edge != UINT32_MAX) w->edges[at->edge].open--;
  if (at->name == w->target) w->open--;
}

static void walk (walker *w, opened *stack) {
  const pyr_node *nodes = w->p->nodes;
  opened *top = stack;
  *top = (opened){nodes[0].first_child, nodes[1].first_child, UINT32_MAX, UINT32_MAX};
  for (;;) {
    const pyr_node *n;
    if (top->next == top->end) {
      if (top == stack) return;
      leave(w, top--);
      continue;
    }
    n = nodes + top->next++;
    visit(w, n, n[1].first_child == n->first_child, top + 1, top, top == stack);
    top++;
  }
}

static int compareedges (const void *x, const void *y) {
  const pyr_row *a = x, *b = y;
  if (a->total != b->total) return a->total > b->total ? -1 : 1;
  return pyr_string_compare(a->name, b->name);
}

static pyr_status collect (walker *w, pyr_error *e) {
  pyr_rows *r = &w->d->list;
  uint32_t i, n = 0, *frames;
  for (i = 0; i < w->p->string_count; i++) n += w->edges[i].seen;
  r->rows = malloc(((size_t)n + 1) * sizeof *r->rows);
  if (r->rows == NULL) return pyr_nomemory(e);
  if (pyr_grouping_frames(&r->groups, &frames, e) != PYR_OK) return e->status;
  w->d->of.frame = frames[w->target];
  for (i = 0; i < w->p->string_count; i++) {
    int64_t v = w->edges[i].value;
    if (w->edges[i].seen == 0) continue;
    r->rows[r->count++] = (pyr_row){w->p->strings[i], i, frames[i], v, v};
  }
  free(frames);
  qsort(r->rows, r->count, sizeof *r->rows, compareedges);
  return PYR_OK;
}

static uint32_t findname (const pyr_profile *p, const char *name, size_t length) {
  uint32_t f;
  for (f = 1; f < p->frame_count; f++) {
    const pyr_string *s = p->strings + p->frames[f].name;
    if (s->length == length && memcmp(s->bytes, name, length) == 0)
      return p->frames[f].name;
  }
  return UINT32_MAX;
}

pyr_status pyr_profile_edges (pyr_edges *d, const pyr_profile *p, const char *name,
                              size_t length, bool callers, pyr_error *e) {
  walker w = {.p = p, .callers = callers, .d = d};
  opened *stack = NULL;
  pyr_status status;
  memset(d, 0, sizeof *d);
  w.target = findname(p, name, length);
  w.other = p->cut ? pyr_profile_other_name(p) : UINT32_MAX - 1;
  if (w.target == UINT32_MAX)
    return pyr_fail(e, PYR_ENODATA, "there is no function of that name", PYR_NOWHERE);
  d->of.name = p->strings[w.target];
  d->of.group = w.target;
  status = pyr_grouping_init(&d->list.groups, p, PYR_BY_FUNCTION, e);
  if (status == PYR_OK) {
    w.edges = calloc(p->string_count, sizeof *w.edges);
    stack = malloc(((size_t)p->levels + 1) * sizeof *stack);
    if (w.edges == NULL || stack == NULL) status = pyr_nomemory(e);
  }
  if (status == PYR_OK) {
    walk(&w, stack);
    status = w.found ? collect(&w, e)
                     : pyr_fail(e, PYR_ENODATA, "there is no function of that name",
                                PYR_NOWHERE);
  }
  free(w.edges);
  free(stack);
  if (status != PYR_OK) pyr_rows_free(&d->list);
  return status;
}
