#ifndef PYR_RENDER_PICTURE_H
#define PYR_RENDER_PICTURE_H

#include "profile/group.h"
#include "render/render.h"

#pragma GCC visibility push(hidden)

/*
** A laid out picture, shared by its parts: boxes that are there without a script, and the data
** that the script draws from. Nodes are numbered in the order in which they are drawn: level by
** level from left to right, the children of a node contiguous.
*/
typedef struct pyr_picture {
  pyr_buffer *out;
  const pyr_profile *p;
  const pyr_union *u; /* NULL: one profile */
  const pyr_renderoptions *o;
  uint32_t *order; /* [count] node at each place */
  double *left;    /* [count] left edge of each node, in units of its value */
  bool *drawn;     /* [count] wide enough to be drawn without a script */
  double scale;    /* px a unit */
  double hidden;   /* value of what is too narrow */
  uint32_t
      *frames; /* [frame_count] in the order of their first box; what the data lists */
  uint32_t *slot;                 /* [frame_count] place in it + 1, or 0 */
  uint32_t used;                  /* frames that have a box */
  struct pyr_pictureframe *looks; /* [frame_count] see svg.c */
  const char **hues;              /* [packages.count] colours, or NULL */
  pyr_buffer texts;               /* escaped names */
  uint32_t levels;                /* drawn */
  uint32_t boxes;                 /* drawn */
  pyr_grouping packages;
  double width, min_width;
} pyr_picture;

/* What a box is as wide as: the total, of a diff the scaled total of the second side. */
double pyr_picture_value (const pyr_picture *g, uint32_t node);

/* The name of a node as it is shown; the root is "total". */
pyr_string pyr_picture_name (const pyr_picture *g, uint32_t node);

/* The boxes as elements of SVG, and the lines of text above them. */
void pyr_picture_boxes (pyr_picture *g);
double pyr_picture_height (const pyr_picture *g);
/* The second line; 'hidden': with what is too narrow, which a script knows better. */
void pyr_picture_subtitle (const pyr_picture *g, pyr_buffer *out, bool hidden);
void pyr_picture_defs (pyr_picture *g);

/* The data as JSON that may stand in a script element. */
pyr_status pyr_picture_data (pyr_picture *g, pyr_error *e);

/* "#rrggbb" of a package, of a class of functions (see picture_colour.c), of a part of the
   largest self value, and of a change from -1 to 1. */
const char *pyr_picture_hue (pyr_string package);
unsigned pyr_picture_class (pyr_string name);
const char *pyr_picture_classhue (unsigned class);
void pyr_picture_heat (double part, char out[8]);
void pyr_picture_change (double t, char out[8]);

/* Text of names: control characters become pictures of them, what turns the direction of text
   becomes U+FFFD; escaped for XML. */
void pyr_picture_text (pyr_buffer *out, const char *bytes, size_t n);

#pragma GCC visibility pop

#endif
