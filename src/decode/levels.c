#include "decode/levels.h"

#include <stdlib.h>
#include <string.h>

void pyr_levels_init (pyr_levels *b, pyr_union *u, unsigned arity) {
  memset(b, 0, sizeof *b);
  memset(u, 0, sizeof *u);
  b->u = u;
  b->arity = arity;
  u->k = 2;
  u->tree.cut = true;
}

void pyr_levels_free (pyr_levels *b) {
  free(b->edges[0]);
  free(b->edges[1]);
  memset(b->edges, 0, sizeof b->edges);
}

static pyr_status grownodes (pyr_levels *b, pyr_error *e) {
  uint32_t cap = b->cap == 0 ? 256 : b->cap * 2;
  pyr_node *nodes;
  if (b->cap > PYR_NODES_MAX / 2)
    return pyr_fail(e, PYR_ELIMIT, "more nodes than a profile can hold", PYR_NOWHERE);
  nodes = realloc(b->u->tree.nodes, ((size_t)cap + 1) * sizeof *nodes);
  if (nodes == NULL) return pyr_nomemory(e);
  b->u->tree.nodes = nodes;
  if (b->arity == 7) {
    int64_t *selfs = realloc(b->u->selfs, (size_t)cap * 2 * sizeof *selfs), *totals;
    if (selfs == NULL) return pyr_nomemory(e);
    b->u->selfs = selfs;
    totals = realloc(b->u->totals, (size_t)cap * 2 * sizeof *totals);
    if (totals == NULL) return pyr_nomemory(e);
    b->u->totals = totals;
  }
  b->cap = cap;
  return PYR_OK;
}

pyr_status pyr_levels_begin (pyr_levels *b, pyr_error *e) {
  int64_t *edges = b->edges[0];
  uint32_t cap = b->edge_cap[0];
  (void)e;
  b->edges[0] = b->edges[1];
  b->edge_cap[0] = b->edge_cap[1];
  b->edges[1] = edges;
  b->edge_cap[1] = cap;
  b->above = b->unset = b->parent = b->start;
  b->start = b->u->tree.count;
  b->end[0] = b->end[1] = 0;
  b->filled = 0;
  return PYR_OK;
}

/* One side of a tuple: moves its right edge, returns the left one through 'x'. */
static const char *side (pyr_levels *b, unsigned s, int64_t *x) {
  const int64_t *t = b->tuple + 3 * s;
  if (t[0] < 0 || t[1] < 0 || t[2] < 0) return "negative number in a level";
  if (t[2] > t[1]) return "self value larger than the total";
  if (__builtin_add_overflow(b->end[s], t[0], x) ||
      __builtin_add_overflow(*x, t[1], b->end + s))
    return "position exceeds 64 bits";
  return NULL;
}

static pyr_status keepedge (pyr_levels *b, uint32_t at, int64_t x, pyr_error *e) {
  if (at == b->edge_cap[1]) {
    uint32_t cap = at == 0 ? 64 : at * 2;
    int64_t *edges = realloc(b->edges[1], (size_t)cap * sizeof *edges);
    if (edges == NULL) return pyr_nomemory(e);
    b->edges[1] = edges;
    b->edge_cap[1] = cap;
  }
  b->edges[1][at] = x;
  return PYR_OK;
}

pyr_status pyr_levels_node (pyr_levels *b, size_t where, pyr_error *e) {
  pyr_profile *p = &b->u->tree;
  int64_t x[2] = {0, 0}, name = b->tuple[b->arity - 1], self, total, left;
  uint32_t i = p->count;
  const char *wrong = side(b, 0, x);
  if (wrong == NULL && b->arity == 7) wrong = side(b, 1, x + 1);
  if (wrong == NULL && (name < 0 || name > UINT32_MAX - 1)) wrong = "name index out of range";
  if (wrong == NULL && p->levels == 0 && i != 0) wrong = "more than one root";
  self = b->tuple[2];
  total = b->tuple[1];
  if (b->arity == 7 && wrong == NULL &&
      (__builtin_add_overflow(total, b->tuple[4], &total) ||
       __builtin_add_overflow(self, b->tuple[5], &self)))
    wrong = "total exceeds 64 bits";
  if (wrong == NULL && __builtin_add_overflow(x[0], x[1], &left))
    wrong = "position exceeds 64 bits";
  if (wrong != NULL) return pyr_fail(e, PYR_EDECODE, wrong, where);
  b->filled = 0;
  if (i == b->cap && grownodes(b, e) != PYR_OK) return e->status;
  if (keepedge(b, i - b->start, left, e) != PYR_OK) return e->status;
  if (p->levels != 0) {
    while (b->parent + 1 < b->start && b->edges[0][b->parent + 1 - b->above] <= left)
      b->parent++;
    for (; b->unset <= b->parent; b->unset++) p->nodes[b->unset].first_child = i;
  }
  p->nodes[i] = (pyr_node){self, total, (uint32_t)name, p->levels == 0 ? 0 : b->parent, 0,
                           p->levels};
  if (b->arity == 7) {
    b->u->selfs[2 * (size_t)i] = b->tuple[2];
    b->u->selfs[2 * (size_t)i + 1] = b->tuple[5];
    b->u->totals[2 * (size_t)i] = b->tuple[1];
    b->u->totals[2 * (size_t)i + 1] = b->tuple[4];
  }
  p->count++;
  return PYR_OK;
}

pyr_status pyr_levels_end (pyr_levels *b, size_t where, pyr_error *e) {
  pyr_profile *p = &b->u->tree;
  if (b->filled != 0)
    return pyr_fail(e, PYR_EDECODE, "a level ends inside a node", where);
  if (p->count == b->start) { /* no node, so none below either */
    b->start = b->above;
    if (p->levels == 0) return pyr_fail(e, PYR_EDECODE, "the first level is empty", where);
    /* the level above stays open as the last one; a later level with nodes has no parent */
    p->levels |= UINT32_C(0x80000000);
    return PYR_OK;
  }
  if (p->levels & UINT32_C(0x80000000))
    return pyr_fail(e, PYR_EDECODE, "nodes below an empty level", where);
  if (p->levels != 0)
    for (; b->unset < b->start; b->unset++) p->nodes[b->unset].first_child = p->count;
  p->levels++;
  return PYR_OK;
}

/* Totals must be what selfs and children make of them, on every side. */
static pyr_status checktotals (const pyr_levels *b, size_t where, pyr_error *e) {
  const pyr_profile *p = &b->u->tree;
  uint32_t i, c, s, sides = b->arity == 7 ? 2 : 1;
  for (i = 0; i < p->count; i++)
    for (s = 0; s < sides; s++) {
      int64_t sum = sides == 1 ? p->nodes[i].self : b->u->selfs[2 * (size_t)i + s];
      int64_t total = sides == 1 ? p->nodes[i].total : b->u->totals[2 * (size_t)i + s];
      for (c = p->nodes[i].first_child; c < p->nodes[i + 1].first_child; c++)
        if (__builtin_add_overflow(
                sum, sides == 1 ? p->nodes[c].total : b->u->totals[2 * (size_t)c + s], &sum))
          return pyr_fail(e, PYR_EDECODE, "total exceeds 64 bits", where);
      if (sum != total)
        return pyr_fail(e, PYR_EDECODE, "the total of a node is not that of its parts",
                        where);
    }
  return PYR_OK;
}

pyr_status pyr_levels_finish (pyr_levels *b, const uint32_t *names, uint32_t count,
                              const pyr_names *set, size_t where, pyr_error *e) {
  pyr_profile *p = &b->u->tree;
  uint32_t i;
  p->levels &= UINT32_C(0x7fffffff);
  if (p->count == 0) { /* no level at all: the empty answer */
    if (grownodes(b, e) != PYR_OK) return e->status;
    memset(p->nodes, 0, sizeof *p->nodes);
    if (b->arity == 7) {
      memset(b->u->selfs, 0, 2 * sizeof *b->u->selfs);
      memset(b->u->totals, 0, 2 * sizeof *b->u->totals);
    }
    p->count = p->levels = 1;
  } else
    for (i = 1; i < p->count; i++) {
      if (p->nodes[i].frame >= count)
        return pyr_fail(e, PYR_EDECODE, "name index out of range", where);
      p->nodes[i].frame = names[p->nodes[i].frame];
    }
  p->nodes[0].frame = 0;
  for (i = p->count; i-- > 0 && p->nodes[i].level + 1 == p->levels;)
    p->nodes[i].first_child = p->count;
  p->nodes[p->count] = (pyr_node){0, 0, 0, 0, p->count, 0};
  if (checktotals(b, where, e) != PYR_OK) return e->status;
  p->frames = calloc(set->count, sizeof *p->frames);
  if (p->frames == NULL) return pyr_nomemory(e);
  for (i = 0; i < set->count; i++) p->frames[i].name = i;
  p->frame_count = set->count;
  return pyr_profile_take_names(p, set, e);
}
