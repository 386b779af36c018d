#ifndef PYR_DECODE_LEVELS_H
#define PYR_DECODE_LEVELS_H

#include "base/names.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** What both encodings of a flame graph feed: tuples in level order, 4 numbers for one profile
** (x delta, total, self, name) or 7 for a diff (the first three for either side). Positions in
** a diff are those of both sides added up, since one side alone may be empty.
**
** Nodes go straight into 'u->tree' (and the matrix of a diff); parents are found with two
** moving indexes: a node belongs to the last node of the level above that begins at or before
** it. Frames hold the index of the name in the answer until pyr_levels_finish.
*/
typedef struct pyr_levels {
  pyr_union *u;
  unsigned arity;        /* 4 or 7 */
  unsigned filled;       /* numbers of the open tuple */
  int64_t tuple[7];
  int64_t end[2];        /* right edge of the last node of this level, either side */
  uint32_t cap;          /* room in u->tree.nodes, without the sentinel */
  uint32_t start, above; /* first node of the open level, of the one above it */
  uint32_t parent;       /* last node above that begins at or before the last node */
  uint32_t unset;        /* first node above that has no first_child yet */
  int64_t *edges[2];     /* left edges of the level above, of the open level */
  uint32_t edge_cap[2];
} pyr_levels;

void pyr_levels_init (pyr_levels *b, pyr_union *u, unsigned arity);
void pyr_levels_free (pyr_levels *b); /* scratch only */

/* Between pyr_levels_begin and pyr_levels_end stand the numbers of one level. 'where' is for
   errors. */
pyr_status pyr_levels_begin (pyr_levels *b, pyr_error *e);
pyr_status pyr_levels_node (pyr_levels *b, size_t where, pyr_error *e); /* full tuple */
pyr_status pyr_levels_end (pyr_levels *b, size_t where, pyr_error *e);

static inline pyr_status pyr_levels_number (pyr_levels *b, int64_t v, size_t where,
                                            pyr_error *e) {
  b->tuple[b->filled++] = v;
  return b->filled < b->arity ? PYR_OK : pyr_levels_node(b, where, e);
}

/* Resolves names, sets totals and the sentinel. 'names' maps the answer's indexes, of which
   there are 'count', to ids in 'set'. */
pyr_status pyr_levels_finish (pyr_levels *b, const uint32_t *names, uint32_t count,
                              const pyr_names *set, size_t where, pyr_error *e);

#pragma GCC visibility pop

#endif
