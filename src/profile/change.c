#include "profile/change.h"

#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"

int64_t pyr_union_other (const pyr_union *u, uint32_t side) {
  int64_t sum = 0;
  uint32_t i;
  for (i = 1; i < u->tree.count; i++)
    if (pyr_profile_is_other(&u->tree, i)) sum += u->selfs[2 * (size_t)i + side];
  return sum;
}

pyr_status pyr_union_weigh (const pyr_union *u, const uint32_t *of, pyr_sideweight *w,
                            pyr_error *e) {
  const pyr_profile *p = &u->tree;
  uint32_t *path = malloc((p->levels + 1u) * sizeof *path), depth = 0, i, s;
  if (path == NULL) return pyr_nomemory(e);
  for (i = pyr_profile_next(p, 0); i != UINT32_MAX; i = pyr_profile_next(p, i)) {
    const pyr_node *n = p->nodes + i;
    uint32_t g = of[n->frame] & ~PYR_GROUP_OTHER;
    for (; depth >= n->level && depth > 0; depth--)
      if (path[depth] != UINT32_MAX) w[path[depth]].open--;
    depth = n->level;
    path[depth] = UINT32_MAX;
    if ((of[n->frame] & PYR_GROUP_OTHER) != 0 && pyr_profile_is_other(p, i)) continue;
    path[depth] = g;
    w[g].seen = 1;
    for (s = 0; s < 2; s++) {
      w[g].self[s] += u->selfs[2 * (size_t)i + s];
      if (w[g].open == 0) w[g].total[s] += u->totals[2 * (size_t)i + s];
    }
    w[g].open++;
  }
  free(path);
  return PYR_OK;
}

typedef struct candidate {
  long double size;
  uint32_t node, place; /* in a walk by name */
} candidate;

static int larger (const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

/* Marks a node and those above it that are not yet; false if that would be more than 'room'. */
static bool markpath (const pyr_profile *p, uint32_t node, bool *kept, uint32_t room,
                      uint32_t *marked) {
  uint32_t i, needed = 0;
  for (i = node; i != 0 && !kept[i]; i = p->nodes[i].parent)
    if (needed++ == room) return false;
  for (i = node; i != 0 && !kept[i]; i = p->nodes[i].parent)
    kept[i] = true;
  *marked += needed;
  return true;
}

static pyr_status choose (const pyr_union *u, const double *factors, double least,
                          uint32_t n, const pyr_sorted *s, bool *kept, uint32_t *marked,
                          pyr_error *e) {
  const pyr_profile *p = &u->tree;
  candidate *list = malloc((p->count + 1u) * sizeof *list);
  uint32_t i, place = 0, count = 0;
  if (list == NULL) return pyr_nomemory(e);
  for (i = pyr_sorted_next(s, p, 0); i != UINT32_MAX; i = pyr_sorted_next(s, p, i)) {
    long double size = pyr_change(u->totals + 2 * (size_t)i, factors);
    place++;
    if (size > 0 && size >= (long double)least && !pyr_profile_is_other(p, i))
      list[count++] = (candidate){size, i, place};
  }
  qsort(list, count, sizeof *list, larger);
  for (i = 0; i < count && *marked < n; i++)
    markpath(p, list[i].node, kept, n - *marked, marked);
  free(list);
  return PYR_OK;
}

pyr_status pyr_union_changed (const pyr_union *u, const double *factors, double least,
                              uint32_t n, uint32_t **nodes, uint32_t *count,
                              pyr_error *e) {
  const pyr_profile *p = &u->tree;
  pyr_sorted s;
  pyr_status status;
  bool *kept = calloc(p->count + 1u, sizeof *kept);
  uint32_t i, k = 0, marked = 0;
  *nodes = NULL;
  *count = 0;
  if (kept == NULL) return pyr_nomemory(e);
  status = pyr_sorted_init(&s, p, e);
  if (status == PYR_OK) {
    status = choose(u, factors, least, n == 0 ? UINT32_MAX : n, &s, kept, &marked, e);
    if (status == PYR_OK) *nodes = malloc((marked + 1u) * sizeof **nodes);
    if (status == PYR_OK && *nodes == NULL) status = pyr_nomemory(e);
    for (i = 0; status == PYR_OK && i != UINT32_MAX; i = pyr_sorted_next(&s, p, i))
      if (kept[i]) (*nodes)[k++] = i;
    pyr_sorted_free(&s);
  }
  free(kept);
  *count = k;
  return status;
}
