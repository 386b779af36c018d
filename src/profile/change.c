#include "profile/change.h"

#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"

int64_t pyr_union_other (const pyr_union *u, uint32_t side) {
  int64_t sum = 0;
  uint32_t i;
  if (!u->tree.cut || pyr_profile_other_name(&u->tree) == UINT32_MAX) return 0;
  for (i = 1; i < u->tree.count; i++)
    if (pyr_profile_is_other(&u->tree, i)) sum += u->selfs[2 * (size_t)i + side];
  return sum;
}

/* A node whose children are being visited. */
typedef struct opened {
  uint32_t next, end, group;
} opened;

pyr_status pyr_union_weigh (const pyr_union *u, const uint32_t *of, pyr_sideweight *w,
                            pyr_error *e) {
  const pyr_node *nodes = u->tree.nodes;
  opened *stack = malloc(u->tree.levels * sizeof *stack), *top = stack;
  if (stack == NULL) return pyr_nomemory(e);
  *top = (opened){nodes[0].first_child, nodes[1].first_child, 0};
  for (;;) {
    const pyr_node *n;
    const int64_t *self, *total;
    pyr_sideweight *mine;
    uint32_t g;
    bool leaf;
    if (top->next == top->end) {
      if (top == stack) break;
      w[top->group].open--;
      top--;
      continue;
    }
    self = u->selfs + 2 * (size_t)top->next;
    n = nodes + top->next++;
    leaf = n[1].first_child == n->first_child;
    g = of[n->frame];
    if (leaf && (g & PYR_GROUP_OTHER) != 0) continue;
    g &= ~PYR_GROUP_OTHER;
    mine = w + g;
    mine->seen = 1;
    mine->self[0] += self[0];
    mine->self[1] += self[1];
    if (mine->open == 0) {
      total = leaf ? self : u->totals + (self - u->selfs);
      mine->total[0] += total[0];
      mine->total[1] += total[1];
    }
    if (leaf) continue;
    mine->open++;
    *++top = (opened){n->first_child, n[1].first_child, g};
  }
  free(stack);
  return PYR_OK;
}

typedef struct ranking {
  const pyr_grouping *g;
  const long double *sizes;
} ranking;

static int compare (const void *a, const void *b, void *ranked) {
  const ranking *r = ranked;
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  if (r->sizes[x] != r->sizes[y]) return r->sizes[x] > r->sizes[y] ? -1 : 1;
  return pyr_group_order(r->g, x, y);
}

pyr_status pyr_union_rank (const pyr_grouping *g, const pyr_sideweight *w,
                           bool by_total, const double *factors, double least,
                           uint32_t **rows, uint32_t *count, uint32_t *all,
                           uint32_t *small, pyr_error *e) {
  uint32_t wanted = *count, n = 0, i;
  uint32_t *found = malloc((g->count + 1u) * sizeof *found);
  long double *sizes = malloc((g->count + 1u) * sizeof *sizes);
  ranking r = {g, sizes};
  if (found == NULL || sizes == NULL) {
    free(found);
    free(sizes);
    return pyr_nomemory(e);
  }
  *all = *small = 0;
  for (i = 0; i < g->count; i++) {
    if (!w[i].seen) continue;
    ++*all;
    sizes[i] = pyr_change(by_total ? w[i].total : w[i].self, factors);
    if (sizes[i] >= (long double)least)
      found[n++] = i;
    else
      *small += sizes[i] > 0;
  }
  if (wanted == 0 || wanted > n) wanted = n;
  pyr_group_best(found, n, wanted, compare, &r);
  free(sizes);
  *rows = found;
  *count = wanted;
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
