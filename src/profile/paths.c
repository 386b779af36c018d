#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"
#include "profile/top.h"

/* A node, its value, and its place in a walk by name: that is the order of whole paths. */
typedef struct stack {
  int64_t value;
  uint32_t place, node;
} stack;

static int comparestacks (const void *x, const void *y) {
  const stack *a = x, *b = y;
  if (a->value != b->value) return a->value > b->value ? -1 : 1;
  return a->place < b->place ? -1 : 1;
}

#define FEW 64

static uint32_t pick (const pyr_profile *p, const pyr_sorted *s, stack *best, uint32_t n) {
  uint32_t other = p->cut ? pyr_profile_other_name(p) : UINT32_MAX;
  uint32_t count = 0, place = 0, i = 0, at;
  while ((i = pyr_sorted_next(s, p, i)) != UINT32_MAX) {
    const pyr_node *node = p->nodes + i;
    stack mine = {node->self, ++place, i};
    if (node->self == 0) continue;
    if (p->frames[node->frame].name == other && node[1].first_child == node->first_child)
      continue;
    if (n > FEW) {
      best[count++] = mine;
      continue;
    }
    if (count == n && best[n - 1].value >= mine.value) continue; /* an equal one was first */
    at = count == n ? n - 1 : count++;
    for (; at > 0 && best[at - 1].value < mine.value; at--) best[at] = best[at - 1];
    best[at] = mine;
  }
  if (n > FEW) qsort(best, count, sizeof *best, comparestacks);
  return count < n ? count : n;
}

pyr_status pyr_profile_heaviest (const pyr_profile *p, uint32_t n, uint32_t **nodes,
                                 uint32_t *count, pyr_error *e) {
  pyr_sorted s;
  stack *best;
  uint32_t i;
  if (n == 0 || n > p->count) n = p->count;
  if (pyr_sorted_init(&s, p, e) != PYR_OK) return e->status;
  best = malloc((size_t)(n > FEW ? p->count : n) * sizeof *best);
  *nodes = malloc((size_t)n * sizeof **nodes);
  if (best == NULL || *nodes == NULL) {
    free(best);
    free(*nodes);
    *nodes = NULL;
    pyr_sorted_free(&s);
    return pyr_nomemory(e);
  }
  *count = pick(p, &s, best, n);
  for (i = 0; i < *count; i++) (*nodes)[i] = best[i].node;
  free(best);
  pyr_sorted_free(&s);
  return PYR_OK;
}
