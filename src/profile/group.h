#ifndef PYR_PROFILE_GROUP_H
#define PYR_PROFILE_GROUP_H

#include "profile/profile.h"

#pragma GCC visibility push(hidden)

/*
** Frames of a profile put together: by function (the group is the id of the name), line (the
** frame), file or package. Where nothing is known of a file, its group is "[binary]" or
** "<unknown>", as pprof prints them; a function without a package is a group "<none>".
** Frame 0 is in a group of its own kind that nobody asks for.
*/
typedef struct pyr_grouping {
  uint32_t *of;            /* [frame_count] group | PYR_GROUP_OTHER */
  uint32_t count;          /* groups; some may have no frame */
  const pyr_string *names; /* [count]; of a line, see frames */
  const pyr_profile *p;
  pyr_granularity by;
  pyr_names table; /* owns names of files and packages */
  pyr_string *frame_names;
} pyr_grouping;

/* Set in 'of' where the frame is named "other" and the profile is cut: a leaf of it stands
   for truncated stacks. */
#define PYR_GROUP_OTHER UINT32_C(0x80000000)

pyr_status pyr_grouping_init (pyr_grouping *g, const pyr_profile *p, pyr_granularity by,
                              pyr_error *e);
void pyr_grouping_free (pyr_grouping *g);

/* Order of groups that are equal otherwise: name bytes, then file and line. Negative: 'a' comes
   first; 0 only for a group and itself. */
int pyr_group_order (const pyr_grouping *g, uint32_t a, uint32_t b);

/* Brings the first 'wanted' of 'n' ids into order, those that come first of all; what stands
   behind them is lost unless all are wanted. 'compare' takes two ids, as for qsort_r. */
void pyr_group_best (uint32_t *ids, uint32_t n, uint32_t wanted,
                     int (*compare)(const void *, const void *, void *), void *context);

/*
** Self and total of every group; a total counts once per stack however often the group is
** on it. Root and truncated leaves are left out; what they hold is in '*other'.
*/
typedef struct pyr_weight {
  int64_t self, total;
  uint32_t open; /* how many nodes of the group are on the current stack */
  uint32_t seen; /* not 0: occurs */
} pyr_weight;

pyr_status pyr_profile_weigh (const pyr_profile *p, const uint32_t *of, pyr_weight *w,
                              int64_t *other, pyr_error *e);

/*
** The frame that speaks for each group, or UINT32_MAX: that with the largest self, then
** total, then the smaller line. Costs a walk where groups have several frames.
*/
pyr_status pyr_grouping_frames (const pyr_grouping *g, uint32_t **frames, pyr_error *e);

#pragma GCC visibility pop

#endif
