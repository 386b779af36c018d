#include "profile/forest.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define NONE UINT32_MAX
#define OTHER                                                                          \
  UINT32_C(0x80000000) /* in a map: leaves of this frame may be truncated stacks */

/* ---- handles ---- */

static void freeshape (pyr_shape *s) {
  free(s->parent);
  free(s->first);
  free(s->level);
  free(s->function);
  free(s->cut);
  free(s->size);
  free(s->pre);
  free(s->at);
  free(s->by);
  free(s->start);
  free(s->top);
  free(s->selfs);
  free(s->totals);
  free(s->others);
  free(s->names);
  free(s->text);
  free(s);
}

void pyr_forest_free (pyr_forest *f) {
  if (f->shape != NULL && --f->shape->refs == 0) freeshape(f->shape);
  free(f->gone);
  free(f->row);
  free(f->rows);
  free(f->zero);
  memset(f, 0, sizeof *f);
}

size_t pyr_forest_bytes (const pyr_forest *f) {
  const pyr_shape *s = f->shape;
  size_t vector = s->k * sizeof(int64_t);
  if (f->gone != NULL) return (size_t)s->count * 5 + f->row_count * vector;
  return (size_t)s->count * (9 * sizeof(uint32_t) + 1 + 2 * vector) +
         s->cut_count * vector;
}

/* ---- names ---- */

void pyr_planting_free (pyr_planting *b) {
  uint32_t j;
  for (j = 0; b->maps != NULL && j < b->k; j++)
    free(b->maps[j]);
  free(b->maps);
  free(b->to);
  pyr_names_free(&b->raw);
  pyr_names_free(&b->names);
  memset(b, 0, sizeof *b);
}

static pyr_status mapframes (pyr_planting *b, uint32_t j, pyr_error *e) {
  const pyr_profile *in = b->inputs[j];
  uint32_t f;
  b->maps[j] = malloc((in->frame_count + 1u) * sizeof **b->maps);
  if (b->maps[j] == NULL) return pyr_nomemory(e);
  for (f = 0; f < in->frame_count; f++) {
    const pyr_string *s = in->strings + in->frames[f].name;
    if (pyr_names_intern(&b->raw, s->bytes, s->length, b->maps[j] + f) != PYR_OK)
      return pyr_nomemory(e);
  }
  return PYR_OK;
}

pyr_status pyr_forest_begin (pyr_planting *b, const pyr_profile *const *inputs,
                             uint32_t k, pyr_error *e) {
  uint32_t j;
  memset(b, 0, sizeof *b);
  b->inputs = inputs;
  b->k = k;
  b->maps = calloc(k, sizeof *b->maps);
  if (b->maps == NULL || pyr_names_init(&b->raw, 0) != PYR_OK ||
      pyr_names_init(&b->names, 1) != PYR_OK)
    return pyr_nomemory(e);
  for (j = 0; j < k; j++)
    if (mapframes(b, j, e) != PYR_OK) return e->status;
  b->to = malloc((b->raw.count + 1u) * sizeof *b->to);
  if (b->to == NULL) return pyr_nomemory(e);
  memset(b->to, 0xff, b->raw.count * sizeof *b->to);
  return PYR_OK;
}

pyr_status pyr_forest_name (pyr_planting *b, uint32_t raw, const char *bytes,
                            uint32_t length, pyr_error *e) {
  return pyr_names_intern(&b->names, bytes, length, b->to + raw) == PYR_OK
             ? PYR_OK
             : pyr_nomemory(e);
}

/* ---- functions ---- */

typedef struct namekey {
  pyr_string name;
  uint32_t id;
} namekey;

static int comparenames (const void *x, const void *y) {
  return pyr_string_compare(((const namekey *)x)->name, ((const namekey *)y)->name);
}

static bool leaf (const pyr_profile *p, uint32_t i) {
  return p->nodes[i + 1].first_child == p->nodes[i].first_child;
}

/* Turns the maps from raw names to new names, and marks the names that some node has. */
static pyr_status renamemaps (pyr_planting *b, bool **used, pyr_error *e) {
  uint32_t other = pyr_names_find(&b->raw, "other", 5), j, f, i;
  for (i = 0; i < b->raw.count; i++)
    if (b->to[i] == NONE && pyr_forest_name(b, i, b->raw.strings[i].bytes,
                                            b->raw.strings[i].length, e) != PYR_OK)
      return e->status;
  *used = calloc(b->names.count, sizeof **used);
  if (*used == NULL) return pyr_nomemory(e);
  for (j = 0; j < b->k; j++) {
    const pyr_profile *in = b->inputs[j];
    uint32_t *map = b->maps[j];
    for (f = 0; f < in->frame_count; f++)
      map[f] = b->to[map[f]] | (in->cut && map[f] == other ? OTHER : 0);
    for (i = 1; i < in->count; i++) {
      uint32_t m = map[in->nodes[i].frame];
      if ((m & OTHER) == 0)
        (*used)[m] = true;
      else if (!leaf(in, i))
        (*used)[m & ~OTHER] = true;
    }
  }
  return PYR_OK;
}

static pyr_status copynames (pyr_shape *s, const namekey *keys, pyr_error *e) {
  size_t length = 0, at = 0;
  uint32_t f;
  for (f = 0; f < s->functions; f++)
    length += keys[f].name.length;
  s->text = malloc(length + 1);
  s->names = malloc((s->functions + 1u) * sizeof *s->names);
  if (s->text == NULL || s->names == NULL) return pyr_nomemory(e);
  s->names[0] = (pyr_string){s->text, 0};
  for (f = 0; f < s->functions; f++) {
    uint32_t n = keys[f].name.length;
    if (n != 0) memcpy(s->text + at, keys[f].name.bytes, n);
    s->names[f + 1] = (pyr_string){s->text + at, n};
    at += n;
  }
  s->text[at] = '\0';
  return PYR_OK;
}

/* Numbers the functions by name; the maps then lead from frames to functions. */
static pyr_status rank (pyr_planting *b, pyr_shape *s, const bool *used, namekey *keys,
                        uint32_t *ranks, pyr_error *e) {
  uint32_t i, j, f;
  for (i = 0; i < b->names.count; i++)
    if (used[i]) keys[s->functions++] = (namekey){b->names.strings[i], i};
  qsort(keys, s->functions, sizeof *keys, comparenames);
  for (i = 0; i < s->functions; i++)
    ranks[keys[i].id] = i + 1;
  for (j = 0; j < b->k; j++)
    for (f = 0; f < b->inputs[j]->frame_count; f++)
      b->maps[j][f] = ranks[b->maps[j][f] & ~OTHER] | (b->maps[j][f] & OTHER);
  return copynames(s, keys, e);
}

static pyr_status numberfunctions (pyr_planting *b, pyr_shape *s, pyr_error *e) {
  bool *used = NULL;
  namekey *keys = NULL;
  uint32_t *ranks = NULL;
  if (renamemaps(b, &used, e) == PYR_OK) {
    keys = malloc((b->names.count + 1u) * sizeof *keys);
    ranks = calloc(b->names.count + 1u, sizeof *ranks);
    if (keys == NULL || ranks == NULL)
      pyr_nomemory(e);
    else
      rank(b, s, used, keys, ranks, e);
  }
  free(used);
  free(keys);
  free(ranks);
  return e->status;
}

/* ---- nodes ---- */

/*
** As in pyr_profile_align the growing result is its own queue, and every node has a list of the
** source nodes that went into it. The children of these are looked at twice: to find their
** functions, which are then sorted, and to add their values.
*/
typedef struct source {
  uint32_t input, node, next;
} source;

typedef struct aligner {
  const pyr_planting *b;
  pyr_shape *s;
  source *sources;
  uint32_t source_count, source_cap;
  uint32_t *lists; /* [cap] first source of a node with children, or NONE */
  uint32_t *mark, *slot, *found;
  uint32_t cap, cut_cap;
} aligner;

static pyr_status resizeall (aligner *a, uint32_t cap, pyr_error *e) {
  pyr_shape *s = a->s;
  size_t cells = (size_t)cap * s->k;
  if (!pyr_resize(&s->parent, cap, sizeof *s->parent) ||
      !pyr_resize(&s->first, (size_t)cap + 1, sizeof *s->first) ||
      !pyr_resize(&s->level, cap, sizeof *s->level) ||
      !pyr_resize(&s->function, cap, sizeof *s->function) ||
      !pyr_resize(&s->cut, cap, sizeof *s->cut) ||
      !pyr_resize(&a->lists, cap, sizeof *a->lists) ||
      !pyr_resize(&s->selfs, cells, sizeof *s->selfs) ||
      !pyr_resize(&s->totals, cells, sizeof *s->totals))
    return pyr_nomemory(e);
  a->cap = cap;
  return PYR_OK;
}

static pyr_status toolarge (pyr_error *e) {
  return pyr_fail(e, PYR_ELIMIT, "the samples have too many different stacks together",
                  PYR_NOWHERE);
}

static pyr_status addnode (aligner *a, uint32_t parent, uint32_t function,
                           uint32_t level, pyr_error *e) {
  pyr_shape *s = a->s;
  uint32_t i = s->count, k = s->k;
  if (i == a->cap) {
    uint64_t most = PYR_CELLS_MAX / k, cap = (uint64_t)i * 3 / 2 + 1024;
    if (cap > most) cap = most;
    if (cap <= i) return toolarge(e);
    if (resizeall(a, (uint32_t)cap, e) != PYR_OK) return e->status;
  }
  s->parent[i] = parent;
  s->function[i] = function;
  s->level[i] = level;
  s->cut[i] = 0;
  a->lists[i] = NONE;
  memset(s->selfs + (size_t)i * k, 0, k * sizeof *s->selfs);
  memset(s->totals + (size_t)i * k, 0, k * sizeof *s->totals);
  s->count++;
  return PYR_OK;
}

static pyr_status addsource (aligner *a, uint32_t to, uint32_t j, uint32_t from,
                             pyr_error *e) {
  const pyr_profile *in = a->b->inputs[j];
  a->s->selfs[(size_t)to * a->s->k + j] += in->nodes[from].self;
  a->s->totals[(size_t)to * a->s->k + j] += in->nodes[from].total;
  if (leaf(in, from)) return PYR_OK;
  if (a->source_count == a->source_cap) {
    uint32_t cap = a->source_cap == 0 ? 4096 : a->source_cap * 2;
    if (a->source_cap > UINT32_MAX / 4) return toolarge(e);
    if (!pyr_resize(&a->sources, cap, sizeof *a->sources)) return pyr_nomemory(e);
    a->source_cap = cap;
  }
  a->sources[a->source_count] = (source){j, from, a->lists[to]};
  a->lists[to] = a->source_count++;
  return PYR_OK;
}

static pyr_status addother (aligner *a, uint32_t to, uint32_t j, int64_t value,
                            pyr_error *e) {
  pyr_shape *s = a->s;
  if (value == 0) return PYR_OK;
  if (s->cut[to] == 0) {
    if (s->cut_count == a->cut_cap) {
      uint32_t cap = a->cut_cap == 0 ? 256 : a->cut_cap * 2;
      if (!pyr_resize(&s->others, (size_t)cap * s->k, sizeof *s->others))
        return pyr_nomemory(e);
      a->cut_cap = cap;
    }
    memset(s->others + (size_t)s->cut_count * s->k, 0, s->k * sizeof *s->others);
    s->cut[to] = ++s->cut_count;
  }
  s->others[(size_t)(s->cut[to] - 1) * s->k + j] += value;
  return PYR_OK;
}

static int compareids (const void *x, const void *y) {
  uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
  return a < b ? -1 : a > b;
}

/* Most nodes have few children: insertion, qsort only for what is wide. */
static void sortids (uint32_t *ids, uint32_t n) {
  uint32_t i, j;
  if (n > 24) {
    qsort(ids, n, sizeof *ids, compareids);
    return;
  }
  for (i = 1; i < n; i++) {
    uint32_t id = ids[i];
    for (j = i; j > 0 && ids[j - 1] > id; j--)
      ids[j] = ids[j - 1];
    ids[j] = id;
  }
}

/* The functions of all children that went into node 'i', each once. */
static uint32_t findchildren (aligner *a, uint32_t i) {
  uint32_t n = 0, s, c;
  for (s = a->lists[i]; s != NONE; s = a->sources[s].next) {
    const pyr_profile *in = a->b->inputs[a->sources[s].input];
    const uint32_t *map = a->b->maps[a->sources[s].input];
    const pyr_node *from = in->nodes + a->sources[s].node;
    for (c = from[0].first_child; c < from[1].first_child; c++) {
      uint32_t f = map[in->nodes[c].frame];
      if ((f & OTHER) != 0) {
        if (leaf(in, c)) continue;
        f &= ~OTHER;
      }
      if (a->mark[f] == i + 1) continue;
      a->mark[f] = i + 1;
      a->found[n++] = f;
    }
  }
  return n;
}

static pyr_status addchildren (aligner *a, uint32_t i, pyr_error *e) {
  uint32_t n = findchildren(a, i), s, c, t, next;
  sortids(a->found, n);
  for (t = 0; t < n; t++) {
    a->slot[a->found[t]] = a->s->count;
    if (addnode(a, i, a->found[t], a->s->level[i] + 1, e) != PYR_OK) return e->status;
  }
  for (s = a->lists[i]; s != NONE; s = next) {
    uint32_t j = a->sources[s].input;
    const pyr_profile *in = a->b->inputs[j];
    const pyr_node *from = in->nodes + a->sources[s].node;
    next = a->sources[s].next; /* the array moves when sources are added */
    for (c = from[0].first_child; c < from[1].first_child; c++) {
      uint32_t f = a->b->maps[j][in->nodes[c].frame];
      if ((f & OTHER) != 0 && leaf(in, c)) {
        if (addother(a, i, j, in->nodes[c].self, e) != PYR_OK) return e->status;
      } else if (addsource(a, a->slot[f & ~OTHER], j, c, e) != PYR_OK)
        return e->status;
    }
  }
  return PYR_OK;
}

static pyr_status aligntrees (aligner *a, pyr_error *e) {
  uint32_t i, j, largest = 1;
  for (j = 0; j < a->b->k; j++)
    if (a->b->inputs[j]->count > largest) largest = a->b->inputs[j]->count;
  if ((uint64_t)largest > PYR_CELLS_MAX / a->s->k) return toolarge(e);
  a->mark = calloc(a->s->functions + 1u, sizeof *a->mark);
  a->slot = malloc((a->s->functions + 1u) * sizeof *a->slot);
  a->found = malloc((a->s->functions + 1u) * sizeof *a->found);
  if (a->mark == NULL || a->slot == NULL || a->found == NULL) return pyr_nomemory(e);
  if (resizeall(a, largest, e) != PYR_OK || addnode(a, 0, 0, 0, e) != PYR_OK)
    return e->status;
  for (j = 0; j < a->b->k; j++)
    if (addsource(a, 0, j, 0, e) != PYR_OK) return e->status;
  for (i = 0; i < a->s->count; i++) {
    a->s->first[i] = a->s->count;
    if (addchildren(a, i, e) != PYR_OK) return e->status;
  }
  a->s->first[i] = i;
  return resizeall(a, i, e);
}

/* ---- what is known of the nodes beside their values ---- */

static void walkorder (pyr_shape *s) {
  uint32_t i, c, at;
  for (i = 0; i < s->count; i++)
    s->size[i] = 1;
  for (i = s->count - 1; i > 0; i--)
    s->size[s->parent[i]] += s->size[i];
  s->pre[0] = 0;
  for (i = 0; i < s->count; i++) {
    s->at[s->pre[i]] = i;
    at = s->pre[i] + 1;
    for (c = s->first[i]; c < s->first[i + 1]; c++) {
      s->pre[c] = at;
      at += s->size[c];
    }
  }
}

/* In the order of a walk a subtree is an interval: a node is below another of its function if
   it lies before the end of the last one outside of them. */
static void markrecursion (pyr_shape *s, uint32_t *end) {
  uint32_t p;
  for (p = 0; p < s->count; p++) {
    uint32_t i = s->at[p], f = s->function[i];
    s->top[i] = p >= end[f];
    if (s->top[i]) end[f] = p + s->size[i];
  }
}

static void sortbyfunction (pyr_shape *s) {
  uint32_t i, f;
  for (i = 1; i < s->count; i++)
    s->start[s->function[i] + 1]++;
  for (f = 1; f <= s->functions + 1; f++)
    s->start[f] += s->start[f - 1];
  for (i = 1; i < s->count; i++)
    s->by[s->start[s->function[i]]++] = i;
  for (f = s->functions + 1; f > 0; f--)
    s->start[f] = s->start[f - 1];
  s->start[0] = 0;
}

static pyr_status describe (pyr_shape *s, pyr_error *e) {
  uint32_t *end = calloc(s->functions + 1u, sizeof *end);
  s->size = malloc(s->count * sizeof *s->size);
  s->pre = malloc(s->count * sizeof *s->pre);
  s->at = malloc(s->count * sizeof *s->at);
  s->by = malloc(s->count * sizeof *s->by);
  s->start = calloc(s->functions + 2u, sizeof *s->start);
  s->top = malloc(s->count * sizeof *s->top);
  if (end == NULL || s->size == NULL || s->pre == NULL || s->at == NULL ||
      s->by == NULL || s->start == NULL || s->top == NULL) {
    free(end);
    return pyr_nomemory(e);
  }
  walkorder(s);
  markrecursion(s, end);
  sortbyfunction(s);
  free(end);
  return PYR_OK;
}

pyr_status pyr_forest_finish (pyr_planting *b, pyr_forest *out, pyr_error *e) {
  pyr_shape *s = calloc(1, sizeof *s);
  aligner a = {.b = b, .s = s};
  if (s == NULL) return pyr_nomemory(e);
  s->k = b->k;
  s->refs = 1;
  if (numberfunctions(b, s, e) == PYR_OK && aligntrees(&a, e) == PYR_OK) describe(s, e);
  free(a.sources);
  free(a.lists);
  free(a.mark);
  free(a.slot);
  free(a.found);
  if (e->status != PYR_OK) {
    freeshape(s);
    return e->status;
  }
  out->shape = s;
  return PYR_OK;
}
