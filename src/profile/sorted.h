#ifndef PYR_PROFILE_SORTED_H
#define PYR_PROFILE_SORTED_H

#include "profile/profile.h"

#pragma GCC visibility push(hidden)

/*
** The children of every node in the order of their names (bytewise; then file, line and
** place), everything named "other" last: order[first_child(i)] .. order[first_child(i + 1) - 1]
** are the children of 'i', order[0] is the root, slot[] is the inverse. The order in which a
** profile stores siblings depends on its origin; what leaves a profile must not.
*/
typedef struct pyr_sorted {
  uint32_t *order; /* [count] */
  uint32_t *slot;  /* [count] */
} pyr_sorted;

pyr_status pyr_sorted_init (pyr_sorted *s, const pyr_profile *p, pyr_error *e);
void pyr_sorted_free (pyr_sorted *s);

/* Next node of a depth-first walk in this order; UINT32_MAX after the last one. */
uint32_t pyr_sorted_next (const pyr_sorted *s, const pyr_profile *p, uint32_t i);

/* rank[f]: place of frame 'f' among all frames by name, then file, then line; frame 0 is 0. */
pyr_status pyr_frame_ranks (const pyr_profile *p, uint32_t **rank, pyr_error *e);

/* The id of string "other", UINT32_MAX if the profile has none. */
uint32_t pyr_profile_other_name (const pyr_profile *p);

#pragma GCC visibility pop

#endif
