#ifndef PYR_PROFILE_UNION_H
#define PYR_PROFILE_UNION_H

#include "profile/profile.h"

#pragma GCC visibility push(hidden)

/*
** K profiles aligned by path. 'tree' has one node for every path of function names that any
** input has; its self and total are the checked sums over all inputs. selfs[node * k + j] and
** totals[node * k + j] are those of input j. Duplicate siblings of one input are added up.
*/
typedef struct pyr_union {
  pyr_profile tree;
  uint32_t k;
  int64_t *selfs, *totals; /* [tree.count * k] */
} pyr_union;

void pyr_union_free (pyr_union *u);

/*
** Aligns by the names of frames (at PYR_BY_LINE of all inputs: name, file and line) with stamp
** tables: no hashing of nodes, no sorting. The first input that has a file and line for a name
** gives them. PYR_EDECODE if a sum overflows. 'k' >= 1.
*/
pyr_status pyr_profile_align (pyr_union *u, const pyr_profile *const *inputs,
                              uint32_t k, pyr_error *e);

/* The sum of K profiles: an alignment without the matrix. */
pyr_status pyr_profile_merge (pyr_profile *p, const pyr_profile *const *inputs,
                              uint32_t k, pyr_error *e);

#pragma GCC visibility pop

#endif
