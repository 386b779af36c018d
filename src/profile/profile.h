#ifndef PYR_PROFILE_PROFILE_H
#define PYR_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** A call tree: immutable once built, in three arrays and a block of text.
**
** nodes: level order, the children of a node contiguous. Node 0 is the root (level 0,
** frame 0, parent 0); it exists in every built profile. The children of 'i' are
** first_child(i) .. first_child(i + 1) - 1, so a leaf stores where its children would
** begin, and nodes[count] is a sentinel with first_child = count and level 0.
** total = self + totals of the children; nothing is negative; no sum overflows.
** The self of the root is the value of samples with an empty stack.
**
** frames: what nodes point to. Frame 0 is the root's and has the empty name. Names are ids
** into 'strings' and string 0 is "". 'file' and 'object' are 0, 'line' and 'start_line' 0
** where unknown. Equal names have equal ids, so a name's id stands for the function.
** At granularity "function" a name occurs in one frame only, whose 'line' is the line with
** the largest value in that function; at "line" a frame is (name, file, line).
**
** Truncation: leaves named "other" stand for what a server or pyr_profile_truncate cut off,
** but only if 'cut' is set (files of stacks cannot hold such leaves).
*/
typedef struct pyr_node {
  int64_t self, total;
  uint32_t frame, parent, first_child, level;
} pyr_node;

typedef struct pyr_frame {
  uint32_t name, file; /* ids in strings */
  uint32_t object;     /* id of the name of the mapping (binary) */
  uint32_t line, start_line;
} pyr_frame;

typedef enum pyr_granularity {
  PYR_BY_FUNCTION,
  PYR_BY_LINE,
  PYR_BY_FILE,
  PYR_BY_PACKAGE
} pyr_granularity;

typedef struct pyr_profile {
  pyr_node *nodes; /* [count + 1] */
  pyr_frame *frames;
  pyr_string *strings; /* into 'text' */
  char *text;
  uint32_t count, frame_count, string_count;
  uint32_t levels; /* depth of the deepest node + 1 */
  size_t text_length;
  pyr_granularity granularity;
  bool cut; /* leaves named "other" are truncated stacks */
} pyr_profile;

#define PYR_NODES_MAX UINT32_C(0x7ffffffe)

void pyr_profile_free (pyr_profile *p); /* leaves an empty profile */

/* Bytes behind the handle, for the collector. */
size_t pyr_profile_bytes (const pyr_profile *p);

/* True for a leaf that stands for truncated stacks. */
bool pyr_profile_is_other (const pyr_profile *p, uint32_t node);

/* Value of all truncated leaves. */
int64_t pyr_profile_other (const pyr_profile *p);

/*
** Next node of a depth-first walk in stored order of siblings: 'i' is the current node.
** Returns UINT32_MAX after the last one. Needs no stack.
*/
uint32_t pyr_profile_next (const pyr_profile *p, uint32_t i);

/*
** Copies 'names' into the profile's text block: strings[0 .. names->count).
** Used by everything that builds a profile.
*/
pyr_status pyr_profile_take_names (pyr_profile *p, const pyr_names *names,
                                   pyr_error *e);

#pragma GCC visibility pop

#endif
