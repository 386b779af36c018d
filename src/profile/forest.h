#ifndef PYR_PROFILE_FOREST_H
#define PYR_PROFILE_FOREST_H

#include "profile/profile.h"

#pragma GCC visibility push(hidden)

/*
** The call trees of K samples aligned by path, with a column of values for every sample: what
** statistics are made of. (pyr_union aligns too, but keeps frames as they are, files and lines;
** here nodes are functions under names that the caller gives, truncated stacks are no nodes, and
** parts can be taken out again and again.)
**
** Nodes are in level order, node 0 is the root, whose self is the value of empty stacks; children
** are contiguous and ordered by name (bytewise), so parent[i] < i. The same inputs in another
** order, or with their siblings in another order, give the same nodes. Functions are numbered
** from 1 in the order of their names; 0 is the root's.
**
** total = self + other + totals of the children, 'other' being what was truncated right below.
** Every column is bounded by the total of its input, which was checked: no sum here overflows.
*/
typedef struct pyr_shape {
  uint32_t *parent;   /* [count] */
  uint32_t *first;    /* [count + 1] children of i: first[i] .. first[i + 1] - 1 */
  uint32_t *level;    /* [count] */
  uint32_t *function; /* [count] */
  uint32_t *cut;      /* [count] row in 'others' + 1, or 0 */
  uint32_t *size;     /* [count] nodes of the subtree */
  uint32_t *pre;      /* [count] place in a depth-first walk */
  uint32_t *at; /* [count] the inverse: subtree of i: at[pre[i]] .. + size[i] - 1 */
  uint32_t *by; /* [count - 1] nodes by function, ascending */
  uint32_t
      *start;     /* [functions + 2] nodes of f: by[start[f]] .. by[start[f + 1] - 1] */
  bool *top;      /* [count] no node above has the same function */
  int64_t *selfs; /* [count * k] */
  int64_t *totals;   /* [count * k] */
  int64_t *others;   /* [cut_count * k] */
  pyr_string *names; /* [functions + 1], into 'text' */
  char *text;
  uint32_t count, functions, cut_count, k;
  uint32_t refs; /* a forest and its views share one shape */
} pyr_shape;

enum { PYR_GONE_SELF = 1, PYR_GONE_OTHER = 2 };

/* A forest (gone == NULL), or a view of one: the same nodes with some values taken out. */
typedef struct pyr_forest {
  pyr_shape *shape; /* NULL: closed */
  uint8_t *gone;    /* [count] PYR_GONE_* */
  uint32_t
      *row; /* [count] 0: total as in the shape, PYR_ZERO, else row in 'rows' + 1 */
  int64_t *rows; /* [row_count * k] */
  int64_t *zero; /* [k] */
  uint32_t row_count;
} pyr_forest;

#define PYR_ZERO UINT32_MAX
#define PYR_CELLS_MAX (UINT64_C(1) << 26) /* count * k of a forest */

void pyr_forest_free (pyr_forest *f);
size_t pyr_forest_bytes (const pyr_forest *f); /* of a view: its own */

/* Values of a node: k of them. pyr_forest_other may be NULL: zeros. */
static inline const int64_t *pyr_forest_self (const pyr_forest *f, uint32_t i) {
  if (f->gone != NULL && (f->gone[i] & PYR_GONE_SELF) != 0) return f->zero;
  return f->shape->selfs + (size_t)i * f->shape->k;
}

static inline const int64_t *pyr_forest_other (const pyr_forest *f, uint32_t i) {
  if (f->shape->cut[i] == 0) return NULL;
  if (f->gone != NULL && (f->gone[i] & PYR_GONE_OTHER) != 0) return NULL;
  return f->shape->others + (size_t)(f->shape->cut[i] - 1) * f->shape->k;
}

static inline const int64_t *pyr_forest_total (const pyr_forest *f, uint32_t i) {
  if (f->row == NULL || f->row[i] == 0)
    return f->shape->totals + (size_t)i * f->shape->k;
  return f->row[i] == PYR_ZERO ? f->zero
                               : f->rows + (size_t)(f->row[i] - 1) * f->shape->k;
}

/* Adds 'k' values to those at 'to'. */
static inline void pyr_forest_add (int64_t *to, const int64_t *from, uint32_t k) {
  uint32_t j;
  for (j = 0; j < k; j++)
    to[j] += from[j];
}

/*
** Building, in three steps: begin() collects the distinct names of all inputs in 'raw'; the
** caller says with name() what each is to be called (equal names become one function; without a
** call it keeps its name); finish() aligns. The inputs must live until then. A builder is freed
** in every case.
*/
typedef struct pyr_planting {
  const pyr_profile *const *inputs;
  uint32_t k;
  pyr_names raw;   /* bytes are the inputs' */
  pyr_names names; /* what they are called */
  uint32_t *to;    /* [raw.count] id in names, or UINT32_MAX */
  uint32_t **maps; /* [k] by frame: id in raw */
} pyr_planting;

pyr_status pyr_forest_begin (pyr_planting *b, const pyr_profile *const *inputs,
                             uint32_t k, pyr_error *e);
pyr_status pyr_forest_name (pyr_planting *b, uint32_t raw, const char *bytes,
                            uint32_t length, pyr_error *e);
pyr_status pyr_forest_finish (pyr_planting *b, pyr_forest *out, pyr_error *e);
void pyr_planting_free (pyr_planting *b);

/*
** Views share the nodes of 'f' and have their own values; 'out' is empty before. Without: whole
** subtrees of the nodes, or their self values alone. Keep: the stacks that hold a function flagged
** 1 ('all': any stack) and none flagged 2; flags[functions + 1]. What was truncated below a node
** counts as a stack that ends there.
*/
pyr_status pyr_forest_without (pyr_forest *out, const pyr_forest *f,
                               const uint32_t *nodes, uint32_t count, bool subtrees,
                               pyr_error *e);
pyr_status pyr_forest_keep (pyr_forest *out, const pyr_forest *f, const uint8_t *flags,
                            bool all, pyr_error *e);

/* Self values and totals (recursion counted once) of all functions: [(functions + 1) * k] each,
   zeroed by the caller. */
void pyr_forest_functions (const pyr_forest *f, int64_t *flat, int64_t *cum);

typedef enum pyr_relation {
  PYR_CALLEES, /* of the functions right below */
  PYR_CALLERS, /* right above */
  PYR_BELOW,   /* anywhere below */
  PYR_ABOVE    /* anywhere above */
} pyr_relation;

/* What stacks through a function hold of each other function, counted once a stack:
   value[(functions + 1) * k], zeroed by the caller. */
pyr_status pyr_forest_related (const pyr_forest *f, uint32_t function, pyr_relation how,
                               int64_t *value, pyr_error *e);

/* Self values, truncated ones included, by the innermost function flagged 1, else the innermost
   flagged 2, else function 0: value[(functions + 1) * k], zeroed by the caller. */
pyr_status pyr_forest_sites (const pyr_forest *f, const uint8_t *flags, int64_t *value,
                             pyr_error *e);

/* Id of a function, 0 if there is none; child of a node by function, 0 if there is none. */
uint32_t pyr_forest_find (const pyr_forest *f, const char *bytes, size_t length);
uint32_t pyr_forest_child (const pyr_forest *f, uint32_t node, uint32_t function);

#pragma GCC visibility pop

#endif
