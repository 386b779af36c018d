#ifndef PYR_DECODE_LEVELS_H
#define PYR_DECODE_LEVELS_H

#include <string.h>

#include "base/buffer.h"
#include "base/names.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** What both encodings of a flame graph feed: levels of boxes from left to right, a
** tuple of 4 numbers for a box of one profile (distance from the box before it, total,
** self, name), of 7 for one of a diff (the first three for either side, name). A diff
** is placed by the sum of both sides, since one side of a box may be empty.
**
** Nodes go straight into their final place. A box belongs to the last box of the level
** above that begins at or before it; both levels are sorted, so one index over the
** level above moves along ('parent'). Until that index comes by, a node keeps its left
** edge where first_child and level will be, so nothing is stored twice. When the index
** leaves a node, its total must be its self and the totals of what was put on it.
**
** Frames are indexes of names in the answer until pyr_levels_finish. Names and levels
** may come in any order.
*/
typedef struct pyr_levels {
  pyr_node *nodes;
  int64_t *selfs, *totals; /* [2 * cap], of a diff only */
  uint32_t count, cap;
  uint32_t level; /* the open one */
  uint32_t first; /* its first node, which ends the level above */
  uint32_t parent;
  int64_t edge;        /* right edge of the last box of the open level */
  int64_t here, after; /* left edges of the parent, and of the box after it */
  int64_t below[2];    /* totals on the parent so far: all, left side */
  uint64_t top;        /* largest index of a name */
  size_t top_where;
  bool diff;
  bool zero; /* a node other than the root has name 0 */

  pyr_names names;      /* names 1 and up, not copied */
  pyr_names unescaped;  /* keeps names that are spelled otherwise in the input */
  pyr_string root_name; /* name 0 */
  uint32_t *ids;        /* [name_cap] name of the answer -> id in names */
  uint32_t name_count, name_cap;
  bool renumber; /* some id is not the index of its name */
  pyr_error *e;
} pyr_levels;

pyr_status pyr_levels_init (pyr_levels *l, bool diff, pyr_error *e);
void pyr_levels_free (pyr_levels *l);

/* The next name. The bytes must live as long as the builder, or 'copy' be set. */
pyr_status pyr_levels_name (pyr_levels *l, const char *bytes, size_t length, bool copy,
                            size_t where);

/* A level is what stands between these two. */
pyr_status pyr_levels_begin (pyr_levels *l, size_t where);
pyr_status pyr_levels_end (pyr_levels *l, size_t where);

/* Moves everything into the empty profile 'p'. 'where' is the end of the answer. */
pyr_status pyr_levels_finish (pyr_levels *l, pyr_profile *p, size_t where);

/* Slow paths of the functions below. */
pyr_status pyr_levels_grow (pyr_levels *l);
pyr_status pyr_levels_advance (pyr_levels *l, int64_t x, size_t where);
pyr_status pyr_levels_fail (pyr_levels *l, const char *message, size_t where);

/* What to say when a level ends inside a tuple. */
const char *pyr_levels_ragged (const pyr_levels *l);

static inline void pyr_levels_keepedge (pyr_node *n, int64_t x) {
  n->first_child = (uint32_t)((uint64_t)x & UINT32_MAX);
  n->level = (uint32_t)((uint64_t)x >> 32);
}

static inline pyr_status pyr_levels_add (pyr_levels *l, int64_t delta, int64_t total,
                                         int64_t self, int64_t name, size_t where) {
  pyr_node *n;
  int64_t x;
  if ((delta | total | self) < 0)
    return pyr_levels_fail(l, "a position or value is negative", where);
  if (__builtin_add_overflow(l->edge, delta, &x) ||
      __builtin_add_overflow(x, total, &l->edge))
    return pyr_levels_fail(l, "the width of a level exceeds 64 bits", where);
  if (l->count == l->cap && pyr_levels_grow(l) != PYR_OK) return l->e->status;
  if ((x < l->here || x >= l->after) && pyr_levels_advance(l, x, where) != PYR_OK)
    return l->e->status;
  l->below[0] += total; /* at most the width of the level */
  if ((uint64_t)name > l->top) {
    l->top = (uint64_t)name;
    l->top_where = where;
  }
  l->zero |= name == 0 && l->level != 0;
  n = l->nodes + l->count++;
  n->self = self;
  n->total = total;
  n->frame = (uint32_t)((uint64_t)name & UINT32_MAX);
  n->parent = l->parent;
  pyr_levels_keepedge(n, x);
  return PYR_OK;
}

static inline pyr_status pyr_levels_add_diff (pyr_levels *l, const int64_t *t,
                                              size_t where) {
  int64_t delta, total, self;
  size_t at = 2 * (size_t)l->count;
  if ((t[0] | t[1] | t[2] | t[3] | t[4] | t[5]) < 0)
    return pyr_levels_fail(l, "a position or value is negative", where);
  if (__builtin_add_overflow(t[0], t[3], &delta) ||
      __builtin_add_overflow(t[1], t[4], &total) ||
      __builtin_add_overflow(t[2], t[5], &self))
    return pyr_levels_fail(l, "the sum of both sides exceeds 64 bits", where);
  if (pyr_levels_add(l, delta, total, self, t[6], where) != PYR_OK) return l->e->status;
  l->below[1] += t[1];
  l->selfs[at] = t[2];
  l->selfs[at + 1] = t[5];
  l->totals[at] = t[1];
  l->totals[at + 1] = t[4];
  return PYR_OK;
}

static inline pyr_status pyr_levels_tuple (pyr_levels *l, const int64_t *t,
                                           unsigned width, size_t where) {
  return width == 4 ? pyr_levels_add(l, t[0], t[1], t[2], t[3], where)
                    : pyr_levels_add_diff(l, t, where);
}

#pragma GCC visibility pop

#endif
