#include "profile/union.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "profile/stacks.h"

#define NONE UINT32_MAX

/*
** The growing result is its own queue. Every merged node has a list of the source nodes that
** went into it; its children are found by looking at the children of those, with one stamp
** per frame: which node is the child of which parent. Nothing is cleared between parents, and
** duplicate siblings add up by themselves.
*/
typedef struct source {
  uint32_t input, first, end, next; /* children of a node of the input */
} source;

typedef struct stamp {
  uint32_t parent, child; /* parent + 1, 0: none yet */
} stamp;

typedef struct aligner {
  pyr_union *u;
  const pyr_profile *const *inputs;
  uint32_t k;
  bool matrix;
  uint32_t **maps; /* [k] frame of an input -> frame of the result */
  source *sources;
  uint32_t source_count, source_cap;
  uint32_t *lists; /* [node_cap] first source of a node with children, or NONE */
  stamp *stamps;   /* [frames] */
  uint32_t node_cap;
} aligner;

void pyr_union_free (pyr_union *u) {
  pyr_profile_free(&u->tree);
  free(u->selfs);
  free(u->totals);
  memset(u, 0, sizeof *u);
}

/* Room for all nodes of two inputs, or the largest one twice: growing copies, and pages that
   nobody touches cost nothing. */
static uint32_t firstcap (const aligner *a) {
  uint64_t sum = 0, most = 0;
  uint32_t j;
  for (j = 0; j < a->k; j++) {
    sum += a->inputs[j]->count;
    if (a->inputs[j]->count > most) most = a->inputs[j]->count;
  }
  if (sum > 2 * most) sum = 2 * most;
  return sum < PYR_NODES_MAX ? (uint32_t)sum : PYR_NODES_MAX;
}

static pyr_status growresult (aligner *a, pyr_error *e) {
  uint32_t cap = a->node_cap == 0 ? firstcap(a) : a->node_cap * 2;
  if (a->node_cap > PYR_NODES_MAX / 2)
    return pyr_fail(e, PYR_ELIMIT, "more nodes than a profile can hold", PYR_NOWHERE);
  if (!pyr_resize(&a->u->tree.nodes, (size_t)cap + 1, sizeof(pyr_node)) ||
      !pyr_resize(&a->lists, cap, sizeof *a->lists))
    return pyr_nomemory(e);
  if (a->matrix && (!pyr_resize(&a->u->selfs, (size_t)cap * a->k, sizeof(int64_t)) ||
                    !pyr_resize(&a->u->totals, (size_t)cap * a->k, sizeof(int64_t))))
    return pyr_nomemory(e);
  a->node_cap = cap;
  return PYR_OK;
}

/* Gives back what was reserved; where that fails all stays as it was. */
static void trim (aligner *a) {
  pyr_union *u = a->u;
  size_t count = u->tree.count;
  pyr_resize(&u->tree.nodes, count + 1, sizeof(pyr_node));
  if (!a->matrix) return;
  pyr_resize(&u->selfs, count * a->k, sizeof(int64_t));
  pyr_resize(&u->totals, count * a->k, sizeof(int64_t));
}

static pyr_status addnode (aligner *a, uint32_t parent, uint32_t frame, uint32_t level,
                           pyr_error *e) {
  pyr_profile *t = &a->u->tree;
  size_t j;
  if (t->count == a->node_cap && growresult(a, e) != PYR_OK) return e->status;
  t->nodes[t->count] = (pyr_node){0, 0, frame, parent, 0, level};
  a->lists[t->count] = NONE;
  for (j = (size_t)t->count * a->k; a->matrix && j < ((size_t)t->count + 1) * a->k; j++)
    a->u->selfs[j] = a->u->totals[j] = 0;
  if (level + 1 > t->levels) t->levels = level + 1;
  t->count++;
  return PYR_OK;
}

/* Adds node 'from' of input 'j' to the merged node 'to', and to its list if there is
   anything below. The sum of all roots was checked, so nothing here can overflow. */
static pyr_status addsource (aligner *a, uint32_t to, uint32_t j, uint32_t from,
                             pyr_error *e) {
  const pyr_node *n = a->inputs[j]->nodes + from;
  pyr_node *m = a->u->tree.nodes + to;
  m->self += n->self;
  m->total += n->total;
  if (a->matrix) {
    a->u->selfs[(size_t)to * a->k + j] += n->self;
    a->u->totals[(size_t)to * a->k + j] += n->total;
  }
  if (n[1].first_child == n->first_child) return PYR_OK;
  if (a->source_count == a->source_cap) {
    uint32_t cap = a->source_cap == 0 ? firstcap(a) : a->source_cap * 2;
    if (a->source_cap > UINT32_MAX / 2)
      return pyr_fail(e, PYR_ELIMIT, "more nodes than can be merged", PYR_NOWHERE);
    if (!pyr_resize(&a->sources, cap, sizeof *a->sources)) return pyr_nomemory(e);
    a->source_cap = cap;
  }
  a->sources[a->source_count] =
      (source){j, n->first_child, n[1].first_child, a->lists[to]};
  a->lists[to] = a->source_count++;
  return PYR_OK;
}

static pyr_status addchildren (aligner *a, uint32_t parent, const source *of,
                               pyr_error *e) {
  const pyr_node *nodes = a->inputs[of->input]->nodes;
  uint32_t c, level = a->u->tree.nodes[parent].level + 1, j = of->input, end = of->end;
  for (c = of->first; c < end; c++) { /* 'of' may move */
    uint32_t g = a->maps[j][nodes[c].frame];
    stamp *s = a->stamps + g;
    if (s->parent != parent + 1) {
      *s = (stamp){parent + 1, a->u->tree.count};
      if (addnode(a, parent, g, level, e) != PYR_OK) return e->status;
    }
    if (addsource(a, s->child, j, c, e) != PYR_OK) return e->status;
  }
  return PYR_OK;
}

/* The list holds the sources last first; children should come in the order of the inputs. */
static uint32_t reversed (aligner *a, uint32_t s) {
  uint32_t before = NONE;
  while (s != NONE) {
    uint32_t next = a->sources[s].next;
    a->sources[s].next = before;
    before = s;
    s = next;
  }
  return before;
}

/* Children of one input lie together, but far from those of the next: the processor is told
   ahead which ones come. */
#define AHEAD 12

static void soon (const aligner *a, uint32_t i) {
  const source *s;
  if (i >= a->u->tree.count || a->lists[i] == NONE) return;
  s = a->sources + a->lists[i];
  __builtin_prefetch(a->inputs[s->input]->nodes + s->first);
  if (s->next == NONE) return;
  s = a->sources + s->next;
  __builtin_prefetch(a->inputs[s->input]->nodes + s->first);
}

static pyr_status aligntrees (aligner *a, pyr_error *e) {
  uint32_t i, j, s;
  if (addnode(a, 0, 0, 0, e) != PYR_OK) return e->status;
  for (j = 0; j < a->k; j++)
    if (addsource(a, 0, j, 0, e) != PYR_OK) return e->status;
  for (i = 0; i < a->u->tree.count; i++) {
    a->u->tree.nodes[i].first_child = a->u->tree.count;
    soon(a, i + AHEAD);
    for (s = reversed(a, a->lists[i]); s != NONE; s = a->sources[s].next)
      if (addchildren(a, i, a->sources + s, e) != PYR_OK) return e->status;
  }
  i = a->u->tree.count;
  a->u->tree.nodes[i] = (pyr_node){0, 0, 0, 0, i, 0};
  return PYR_OK;
}

/* One frame table for all inputs; a->maps leads into it. */
static pyr_status unitenames (aligner *a, pyr_stacks *table, pyr_error *e) {
  uint32_t j, f;
  for (j = 0; j < a->k; j++) {
    const pyr_profile *in = a->inputs[j];
    uint32_t *ids = malloc(in->string_count * sizeof *ids);
    pyr_status status = PYR_OK;
    a->maps[j] = malloc(in->frame_count * sizeof **a->maps);
    if (ids == NULL || a->maps[j] == NULL) status = pyr_nomemory(e);
    for (f = 0; status == PYR_OK && f < in->string_count; f++)
      if (pyr_names_intern(&table->names, in->strings[f].bytes, in->strings[f].length,
                           ids + f) != PYR_OK)
        status = pyr_nomemory(e);
    if (status == PYR_OK) a->maps[j][0] = 0;
    for (f = 1; status == PYR_OK && f < in->frame_count; f++) {
      const pyr_frame *from = in->frames + f;
      status =
          pyr_stacks_frame(table, ids[from->name], ids[from->file], ids[from->object],
                           from->line, from->start_line, a->maps[j] + f, e);
      if (status == PYR_OK && table->frames[a->maps[j][f]].line == 0)
        table->frames[a->maps[j][f]].line = from->line;
    }
    free(ids);
    if (status != PYR_OK) return status;
  }
  return PYR_OK;
}

static pyr_status checksums (const pyr_profile *const *inputs, uint32_t k,
                             pyr_error *e) {
  int64_t sum = 0;
  uint32_t j;
  for (j = 0; j < k; j++)
    if (__builtin_add_overflow(sum, inputs[j]->nodes[0].total, &sum))
      return pyr_fail(e, PYR_EDECODE, "the sum of the profiles exceeds 64 bits",
                      PYR_NOWHERE);
  return PYR_OK;
}

static pyr_status run (aligner *a, pyr_stacks *table, pyr_error *e) {
  pyr_profile *t = &a->u->tree;
  a->maps = calloc(a->k, sizeof *a->maps);
  if (a->maps == NULL) return pyr_nomemory(e);
  if (unitenames(a, table, e) != PYR_OK) return e->status;
  a->stamps = calloc(table->frame_count, sizeof *a->stamps);
  if (a->stamps == NULL) return pyr_nomemory(e);
  if (aligntrees(a, e) != PYR_OK) return e->status;
  if (pyr_profile_take_names(t, &table->names, e) != PYR_OK) return e->status;
  t->frames = table->frames;
  t->frame_count = table->frame_count;
  table->frames = NULL;
  trim(a);
  return PYR_OK;
}

static pyr_status align (pyr_union *u, const pyr_profile *const *inputs, uint32_t k,
                         bool matrix, pyr_error *e) {
  aligner a = {.u = u, .inputs = inputs, .k = k, .matrix = matrix};
  pyr_granularity by = inputs[0]->granularity;
  pyr_stacks table;
  pyr_status status;
  uint32_t j;
  memset(u, 0, sizeof *u);
  u->k = k;
  for (j = 0; j < k; j++) {
    u->tree.cut |= inputs[j]->cut;
    if (inputs[j]->granularity != by) by = PYR_BY_FUNCTION;
  }
  u->tree.granularity = by;
  status = checksums(inputs, k, e);
  if (status == PYR_OK) {
    status = pyr_stacks_init(&table, by, e);
    if (status == PYR_OK) status = run(&a, &table, e);
    pyr_stacks_free(&table);
  }
  for (j = 0; a.maps != NULL && j < k; j++)
    free(a.maps[j]);
  free(a.maps);
  free(a.sources);
  free(a.lists);
  free(a.stamps);
  if (status != PYR_OK) pyr_union_free(u);
  return status;
}

pyr_status pyr_profile_align (pyr_union *u, const pyr_profile *const *inputs,
                              uint32_t k, pyr_error *e) {
  return align(u, inputs, k, true, e);
}

pyr_status pyr_profile_merge (pyr_profile *p, const pyr_profile *const *inputs,
                              uint32_t k, pyr_error *e) {
  pyr_union u;
  pyr_status status = align(&u, inputs, k, false, e);
  if (status == PYR_OK) *p = u.tree; /* without a matrix the tree is all there is */
  return status;
}
