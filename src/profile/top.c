#include <stdlib.h>
#include <string.h>

#include "profile/ops.h"
#include "profile/sorted.h"

typedef struct ranking {
  const pyr_grouping *g;
  const pyr_weight *w;
  bool by_total;
} ranking;

/* Negative: 'a' comes first. The last resort keeps equal names of lines in a fixed order. */
static int compare (const ranking *r, uint32_t a, uint32_t b) {
  const pyr_weight *x = r->w + a, *y = r->w + b;
  int64_t first = r->by_total ? x->total : x->self, second = r->by_total ? y->total : y->self;
  int order;
  if (first != second) return first > second ? -1 : 1;
  first = r->by_total ? x->self : x->total;
  second = r->by_total ? y->self : y->total;
  if (first != second) return first > second ? -1 : 1;
  order = pyr_string_compare(r->g->names[a], r->g->names[b]);
  if (order == 0 && r->g->by == PYR_BY_LINE) {
    const pyr_profile *p = r->g->p;
    const pyr_frame *f = p->frames + a, *h = p->frames + b;
    order = pyr_string_compare(p->strings[f->file], p->strings[h->file]);
    if (order == 0 && f->line != h->line) order = f->line < h->line ? -1 : 1;
  }
  return order != 0 ? order : a < b ? -1 : a > b;
}

static int comparequeued (const void *a, const void *b, void *r) {
  return compare(r, *(const uint32_t *)a, *(const uint32_t *)b);
}

#define FEW 256

pyr_status pyr_profile_top (const pyr_grouping *g, const pyr_weight *w, bool by_total,
                            uint32_t **rows, uint32_t *count, uint32_t *all,
                            pyr_error *e) {
  ranking r = {g, w, by_total};
  uint32_t wanted = *count, n = 0, i, seen = 0;
  uint32_t *found;
  for (i = 0; i < g->count; i++) seen += w[i].seen != 0;
  if (wanted == 0 || wanted > seen) wanted = seen;
  found = malloc((seen + 1u) * sizeof *found);
  if (found == NULL) return pyr_nomemory(e);
  if (wanted > FEW) {
    for (i = 0; i < g->count; i++)
      if (w[i].seen) found[n++] = i;
    qsort_r(found, n, sizeof *found, comparequeued, &r);
  } else
    for (i = 0; i < g->count; i++) { /* insertion among the best so far */
      uint32_t at;
      if (!w[i].seen || wanted == 0) continue;
      if (n == wanted && compare(&r, i, found[n - 1]) > 0) continue;
      at = n < wanted ? n++ : n - 1;
      for (; at > 0 && compare(&r, i, found[at - 1]) < 0; at--) found[at] = found[at - 1];
      found[at] = i;
    }
  *rows = found;
  *count = wanted;
  *all = seen;
  return PYR_OK;
}

/*
** Walks depth first and keeps which names are open. An edge is (name above, name below); the
** one side is fixed, so a counter for each name on the other side tells whether the edge is
** already on the stack.
*/
pyr_status pyr_profile_edges (const pyr_profile *p, uint32_t name, bool callers,
                              int64_t *values, int64_t *root, pyr_error *e) {
  uint32_t *path = malloc((p->levels + 1u) * sizeof *path);
  uint32_t *open = calloc(p->string_count + 1u, sizeof *open);
  uint32_t i, depth = 0, rootopen = 0;
  *root = 0;
  if (path == NULL || open == NULL) {
    free(path);
    free(open);
    return pyr_nomemory(e);
  }
  for (i = pyr_profile_next(p, 0); i != UINT32_MAX; i = pyr_profile_next(p, i)) {
    const pyr_node *n = p->nodes + i;
    uint32_t below, above;
    for (; depth >= n->level; depth--) { /* close what is not above this node */
      const pyr_node *c;
      if (depth == 0) break;
      c = p->nodes + path[depth];
      below = p->frames[c->frame].name;
      above = p->frames[p->nodes[c->parent].frame].name;
      if (callers && below == name) {
        if (c->parent == 0)
          rootopen--;
        else
          open[above]--;
      } else if (!callers && above == name && c->parent != 0)
        open[below]--;
    }
    depth = n->level;
    path[depth] = i;
    below = p->frames[n->frame].name;
    above = p->frames[p->nodes[n->parent].frame].name;
    if (callers && below == name) {
      if (n->parent == 0) {
        if (rootopen++ == 0) *root += n->total;
      } else if (open[above]++ == 0)
        values[above] += n->total;
    } else if (!callers && above == name && n->parent != 0 && open[below]++ == 0)
      values[below] += n->total;
  }
  free(path);
  free(open);
  return PYR_OK;
}

static int compareline (const void *a, const void *b, void *p) {
  const pyr_linerow *x = a, *y = b;
  const pyr_profile *profile = p;
  if (x->line != y->line) return x->line < y->line ? -1 : 1;
  return pyr_string_compare(profile->strings[x->name], profile->strings[y->name]);
}

pyr_status pyr_profile_lines (const pyr_profile *p, uint32_t file, uint32_t only,
                              pyr_linerow **rows, uint32_t *count, pyr_error *e) {
  pyr_grouping g;
  pyr_weight *w;
  pyr_linerow *out = NULL;
  int64_t other;
  uint32_t n = 0, f;
  pyr_status status = pyr_grouping_init(&g, p, PYR_BY_LINE, e);
  if (status != PYR_OK) return status;
  w = calloc(g.count + 1u, sizeof *w);
  out = malloc((p->frame_count + 1u) * sizeof *out);
  status = w == NULL || out == NULL ? pyr_nomemory(e) : pyr_profile_weigh(p, g.of, w, &other, e);
  for (f = 1; status == PYR_OK && f < p->frame_count; f++) {
    const pyr_frame *frame = p->frames + f;
    if (frame->file != file || !w[f].seen) continue;
    if (only != UINT32_MAX && frame->name != only) continue;
    out[n++] = (pyr_linerow){frame->line, frame->name, w[f].self, w[f].total};
  }
  if (status == PYR_OK)
    qsort_r(out, n, sizeof *out, compareline, (void *)(uintptr_t)p);
  else {
    free(out);
    out = NULL;
  }
  free(w);
  pyr_grouping_free(&g);
  *rows = out;
  *count = n;
  return status;
}

typedef struct heavy {
  int64_t value;
  uint32_t place, node;
} heavy;

static int compareheavy (const void *a, const void *b) {
  const heavy *x = a, *y = b;
  if (x->value != y->value) return x->value > y->value ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

pyr_status pyr_profile_heaviest (const pyr_profile *p, uint32_t **nodes, uint32_t *count,
                                 pyr_error *e) {
  pyr_sorted s;
  heavy *all = malloc((p->count + 1u) * sizeof *all);
  uint32_t n = 0, i, place = 0;
  if (all == NULL) return pyr_nomemory(e);
  if (pyr_sorted_init(&s, p, e) != PYR_OK) {
    free(all);
    return e->status;
  }
  for (i = 0; i != UINT32_MAX; i = pyr_sorted_next(&s, p, i), place++)
    if (p->nodes[i].self != 0 && !pyr_profile_is_other(p, i))
      all[n++] = (heavy){p->nodes[i].self, place, i};
  pyr_sorted_free(&s);
  qsort(all, n, sizeof *all, compareheavy);
  if (n < *count || *count == 0) *count = n;
  *nodes = malloc((*count + 1u) * sizeof **nodes);
  for (i = 0; *nodes != NULL && i < *count; i++) (*nodes)[i] = all[i].node;
  free(all);
  return *nodes == NULL ? pyr_nomemory(e) : PYR_OK;
}
