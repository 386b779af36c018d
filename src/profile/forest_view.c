#include <stdlib.h>
#include <string.h>

#include "profile/forest.h"

enum { DIRTY = 4, ALIVE = 8 }; /* beside PYR_GONE_*, while a view is made */

/* A view with the values of 'f', to take some out of. */
static pyr_status copyview (pyr_forest *out, const pyr_forest *f, pyr_error *e) {
  uint32_t n = f->shape->count;
  out->gone = malloc(n);
  out->row = calloc(n, sizeof *out->row);
  out->zero = calloc(f->shape->k, sizeof *out->zero);
  if (out->gone == NULL || out->row == NULL || out->zero == NULL) {
    pyr_forest_free(out);
    return pyr_nomemory(e);
  }
  if (f->gone == NULL)
    memset(out->gone, 0, n);
  else
    memcpy(out->gone, f->gone, n);
  out->shape = f->shape;
  out->shape->refs++;
  return PYR_OK;
}

/* Says which nodes need a total of their own, from the leaves up: those with something left but
   not all, and those whose total was not the shape's before. */
static void planrows (pyr_forest *out, const pyr_forest *f) {
  const pyr_shape *s = out->shape;
  const uint8_t both = PYR_GONE_SELF | PYR_GONE_OTHER;
  uint32_t i;
  for (i = s->count; i-- > 0;) {
    uint8_t *g = out->gone + i, before = f->gone == NULL ? 0 : f->gone[i];
    uint8_t now = *g & both;
    if (now != before) *g |= DIRTY;
    if (now != both) *g |= ALIVE;
    if (i > 0) out->gone[s->parent[i]] |= *g & (DIRTY | ALIVE);
    if ((*g & ALIVE) == 0)
      out->row[i] = PYR_ZERO;
    else if ((*g & DIRTY) != 0)
      out->row[i] = ++out->row_count;
    else if (f->row != NULL && f->row[i] != 0)
      out->row[i] = f->row[i] == PYR_ZERO ? PYR_ZERO : ++out->row_count;
  }
}

/* Totals of the nodes that have their own: copied, or added up again. */
static void fillrows (pyr_forest *out, const pyr_forest *f) {
  const pyr_shape *s = out->shape;
  uint32_t i, p, k = s->k;
  for (i = s->count; i-- > 0;) {
    if (out->row[i] != 0 && out->row[i] != PYR_ZERO) {
      int64_t *row = out->rows + (size_t)(out->row[i] - 1) * k;
      if ((out->gone[i] & DIRTY) != 0) {
        const int64_t *other = pyr_forest_other(out, i);
        pyr_forest_add(row, pyr_forest_self(out, i), k);
        if (other != NULL) pyr_forest_add(row, other, k);
      } else
        memcpy(row, pyr_forest_total(f, i), k * sizeof *row);
    }
    p = s->parent[i];
    if (i > 0 && (out->gone[p] & (DIRTY | ALIVE)) == (DIRTY | ALIVE) &&
        out->row[i] != PYR_ZERO)
      pyr_forest_add(out->rows + (size_t)(out->row[p] - 1) * k,
                     pyr_forest_total(out, i), k);
  }
  for (i = 0; i < s->count; i++)
    out->gone[i] &= PYR_GONE_SELF | PYR_GONE_OTHER;
}

static pyr_status settle (pyr_forest *out, const pyr_forest *f, pyr_error *e) {
  planrows(out, f);
  out->rows = calloc((size_t)out->row_count * out->shape->k + 1, sizeof *out->rows);
  if (out->rows == NULL) {
    pyr_forest_free(out);
    return pyr_nomemory(e);
  }
  fillrows(out, f);
  return PYR_OK;
}

/* The nodes of a subtree are one run on every level. */
static void takesubtree (pyr_forest *out, uint32_t node) {
  const uint32_t *first = out->shape->first;
  uint32_t from = node, to = node + 1;
  while (from < to) {
    memset(out->gone + from, PYR_GONE_SELF | PYR_GONE_OTHER, to - from);
    from = first[from];
    to = first[to];
  }
}

pyr_status pyr_forest_without (pyr_forest *out, const pyr_forest *f,
                               const uint32_t *nodes, uint32_t count, bool subtrees,
                               pyr_error *e) {
  uint32_t i;
  if (copyview(out, f, e) != PYR_OK) return e->status;
  for (i = 0; i < count; i++)
    if (subtrees)
      takesubtree(out, nodes[i]);
    else
      out->gone[nodes[i]] |= PYR_GONE_SELF;
  return settle(out, f, e);
}

pyr_status pyr_forest_keep (pyr_forest *out, const pyr_forest *f, const uint8_t *flags,
                            bool all, pyr_error *e) {
  const pyr_shape *s = f->shape;
  uint8_t *held =
      malloc(s->count); /* 1: a wanted function on the way, 2: an unwanted */
  uint32_t i;
  if (held == NULL) return pyr_nomemory(e);
  if (copyview(out, f, e) != PYR_OK) {
    free(held);
    return e->status;
  }
  for (i = 0; i < s->count; i++) {
    uint8_t flag = i == 0 ? 0 : flags[s->function[i]];
    held[i] = (uint8_t)((i == 0 ? all : held[s->parent[i]]) | flag);
    if (held[i] != 1) out->gone[i] = PYR_GONE_SELF | PYR_GONE_OTHER;
  }
  free(held);
  return settle(out, f, e);
}
