#ifndef PYR_PROFILE_OPS_H
#define PYR_PROFILE_OPS_H

#include "profile/group.h"
#include "profile/profile.h"
#include "profile/regex.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** What is made of a tree. Functions that fill a profile take an empty one and leave it empty on
** failure; none of them changes its input. Meanings of the selections are pprof's.
*/

/* The 'count' largest groups by self or total (ties: name bytes, then file and line) among
   those seen; 0: all. '*rows' is malloced, '*count' how many there are, '*all' how many were
   seen. */
pyr_status pyr_profile_top (const pyr_grouping *g, const pyr_weight *w, bool by_total,
                            uint32_t **rows, uint32_t *count, uint32_t *all,
                            pyr_error *e);

/*
** Who calls function 'name' (a string id), or whom it calls: values of the edges by the name on
** the other side, each counted once per stack; a call of itself is none (pprof's peek).
** values[string_count] is filled; a caller that is the root counts in '*root', truncated stacks
** right below the function count in '*cut'.
*/
pyr_status pyr_profile_edges (const pyr_profile *p, uint32_t name, bool callers,
                              int64_t *values, int64_t *root, int64_t *cut,
                              pyr_error *e);

/* Source lines of a file (a string id) with self and total, recursion counted once: sorted by
   line, then name. '*rows' is malloced. PYR_EUNSUPPORTED unless the profile is PYR_BY_LINE. */
typedef struct pyr_linerow {
  uint32_t line, name;
  int64_t self, total;
} pyr_linerow;
pyr_status pyr_profile_lines (const pyr_profile *p, uint32_t file, uint32_t only,
                              pyr_linerow **rows, uint32_t *count, pyr_error *e);

/* Nodes with the largest self, by value, then by place in a walk in name order. */
pyr_status pyr_profile_heaviest (const pyr_profile *p, uint32_t **nodes,
                                 uint32_t *count, pyr_error *e);

/* The server's rule: about 'n' nodes by total, the rest of each node's children in one leaf
   "other", a function of that name included (as in its flame graphs; its trees count what was
   cut as that function's own). Nothing is cut where there are no more than n. */
pyr_status pyr_profile_truncate (pyr_profile *out, const pyr_profile *p, uint32_t n,
                                 pyr_error *e);

/* Coarser frames. PYR_EUNSUPPORTED where lines are wanted of a profile without. */
pyr_status pyr_profile_regroup (pyr_profile *out, const pyr_profile *p,
                                pyr_granularity by, pyr_error *e);

typedef enum pyr_selecting {
  PYR_FOCUS,
  PYR_IGNORE,
  PYR_HIDE,
  PYR_SHOW,
  PYR_SHOW_FROM,
  PYR_PRUNE_FROM
} pyr_selecting;

/* Sets a flag for every frame whose name, file or binary matches; each is tried once. With
   'simplify' only names are tried, and without arguments, as pprof's prune_from does. */
pyr_status pyr_profile_match (const pyr_profile *p, const pyr_regex *r, bool simplify,
                              bool *matches, pyr_error *e);

/* 'matches' has a flag for every frame. Truncated leaves match nothing: they stay with the frame
   they were cut off from, and go where it goes. As in pprof, only prune_from keeps stacks
   without frames. */
pyr_status pyr_profile_select (pyr_profile *out, const pyr_profile *p,
                               pyr_selecting how, const bool *matches, pyr_error *e);

/* Merged from the leaves. Truncated stacks, whose leaves are unknown, become one leaf "other".
   PYR_ELIMIT for stacks so deep that it would take minutes. */
pyr_status pyr_profile_invert (pyr_profile *out, const pyr_profile *p, pyr_error *e);

/* All values divided: the running sum of selfs in a walk by name is rounded, so the root is the
   rounded quotient exactly and no node is off by more than one. */
pyr_status pyr_profile_scale (pyr_profile *out, const pyr_profile *p, int64_t divisor,
                              pyr_error *e);

/* a - b by path, below 0 is 0; '*clipped' is how much that was. */
pyr_status pyr_profile_subtract (pyr_profile *out, const pyr_profile *a,
                                 const pyr_profile *b, int64_t *clipped, pyr_error *e);

/* A tree with other selfs: nodes without any value below them are left out, and those flagged in
   'gone' (NULL: none) give their children to the node above. */
pyr_status pyr_profile_rebuild (pyr_profile *out, const pyr_profile *p,
                                const int64_t *selfs, const bool *gone, pyr_error *e);

#pragma GCC visibility pop

#endif
