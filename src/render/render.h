#ifndef PYR_RENDER_RENDER_H
#define PYR_RENDER_RENDER_H

#include "base/buffer.h"
#include "profile/profile.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** What a writer may want to know beside the tree. All texts may be NULL and are not owned;
** all zeros is "nothing known" with defaults.
*/
typedef struct pyr_renderoptions {
  const char
      *profile_type; /* five parts, "process_cpu:cpu:nanoseconds:cpu:nanoseconds" */
  const char *unit;  /* "nanoseconds"; of profile_type where that is known */
  int64_t time_nanos, duration_nanos;
  bool raw;             /* pprof: no gzip */
  const char *title;    /* pictures */
  const char *subtitle; /* second line of pictures */
  double width;         /* pictures, px; 0: 1200 */
  double min_width;     /* pictures, px: narrower boxes are left out; 0: 0.5 */
} pyr_renderoptions;

/*
** Every writer appends a whole document to 'out'. A failure (no memory, the limit of the
** buffer) is returned and leaves 'out' with a sticky status. Nothing recurses; the values of
** the tree are written as they are: whoever calls has divided them (pyr_profile_scaled).
** Equal trees and options give equal bytes, in whatever order siblings are stored.
*/
typedef pyr_status pyr_renderer (pyr_buffer *out, const pyr_profile *p,
                                 const pyr_renderoptions *o, pyr_error *e);

/* Lines "root;leaf value", sorted by path: ';' in a name becomes ':', line ends and other
   control bytes become blanks. A stack without frames has no line. */
pyr_renderer pyr_render_folded;

/* {"flamegraph":{"names":..,"levels":..,"total":..,"maxSelf":..}} as a server spells it. */
pyr_renderer pyr_render_json;

/* The records of format TREE. */
pyr_renderer pyr_render_tree;

/* One static picture without a script. */
pyr_renderer pyr_render_svg;

/* querier.v1.FlameGraph, and FlameGraphDiff of two sides (u->k == 2). */
pyr_renderer pyr_render_flamegraph;
pyr_status pyr_render_diff (pyr_buffer *out, const pyr_union *u, pyr_error *e);

/* One evented profile as speedscope reads it; a unit that it does not know is "none". */
pyr_renderer pyr_render_speedscope;

/* google.v1.Profile, gzipped unless 'raw'. */
pyr_renderer pyr_render_pprof;

/* A value for people: "12.3 s" of nanoseconds, "4.5 MiB" of bytes, "1,234 goroutines". 'unit'
   may be NULL. */
void pyr_render_quantity (pyr_buffer *out, int64_t v, const char *unit);

/* The status of a buffer as that of a writer. */
static inline pyr_status pyr_rendered (const pyr_buffer *out, pyr_error *e) {
  if (out->status == PYR_OK) return PYR_OK;
  if (out->status == PYR_EMEMORY) return pyr_nomemory(e);
  return pyr_fail(e, out->status, "the output is larger than its limit", PYR_NOWHERE);
}

#pragma GCC visibility pop

#endif
