#ifndef PYR_DECODE_FLAMEGRAPH_H
#define PYR_DECODE_FLAMEGRAPH_H

#include "decode/levels.h"

#pragma GCC visibility push(hidden)

/*
** The two encodings of a flame graph, for a profile or (l->diff) a comparison of two.
** They feed the builder; pyr_levels_finish is the caller's.
*/

/* A message FlameGraph or FlameGraphDiff. */
pyr_status pyr_flamegraph_proto (pyr_levels *l, const char *bytes, size_t len);

/* JSON of any of the forms in decode.h. A TREE that comes without a flame graph goes to
   'tree' (may be NULL), with the offset of its base64 text; '*tree_where' is
   PYR_NOWHERE otherwise. */
pyr_status pyr_flamegraph_json (pyr_levels *l, const char *bytes, size_t len,
                                pyr_buffer *tree, size_t *tree_where);

#pragma GCC visibility pop

#endif
