#ifndef PYR_PROFILE_TOP_H
#define PYR_PROFILE_TOP_H

#include "profile/group.h"

#pragma GCC visibility push(hidden)

/*
** Rows of functions (lines, files, packages). 'name' points into the grouping of the list;
** 'frame' is the frame that speaks for the group. Values are the sums of the profile.
*/
typedef struct pyr_row {
  pyr_string name;
  uint32_t group, frame;
  int64_t self, total; /* of an edge: both its value */
} pyr_row;

typedef struct pyr_rows {
  pyr_row *rows;
  uint32_t count;
  pyr_grouping groups;
  uint32_t functions; /* groups that occur */
  int64_t shown;      /* self in the rows */
  int64_t rest;       /* self in groups without a row */
  int64_t other;      /* truncated stacks */
  int64_t empty;      /* self of the root */
} pyr_rows;

void pyr_rows_free (pyr_rows *r);

/*
** The n largest (0: all) by self or total, ties by the bytes of the name. With 'matches'
** ([frame_count]) only groups that have a matching frame.
*/
typedef struct pyr_topquery {
  uint32_t n;
  bool by_total;
  pyr_granularity group;
  const uint8_t *matches;
} pyr_topquery;

pyr_status pyr_profile_top (pyr_rows *r, const pyr_profile *p, const pyr_topquery *q,
                            pyr_error *e);

/*
** Who calls a function (or whom it calls), by value; an edge counts once per stack and a
** call of itself is none, as in pprof's peek. 'of' is the function; 'nobody' the value of
** stacks that begin with it; 'cut' that of truncated stacks right below it. PYR_ENODATA if
** there is no such function.
*/
typedef struct pyr_edges {
  pyr_rows list;
  pyr_row of;
  int64_t nobody, cut;
} pyr_edges;

pyr_status pyr_profile_edges (pyr_edges *d, const pyr_profile *p, const char *name,
                              size_t length, bool callers, pyr_error *e);

/* Lines of a file by number, then name; needs PYR_BY_LINE. 'name' may be NULL: all functions. */
pyr_status pyr_profile_lines (pyr_rows *r, const pyr_profile *p, pyr_string file,
                              const pyr_string *name, pyr_error *e);

/* The n (0: all) nodes with the largest self: whole stacks. Truncated ones and the root are
   left out; ties by path. */
pyr_status pyr_profile_heaviest (const pyr_profile *p, uint32_t n, uint32_t **nodes,
                                 uint32_t *count, pyr_error *e);

#pragma GCC visibility pop

#endif
