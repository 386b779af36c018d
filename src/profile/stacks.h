#ifndef PYR_PROFILE_STACKS_H
#define PYR_PROFILE_STACKS_H

#include "base/names.h"
#include "profile/profile.h"

#pragma GCC visibility push(hidden)

/*
** Builds a profile from stacks in any order and from any number of inputs (several pprof
** files, lines of folded text): a trie with one hash table over (parent, frame), turned into
** level order at the end. A failure leaves the builder usable for pyr_stacks_free only.
** The bytes of names are copied.
*/
typedef struct pyr_trienode {
  int64_t self;
  uint32_t parent, frame;
} pyr_trienode;

typedef struct pyr_frameweight { /* value per (frame, line), to find the hottest line */
  uint32_t frame, line;
  int64_t self, total;
} pyr_frameweight;

typedef struct pyr_stacks {
  pyr_names names;
  pyr_granularity granularity; /* PYR_BY_FUNCTION or PYR_BY_LINE */
  pyr_frame *frames;
  uint32_t frame_count, frame_cap, frame_mask, *frame_slots;
  pyr_trienode *nodes;
  uint32_t count, cap, mask, *slots;
  pyr_frameweight *weights;
  uint32_t weight_count, weight_cap, weight_mask, *weight_slots;
  int64_t total; /* checked sum of all values */
} pyr_stacks;

pyr_status pyr_stacks_init (pyr_stacks *b, pyr_granularity granularity, pyr_error *e);
void pyr_stacks_free (pyr_stacks *b);

/*
** The id of a frame, found or made. Strings are ids from pyr_names_intern on 'b->names'. At
** PYR_BY_FUNCTION the name alone decides and the first file, object and start line are kept.
*/
pyr_status pyr_stacks_frame (pyr_stacks *b, uint32_t name, uint32_t file,
                             uint32_t object, uint32_t line, uint32_t start_line,
                             uint32_t *frame, pyr_error *e);

/* Child of trie node 'parent' (0 is the root) by frame, found or made. */
pyr_status pyr_stacks_child (pyr_stacks *b, uint32_t parent, uint32_t frame,
                             uint32_t *node, pyr_error *e);

/* Adds 'value' (>= 0) to the self value of a trie node. */
pyr_status pyr_stacks_add (pyr_stacks *b, uint32_t node, int64_t value, pyr_error *e);

/* Counts value at a line of a function: the largest self, then total, then the smaller
   line number, becomes pyr_frame.line. At PYR_BY_LINE it does nothing. */
pyr_status pyr_stacks_weigh (pyr_stacks *b, uint32_t frame, uint32_t line, int64_t self,
                             int64_t total, pyr_error *e);

/* Moves everything into the empty profile 'p' and frees the builder. Siblings keep the
   order in which they first came. */
pyr_status pyr_stacks_finish (pyr_stacks *b, pyr_profile *p, pyr_error *e);

#pragma GCC visibility pop

#endif
