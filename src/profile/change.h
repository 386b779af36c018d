#ifndef PYR_PROFILE_CHANGE_H
#define PYR_PROFILE_CHANGE_H

#include "profile/group.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** Questions about two aligned sides (u->k == 2). A change is |after * factors[1] - before *
** factors[0]|; factors are finite and not negative.
*/

/* Self and total of both sides of a group; a total counts once per stack. */
typedef struct pyr_sideweight {
  int64_t self[2], total[2];
  uint32_t open, seen; /* nodes on the current stack; not 0: occurs */
} pyr_sideweight;

/* Fills w[groups of 'of'], which are zero. Root and truncated leaves are left out. */
pyr_status pyr_union_weigh (const pyr_union *u, const uint32_t *of, pyr_sideweight *w,
                            pyr_error *e);

/* On the usual machines a long double holds every difference of two int64 exactly. */
static inline long double pyr_change (const int64_t *values, const double *factors) {
  long double d =
      (long double)values[1] * factors[1] - (long double)values[0] * factors[0];
  return d < 0 ? -d : d;
}

/*
** The 'count' groups that changed most by self or total, by 'least' at least, among those seen
** (ties as in pyr_group_order); 0: all of them. '*rows' is malloced, '*count' how many there are,
** '*all' how many were seen, '*small' how many changed by less than 'least'.
*/
pyr_status pyr_union_rank (const pyr_grouping *g, const pyr_sideweight *w,
                           bool by_total, const double *factors, double least,
                           uint32_t **rows, uint32_t *count, uint32_t *all,
                           uint32_t *small, pyr_error *e);

/* What truncated leaves hold of a side. */
int64_t pyr_union_other (const pyr_union *u, uint32_t side);

/*
** At most 'n' nodes (0: any number) whose totals changed most, by 'least' at least, in the order
** of a walk by name; a node comes with those above it, or not at all. Neither the root nor
** truncated leaves are among them. '*nodes' is malloced.
*/
pyr_status pyr_union_changed (const pyr_union *u, const double *factors, double least,
                              uint32_t n, uint32_t **nodes, uint32_t *count,
                              pyr_error *e);

#pragma GCC visibility pop

#endif
