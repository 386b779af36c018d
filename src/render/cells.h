#ifndef PYR_RENDER_CELLS_H
#define PYR_RENDER_CELLS_H

#include "profile/regex.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** A flame graph of character cells below a node: boxes from column round(W * start) to
** round(W * end), those without a column left out and counted. Boxes come level by level from left
** to right, siblings by value (ties by name bytes), truncated stacks last; the first is the node
** itself. Only what is seen is visited.
*/
typedef struct pyr_cell {
  uint32_t node, from, to; /* columns [from, to) */
  uint32_t level;          /* below the node at the top */
  bool matches;            /* its name matches the expression */
} pyr_cell;

typedef enum pyr_cellwidth {
  PYR_CELL_AFTER,
  PYR_CELL_BEFORE,
  PYR_CELL_LARGER
} pyr_cellwidth;

typedef struct pyr_cells {
  pyr_cell *cells; /* [count] */
  uint32_t count, cap;
  double whole; /* value of the node at the top */
  /* What is drawn and these two are everything: boxes without a column whose parent is drawn,
     and boxes below the last level asked for. */
  double hidden, deep;
  double matched; /* value of the topmost matching nodes from it down, drawn or not */
  uint32_t functions, boxes; /* that match */
} pyr_cells;

typedef struct pyr_celloptions {
  uint32_t top, width;      /* node; columns, 1 and more */
  uint32_t levels;          /* at most, 0: all */
  pyr_cellwidth by;         /* of a union */
  double scales[2];         /* of its sides */
  const pyr_regex *pattern; /* NULL: nothing matches */
} pyr_celloptions;

/* 'u' NULL: of 'p'; else of the union, whose tree 'p' is. */
pyr_status pyr_render_cells (pyr_cells *c, const pyr_profile *p, const pyr_union *u,
                             const pyr_celloptions *o, pyr_error *e);
void pyr_cells_free (pyr_cells *c);

/*
** The match that follows 'after' among those from the top down, drawn or not: the next smaller one
** (ties by node), after the last one the largest; 'back' turns round. '*hit' is UINT32_MAX where
** nothing matches, '*view' the highest node up to the top under which the hit has a column.
*/
pyr_status pyr_render_hit (const pyr_profile *p, const pyr_union *u,
                           const pyr_celloptions *o, uint32_t after, bool back,
                           uint32_t *hit, uint32_t *view, pyr_error *e);

#pragma GCC visibility pop

#endif
