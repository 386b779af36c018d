#include <stdlib.h>
#include <string.h>

#include "profile/ops.h"
#include "profile/sorted.h"

typedef struct ranking {
  const pyr_grouping *g;
  const pyr_weight *w;
  bool by_total;
} ranking;

static int compare (const void *a, const void *b, void *ranked) {
  const ranking *r = ranked;
  const pyr_weight *x = r->w + *(const uint32_t *)a, *y = r->w + *(const uint32_t *)b;
  int64_t first = r->by_total ? x->total : x->self,
          second = r->by_total ? y->total : y->self;
  if (first != second) return first > second ? -1 : 1;
  return pyr_group_order(r->g, *(const uint32_t *)a, *(const uint32_t *)b);
}

pyr_status pyr_profile_top (const pyr_grouping *g, const pyr_weight *w, bool by_total,
                            uint32_t **rows, uint32_t *count, uint32_t *all,
                            pyr_error *e) {
  ranking r = {g, w, by_total};
  uint32_t wanted = *count, n = 0, i;
  uint32_t *found = malloc((g->count + 1u) * sizeof *found);
  if (found == NULL) return pyr_nomemory(e);
  for (i = 0; i < g->count; i++)
    if (w[i].seen) found[n++] = i;
  if (wanted == 0 || wanted > n) wanted = n;
  pyr_group_best(found, n, wanted, compare, &r);
  *rows = found;
  *count = wanted;
  *all = n;
  return PYR_OK;
}

/*
** One walk; 'path' has the open nodes by level. An edge is (name above, name below) and one side
** is fixed, so a counter for each name on the other side tells whether the edge is already on
** the stack.
*/
typedef struct edgewalk {
  const pyr_profile *p;
  uint32_t name;
  bool callers;
  uint32_t *open; /* by name */
} edgewalk;

/* The name whose edge to the function ends with this node, or UINT32_MAX. */
static uint32_t faredge (const edgewalk *w, uint32_t i) {
  const pyr_node *n = w->p->nodes + i;
  uint32_t below = w->p->frames[n->frame].name;
  uint32_t above = w->p->frames[w->p->nodes[n->parent].frame].name;
  if (n->parent == 0 || above == below || pyr_profile_is_other(w->p, i))
    return UINT32_MAX;
  if (w->callers) return below == w->name ? above : UINT32_MAX;
  return above == w->name ? below : UINT32_MAX;
}

static void walkedges (const edgewalk *w, uint32_t *path, int64_t *values,
                       int64_t *root, int64_t *cut) {
  const pyr_profile *p = w->p;
  uint32_t i, depth = 0, far;
  for (i = pyr_profile_next(p, 0); i != UINT32_MAX; i = pyr_profile_next(p, i)) {
    const pyr_node *n = p->nodes + i;
    for (; depth >= n->level; depth--) { /* close what is not above this node */
      far = faredge(w, path[depth]);
      if (far != UINT32_MAX) w->open[far]--;
    }
    depth = n->level;
    path[depth] = i;
    far = faredge(w, i);
    if (far != UINT32_MAX) {
      if (w->open[far]++ == 0) values[far] += n->total;
    } else if (pyr_profile_is_other(p, i)) {
      if (n->parent != 0 && p->frames[p->nodes[n->parent].frame].name == w->name)
        *cut += n->total;
    } else if (n->parent == 0 && p->frames[n->frame].name == w->name)
      *root += n->total;
  }
}

pyr_status pyr_profile_edges (const pyr_profile *p, uint32_t name, bool callers,
                              int64_t *values, int64_t *root, int64_t *cut,
                              pyr_error *e) {
  uint32_t *path = malloc((p->levels + 1u) * sizeof *path);
  uint32_t *open = calloc(p->string_count + 1u, sizeof *open);
  edgewalk w = {p, name, callers, open};
  *root = *cut = 0;
  if (path != NULL && open != NULL) walkedges(&w, path, values, root, cut);
  free(path);
  free(open);
  return path == NULL || open == NULL ? pyr_nomemory(e) : PYR_OK;
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
  pyr_status status;
  *rows = NULL;
  *count = 0;
  if (p->granularity != PYR_BY_LINE)
    return pyr_fail(e, PYR_EUNSUPPORTED, "the profile has no lines", PYR_NOWHERE);
  status = pyr_grouping_init(&g, p, PYR_BY_LINE, e);
  if (status != PYR_OK) return status;
  w = calloc(g.count + 1u, sizeof *w);
  out = malloc((p->frame_count + 1u) * sizeof *out);
  status = w == NULL || out == NULL ? pyr_nomemory(e)
                                    : pyr_profile_weigh(p, g.of, w, &other, e);
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

pyr_status pyr_profile_heaviest (const pyr_profile *p, uint32_t **nodes,
                                 uint32_t *count, pyr_error *e) {
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
  for (i = 0; *nodes != NULL && i < *count; i++)
    (*nodes)[i] = all[i].node;
  free(all);
  return *nodes == NULL ? pyr_nomemory(e) : PYR_OK;
}
