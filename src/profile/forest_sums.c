#include <stdlib.h>
#include <string.h>

#include "profile/forest.h"

void pyr_forest_functions (const pyr_forest *f, int64_t *flat, int64_t *cum) {
  const pyr_shape *s = f->shape;
  uint32_t i, k = s->k;
  for (i = 1; i < s->count; i++) {
    size_t at = (size_t)s->function[i] * k;
    if (f->row != NULL && f->row[i] == PYR_ZERO) continue;
    pyr_forest_add(flat + at, pyr_forest_self(f, i), k);
    if (s->top[i]) pyr_forest_add(cum + at, pyr_forest_total(f, i), k);
  }
}

/* Callees, callers and what is below. In the order of a walk a subtree is an interval: a node counts
   unless it lies in that of the last node that counted for the same function. */
static void relatedinside (const pyr_forest *f, uint32_t function, pyr_relation how,
                           uint32_t *last, int64_t *value) {
  const pyr_shape *s = f->shape;
  uint32_t t, p;
  for (t = s->start[function]; t < s->start[function + 1]; t++) {
    uint32_t node = s->by[t];
    if (!s->top[node]) continue;
    for (p = s->pre[node]; p < s->pre[node] + s->size[node]; p++) {
      uint32_t i = s->at[p], g = s->function[i], above = s->function[s->parent[i]];
      if (how == PYR_CALLERS) {
        if (g != function || above == function || above == 0) continue;
        g = above;
      } else if (g == function || (how == PYR_CALLEES && above != function))
        continue;
      if (last[g] != 0 && p >= s->pre[last[g]] &&
          p < s->pre[last[g]] + s->size[last[g]])
        continue;
      last[g] = i;
      pyr_forest_add(value + (size_t)g * s->k, pyr_forest_total(f, i), s->k);
    }
  }
}

/*
** What is above: the outermost node of each function counts what is below it of the topmost nodes
** of 'function'. Sums are kept for nodes that have any below them.
*/
static pyr_status relatedabove (const pyr_forest *f, uint32_t function, int64_t *value,
                                pyr_error *e) {
  const pyr_shape *s = f->shape;
  uint32_t *row = calloc(s->count, sizeof *row), rows = 0, i, k = s->k;
  int64_t *sums;
  if (row == NULL) return pyr_nomemory(e);
  for (i = s->count - 1; i > 0; i--)
    if ((s->function[i] == function || row[i] != 0) && row[s->parent[i]] == 0)
      row[s->parent[i]] = ++rows;
  sums = calloc((size_t)rows * k + 1, sizeof *sums);
  if (sums == NULL) {
    free(row);
    return pyr_nomemory(e);
  }
  for (i = s->count - 1; i > 0; i--) {
    uint32_t g = s->function[i], up = row[s->parent[i]];
    const int64_t *below = sums + (row[i] == 0 ? 0 : (size_t)(row[i] - 1) * k);
    if (g == function)
      below = pyr_forest_total(f, i);
    else if (row[i] == 0)
      continue;
    pyr_forest_add(sums + (size_t)(up - 1) * k, below, k);
    if (g != function && s->top[i]) pyr_forest_add(value + (size_t)g * k, below, k);
  }
  free(row);
  free(sums);
  return PYR_OK;
}

pyr_status pyr_forest_related (const pyr_forest *f, uint32_t function, pyr_relation how,
                               int64_t *value, pyr_error *e) {
  uint32_t *last;
  if (how == PYR_ABOVE) return relatedabove(f, function, value, e);
  last = calloc(f->shape->functions + 1u, sizeof *last);
  if (last == NULL) return pyr_nomemory(e);
  relatedinside(f, function, how, last, value);
  free(last);
  return PYR_OK;
}

pyr_status pyr_forest_sites (const pyr_forest *f, const uint8_t *flags, int64_t *value,
                             pyr_error *e) {
  const pyr_shape *s = f->shape;
  uint32_t *site = malloc(s->count * sizeof *site), i; /* so far on the way down */
  if (site == NULL) return pyr_nomemory(e);
  site[0] = 0;
  for (i = 0; i < s->count; i++) {
    const int64_t *other = pyr_forest_other(f, i);
    if (i > 0) {
      uint8_t flag = flags[s->function[i]];
      site[i] = site[s->parent[i]];
      if (flag == 1 || (flag == 2 && (site[i] == 0 || flags[site[i]] != 1)))
        site[i] = s->function[i];
    }
    pyr_forest_add(value + (size_t)site[i] * s->k, pyr_forest_self(f, i), s->k);
    if (other != NULL) pyr_forest_add(value + (size_t)site[i] * s->k, other, s->k);
  }
  free(site);
  return PYR_OK;
}

uint32_t pyr_forest_find (const pyr_forest *f, const char *bytes, size_t length) {
  const pyr_shape *s = f->shape;
  uint32_t from = 1, to = s->functions + 1;
  pyr_string name = {bytes, (uint32_t)length};
  if (length > UINT32_MAX) return 0;
  while (from < to) {
    uint32_t middle = from + (to - from) / 2;
    int order = pyr_string_compare(s->names[middle], name);
    if (order == 0) return middle;
    if (order < 0)
      from = middle + 1;
    else
      to = middle;
  }
  return 0;
}

uint32_t pyr_forest_child (const pyr_forest *f, uint32_t node, uint32_t function) {
  const pyr_shape *s = f->shape;
  uint32_t from = s->first[node], to = s->first[node + 1];
  while (from < to) {
    uint32_t middle = from + (to - from) / 2;
    if (s->function[middle] == function) return middle;
    if (s->function[middle] < function)
      from = middle + 1;
    else
      to = middle;
  }
  return 0;
}
