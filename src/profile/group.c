#include "profile/group.h"

#include <stdlib.h>
#include <string.h>

#include "profile/package.h"
#include "profile/sorted.h"

static pyr_string text (const char *s) {
  return (pyr_string){s, (uint32_t)strlen(s)};
}

static pyr_status internunknown (pyr_names *names, pyr_string object, uint32_t *id) {
  pyr_string base = pyr_basename(object);
  pyr_status status;
  char *name;
  if (base.length == 0) return pyr_names_intern(names, "<unknown>", 9, id);
  name = malloc((size_t)base.length + 2);
  if (name == NULL) return PYR_EMEMORY;
  name[0] = '[';
  memcpy(name + 1, base.bytes, base.length);
  name[base.length + 1] = ']';
  status = pyr_names_intern(names, name, base.length + 2, id);
  free(name);
  return status;
}

static pyr_status groupby (pyr_grouping *g, uint32_t frame) {
  const pyr_profile *p = g->p;
  const pyr_frame *f = p->frames + frame;
  pyr_string s =
      g->by == PYR_BY_FILE ? p->strings[f->file] : pyr_package(p->strings[f->name]);
  if (frame == 0) {
    g->of[0] = 0;
    return PYR_OK;
  }
  if (s.length == 0 && g->by == PYR_BY_FILE)
    return internunknown(&g->table, p->strings[f->object], g->of + frame);
  if (s.length == 0)
    s = pyr_package_of_place(p->strings[f->file], p->strings[f->object]);
  if (s.length == 0) s = text("<none>");
  return pyr_names_intern(&g->table, s.bytes, s.length, g->of + frame);
}

static pyr_status byname (pyr_grouping *g, pyr_error *e) {
  uint32_t f;
  if (pyr_names_init(&g->table, 1) != PYR_OK) return pyr_nomemory(e);
  for (f = 0; f < g->p->frame_count; f++)
    if (groupby(g, f) != PYR_OK) return pyr_nomemory(e);
  g->names = g->table.strings;
  g->count = g->table.count;
  return PYR_OK;
}

static pyr_status byframe (pyr_grouping *g, pyr_error *e) {
  const pyr_profile *p = g->p;
  uint32_t f;
  g->frame_names = malloc(p->frame_count * sizeof *g->frame_names);
  if (g->frame_names == NULL) return pyr_nomemory(e);
  for (f = 0; f < p->frame_count; f++) {
    g->of[f] = f;
    g->frame_names[f] = p->strings[p->frames[f].name];
  }
  g->names = g->frame_names;
  g->count = p->frame_count;
  return PYR_OK;
}

pyr_status pyr_grouping_init (pyr_grouping *g, const pyr_profile *p, pyr_granularity by,
                              pyr_error *e) {
  pyr_status status = PYR_OK;
  uint32_t other = p->cut ? pyr_profile_other_name(p) : UINT32_MAX, f;
  memset(g, 0, sizeof *g);
  g->p = p;
  g->by = by;
  g->of = malloc(p->frame_count * sizeof *g->of);
  if (g->of == NULL) return pyr_nomemory(e);
  if (by == PYR_BY_FUNCTION) {
    for (f = 0; f < p->frame_count; f++)
      g->of[f] = p->frames[f].name;
    g->names = p->strings;
    g->count = p->string_count;
  } else
    status = by == PYR_BY_LINE ? byframe(g, e) : byname(g, e);
  for (f = 1; status == PYR_OK && f < p->frame_count; f++)
    if (p->frames[f].name == other) g->of[f] |= PYR_GROUP_OTHER;
  if (status != PYR_OK) pyr_grouping_free(g);
  return status;
}

void pyr_grouping_free (pyr_grouping *g) {
  free(g->of);
  free(g->frame_names);
  pyr_names_free(&g->table);
  memset(g, 0, sizeof *g);
}

int pyr_group_order (const pyr_grouping *g, uint32_t a, uint32_t b) {
  int order = pyr_string_compare(g->names[a], g->names[b]);
  if (order == 0 && g->by == PYR_BY_LINE) {
    const pyr_profile *p = g->p;
    const pyr_frame *f = p->frames + a, *h = p->frames + b;
    order = pyr_string_compare(p->strings[f->file], p->strings[h->file]);
    if (order == 0 && f->line != h->line) order = f->line < h->line ? -1 : 1;
  }
  return order != 0 ? order : a < b ? -1 : a > b;
}

#define FEW 256

void pyr_group_best (uint32_t *ids, uint32_t n, uint32_t wanted,
                     int (*compare)(const void *, const void *, void *),
                     void *context) {
  uint32_t i, kept = 0;
  if (wanted > FEW) {
    qsort_r(ids, n, sizeof *ids, compare, context);
    return;
  }
  for (i = 0; i < n && wanted != 0; i++) { /* insertion among the best so far */
    uint32_t id = ids[i], at;
    if (kept == wanted && compare(&id, ids + kept - 1, context) > 0) continue;
    at = kept < wanted ? kept++ : kept - 1;
    for (; at > 0 && compare(&id, ids + at - 1, context) < 0; at--)
      ids[at] = ids[at - 1];
    ids[at] = id;
  }
}

/* A node whose children are being visited. */
typedef struct opened {
  uint32_t next, end, group;
} opened;

pyr_status pyr_profile_weigh (const pyr_profile *p, const uint32_t *of, pyr_weight *w,
                              int64_t *other, pyr_error *e) {
  const pyr_node *nodes = p->nodes;
  opened *stack = malloc(p->levels * sizeof *stack), *top = stack;
  int64_t cut = 0;
  if (stack == NULL) return pyr_nomemory(e);
  *top = (opened){nodes[0].first_child, nodes[1].first_child, 0};
  for (;;) {
    const pyr_node *n;
    pyr_weight *mine;
    uint32_t g;
    if (top->next == top->end) {
      if (top == stack) break;
      w[top->group].open--;
      top--;
      continue;
    }
    n = nodes + top->next++;
    g = of[n->frame];
    if (n[1].first_child == n->first_child) {
      if (g & PYR_GROUP_OTHER) {
        cut += n->self;
        continue;
      }
      mine = w + g;
      if (mine->open == 0) mine->total += n->total;
    } else {
      g &= ~PYR_GROUP_OTHER;
      mine = w + g;
      if (mine->open++ == 0) mine->total += n->total;
      *++top = (opened){n->first_child, n[1].first_child, g};
    }
    mine->self += n->self;
    mine->seen = 1;
  }
  free(stack);
  *other = cut;
  return PYR_OK;
}

static bool speaksfor (const pyr_profile *p, const pyr_weight *w, uint32_t f,
                       uint32_t best) {
  if (best == UINT32_MAX) return true;
  if (w[f].self != w[best].self) return w[f].self > w[best].self;
  if (w[f].total != w[best].total) return w[f].total > w[best].total;
  return p->frames[f].line < p->frames[best].line;
}

pyr_status pyr_grouping_frames (const pyr_grouping *g, uint32_t **frames,
                                pyr_error *e) {
  const pyr_profile *p = g->p;
  pyr_weight *w = calloc(p->frame_count, sizeof *w);
  pyr_grouping lines = {0};
  pyr_status status = PYR_OK;
  int64_t other;
  uint32_t f;
  *frames = malloc((size_t)g->count * sizeof **frames);
  if (*frames == NULL || w == NULL) status = pyr_nomemory(e);
  if (status == PYR_OK && p->granularity == PYR_BY_LINE && g->by != PYR_BY_LINE) {
    status = pyr_grouping_init(&lines, p, PYR_BY_LINE, e);
    if (status == PYR_OK) status = pyr_profile_weigh(p, lines.of, w, &other, e);
    pyr_grouping_free(&lines);
  }
  if (status == PYR_OK) {
    for (f = 0; f < g->count; f++)
      (*frames)[f] = UINT32_MAX;
    for (f = 1; f < p->frame_count; f++) {
      uint32_t *best = *frames + (g->of[f] & ~PYR_GROUP_OTHER);
      if (speaksfor(p, w, f, *best)) *best = f;
    }
  } else {
    free(*frames);
    *frames = NULL;
  }
  free(w);
  return status;
}
