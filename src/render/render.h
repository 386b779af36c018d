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
typedef enum pyr_colouring {
  PYR_COLOUR_PACKAGE,
  PYR_COLOUR_VALUE,
  PYR_COLOUR_CLASS,
  PYR_COLOUR_PLAIN
} pyr_colouring;

/* One side of a picture of two: what it is called, its total for people, and what a raw sum is
   multiplied by. 'rate' is the scale of the other mode, 0 where sides cannot be compared so. */
typedef struct pyr_pictureside {
  const char *label, *text;
  double scale, rate;
} pyr_pictureside;

typedef struct pyr_renderoptions {
  const char
      *profile_type; /* five parts, "process_cpu:cpu:nanoseconds:cpu:nanoseconds" */
  const char *unit;  /* "nanoseconds"; of profile_type where that is known */
  int64_t time_nanos, duration_nanos;
  bool raw;             /* pprof: no gzip */
  const char *title;    /* pictures */
  const char *subtitle; /* second line of pictures */
  double width;     /* pictures, px; 0: 1200, and as wide as the window with a script */
  double min_width; /* pictures, px: narrower boxes are left out; 0: 0.5 */
  double seconds;   /* pictures of CPU: nanoseconds / this = cores; 0: unknown */
  bool icicle, by_name; /* pictures: root on top; siblings by name, not by size */
  bool html, fragment;  /* a page, or what stands in one, in place of SVG */
  int32_t part; /* above 0: a fragment without style and script, which its page has
                           once (pyr_picture_assets); the number keeps its ids apart */
  pyr_colouring colours;
  const char *link;           /* pictures: template of links to the source */
  const char *sections;       /* pages: markup behind the picture, escaped already */
  pyr_pictureside sides[2];   /* diffs */
  const char *mode, *measure; /* diffs: "rate" or "share"; "per second" and so on */
  double noise;               /* diffs: a share; smaller changes are grey */
  int32_t nodes;              /* dot: functions drawn; 0: 100, below 0: all */
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

/* One interactive picture: SVG, or a page of HTML. Where no script runs it is a static one. */
pyr_renderer pyr_render_picture;

/* What a page of several pictures (option 'part') has once: the style, the script, and the
   content security policy that allows both. */
typedef enum { PYR_ASSET_STYLE, PYR_ASSET_SCRIPT, PYR_ASSET_POLICY } pyr_asset;
pyr_status pyr_picture_assets (pyr_buffer *out, pyr_asset which, pyr_error *e);

/* The same of two sides (u->k == 2), coloured by the change. */
pyr_status pyr_render_diffpicture (pyr_buffer *out, const pyr_union *u,
                                   const pyr_renderoptions *o, pyr_error *e);

/* A graph of functions and their calls for Graphviz, as pprof draws it: the largest by total, an
   edge dotted where functions that are not drawn lie between. */
pyr_renderer pyr_render_dot;

/* querier.v1.FlameGraph, and FlameGraphDiff of two sides (u->k == 2). */
pyr_renderer pyr_render_flamegraph;
pyr_status pyr_render_diff (pyr_buffer *out, const pyr_union *u, pyr_error *e);

/* One evented profile as speedscope reads it; a unit that it does not know is "none". */
pyr_renderer pyr_render_speedscope;

/* google.v1.Profile, gzipped unless 'raw'. */
pyr_renderer pyr_render_pprof;

/*
** Files of two sides (u->k == 2). Folded: "path A B", A in terms of B: times scale(A) / scale(B)
** of o->sides, exact where they are equal. JSON: the answer of Diff, both sides as they are.
** pprof: B minus A as `pprof -diff_base` has it: A's samples, in terms of B and rounded so that
** their sum is the rounded sum, are negative and labelled pprof::base. PYR_ELIMIT where that
** exceeds 64 bits.
*/
typedef pyr_status pyr_diffrenderer (pyr_buffer *out, const pyr_union *u,
                                     const pyr_renderoptions *o, pyr_error *e);
pyr_diffrenderer pyr_render_difffolded;
pyr_diffrenderer pyr_render_diffjson;
pyr_diffrenderer pyr_render_diffpprof;

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
