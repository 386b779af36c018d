#include "profile/stacks.h"

#include <stdlib.h>
#include <string.h>

pyr_status pyr_stacks_init (pyr_stacks *b, pyr_granularity granularity, pyr_error *e) {
  uint32_t root;
  memset(b, 0, sizeof *b);
  b->granularity = granularity;
  if (pyr_names_init(&b->names, 1) != PYR_OK) return pyr_nomemory(e);
  b->cap = 256;
  b->nodes = malloc(b->cap * sizeof *b->nodes);
  if (b->nodes == NULL) return pyr_nomemory(e);
  b->nodes[0] = (pyr_trienode){0, 0, 0};
  b->count = 1;
  return pyr_stacks_frame(b, 0, 0, 0, 0, 0, &root, e); /* frame 0, kept for the root */
}

void pyr_stacks_free (pyr_stacks *b) {
  pyr_names_free(&b->names);
  free(b->frames);
  free(b->frame_slots);
  free(b->nodes);
  free(b->slots);
  free(b->weights);
  free(b->weight_slots);
  memset(b, 0, sizeof *b);
}

/*
** The three tables below hold index + 1 in slots of a power of two that is at least twice the
** number of entries; an entry's hash is computed again when its table grows.
*/
static pyr_status growslots (uint32_t **slots, uint32_t *mask, uint32_t wanted,
                             pyr_error *e) {
  uint32_t size = 256;
  while (size < wanted * 2)
    size *= 2;
  free(*slots);
  *slots = calloc(size, sizeof **slots);
  *mask = size - 1;
  return *slots == NULL ? pyr_nomemory(e) : PYR_OK;
}

static void place (uint32_t *slots, uint32_t mask, uint64_t hash, uint32_t index) {
  uint32_t at = (uint32_t)hash & mask;
  while (slots[at] != 0)
    at = (at + 1) & mask;
  slots[at] = index + 1;
}

static uint64_t framehash (const pyr_frame *f) {
  return pyr_mix((uint64_t)f->name << 32 | f->file) ^ pyr_mix(f->line);
}

static pyr_status growframes (pyr_stacks *b, pyr_error *e) {
  uint32_t cap = b->frame_cap == 0 ? 128 : b->frame_cap * 2, i;
  pyr_frame *frames = realloc(b->frames, cap * sizeof *frames);
  if (frames == NULL) return pyr_nomemory(e);
  b->frames = frames;
  b->frame_cap = cap;
  if (growslots(&b->frame_slots, &b->frame_mask, cap, e) != PYR_OK) return e->status;
  for (i = 1; i < b->frame_count; i++) {
    pyr_frame key = frames[i];
    if (b->granularity != PYR_BY_LINE) key.file = key.line = 0;
    place(b->frame_slots, b->frame_mask, framehash(&key), i);
  }
  return PYR_OK;
}

pyr_status pyr_stacks_frame (pyr_stacks *b, uint32_t name, uint32_t file,
                             uint32_t object, uint32_t line, uint32_t start_line,
                             uint32_t *frame, pyr_error *e) {
  pyr_frame key = {name, 0, 0, 0, 0};
  uint32_t at;
  if (b->frame_count == b->frame_cap && growframes(b, e) != PYR_OK) return e->status;
  if (b->granularity == PYR_BY_LINE) {
    key.file = file;
    key.line = line;
  }
  at = (uint32_t)framehash(&key) & b->frame_mask;
  for (; b->frame_slots[at] != 0; at = (at + 1) & b->frame_mask) {
    pyr_frame *f = b->frames + b->frame_slots[at] - 1;
    if (f->name != name) continue;
    if (b->granularity == PYR_BY_LINE && (f->file != file || f->line != line)) continue;
    if (f->file == 0) { /* the first that knows wins */
      f->file = file;
      f->start_line = start_line;
    }
    if (f->object == 0) f->object = object;
    *frame = b->frame_slots[at] - 1;
    return PYR_OK;
  }
  if (b->frame_count != 0) b->frame_slots[at] = b->frame_count + 1;
  *frame = b->frame_count;
  b->frames[b->frame_count++] = (pyr_frame){
      name, file, object, b->granularity == PYR_BY_LINE ? line : 0, start_line};
  return PYR_OK;
}

static uint64_t nodehash (uint32_t parent, uint32_t frame) {
  return pyr_mix((uint64_t)parent << 32 | frame);
}

static pyr_status grownodes (pyr_stacks *b, pyr_error *e) {
  uint32_t cap = b->cap, i;
  if (b->count == cap) {
    pyr_trienode *nodes;
    if (cap > PYR_NODES_MAX / 2)
      return pyr_fail(e, PYR_ELIMIT, "more nodes than a profile can hold", PYR_NOWHERE);
    cap *= 2;
    nodes = realloc(b->nodes, cap * sizeof *nodes);
    if (nodes == NULL) return pyr_nomemory(e);
    b->nodes = nodes;
    b->cap = cap;
  }
  if (growslots(&b->slots, &b->mask, cap, e) != PYR_OK) return e->status;
  for (i = 1; i < b->count; i++)
    place(b->slots, b->mask, nodehash(b->nodes[i].parent, b->nodes[i].frame), i);
  return PYR_OK;
}

pyr_status pyr_stacks_child (pyr_stacks *b, uint32_t parent, uint32_t frame,
                             uint32_t *node, pyr_error *e) {
  uint32_t at;
  if ((b->slots == NULL || b->count == b->cap) && grownodes(b, e) != PYR_OK)
    return e->status;
  at = (uint32_t)nodehash(parent, frame) & b->mask;
  for (; b->slots[at] != 0; at = (at + 1) & b->mask) {
    const pyr_trienode *n = b->nodes + b->slots[at] - 1;
    if (n->parent == parent && n->frame == frame) {
      *node = b->slots[at] - 1;
      return PYR_OK;
    }
  }
  b->slots[at] = b->count + 1;
  *node = b->count;
  b->nodes[b->count++] = (pyr_trienode){0, parent, frame};
  return PYR_OK;
}

pyr_status pyr_stacks_add (pyr_stacks *b, uint32_t node, int64_t value, pyr_error *e) {
  /* what all nodes hold together fits, so what one holds does too */
  if (__builtin_add_overflow(b->total, value, &b->total))
    return pyr_fail(e, PYR_EDECODE, "the sum of all values exceeds 64 bits",
                    PYR_NOWHERE);
  b->nodes[node].self += value;
  return PYR_OK;
}

static uint64_t weighthash (uint32_t frame, uint32_t line) {
  return pyr_mix((uint64_t)frame << 32 | line);
}

static pyr_status growweights (pyr_stacks *b, pyr_error *e) {
  uint32_t cap = b->weight_cap == 0 ? 256 : b->weight_cap * 2, i;
  pyr_frameweight *weights = realloc(b->weights, cap * sizeof *weights);
  if (weights == NULL) return pyr_nomemory(e);
  b->weights = weights;
  b->weight_cap = cap;
  if (growslots(&b->weight_slots, &b->weight_mask, cap, e) != PYR_OK) return e->status;
  for (i = 0; i < b->weight_count; i++)
    place(b->weight_slots, b->weight_mask,
          weighthash(weights[i].frame, weights[i].line), i);
  return PYR_OK;
}

/* Recursion may count a value several times: a weight only picks a line, so it saturates. */
static int64_t saturated (int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

pyr_status pyr_stacks_weigh (pyr_stacks *b, uint32_t frame, uint32_t line, int64_t self,
                             int64_t total, pyr_error *e) {
  uint32_t at;
  pyr_frameweight *w;
  if (b->granularity == PYR_BY_LINE || line == 0) return PYR_OK;
  if (b->weight_count == b->weight_cap && growweights(b, e) != PYR_OK) return e->status;
  at = (uint32_t)weighthash(frame, line) & b->weight_mask;
  for (; b->weight_slots[at] != 0; at = (at + 1) & b->weight_mask) {
    w = b->weights + b->weight_slots[at] - 1;
    if (w->frame == frame && w->line == line) {
      w->self = saturated(w->self, self);
      w->total = saturated(w->total, total);
      return PYR_OK;
    }
  }
  b->weight_slots[at] = b->weight_count + 1;
  b->weights[b->weight_count++] = (pyr_frameweight){frame, line, self, total};
  return PYR_OK;
}

static bool heavier (const pyr_frameweight *a, const pyr_frameweight *b) {
  if (a->self != b->self) return a->self > b->self;
  if (a->total != b->total) return a->total > b->total;
  return a->line < b->line;
}

static pyr_status hottestlines (pyr_stacks *b, pyr_error *e) {
  uint32_t *best, i;
  if (b->weight_count == 0) return PYR_OK;
  best = calloc(b->frame_count, sizeof *best);
  if (best == NULL) return pyr_nomemory(e);
  for (i = 0; i < b->weight_count; i++) {
    uint32_t f = b->weights[i].frame;
    if (best[f] == 0 || heavier(b->weights + i, b->weights + best[f] - 1))
      best[f] = i + 1;
  }
  for (i = 0; i < b->frame_count; i++)
    if (best[i] != 0) b->frames[i].line = b->weights[best[i] - 1].line;
  free(best);
  return PYR_OK;
}

/*
** Level order. The trie nodes are sorted by level (stable), then every level hands its
** children contiguous ranges of the next one, in order of the parents. All four arrays have
** b->count entries: 'level' of a trie node (later: the next free place for a child, by
** position), 'order', 'children' (how many), 'position' of a trie node in the result.
*/
typedef struct layout {
  uint32_t *level, *order, *children, *position;
  uint32_t *starts; /* [levels + 1] first index of each level */
  uint32_t levels;
} layout;

static pyr_status sortbylevel (const pyr_stacks *b, layout *l, pyr_error *e) {
  uint32_t n = b->count, i;
  l->levels = 1;
  l->level[0] = l->children[0] = 0;
  for (i = 1; i < n; i++) {
    l->children[i] = 0;
    l->children[b->nodes[i].parent]++;
    l->level[i] = l->level[b->nodes[i].parent] + 1;
    if (l->level[i] == l->levels) l->levels++;
  }
  l->starts = calloc((size_t)l->levels + 2, sizeof *l->starts);
  if (l->starts == NULL) return pyr_nomemory(e);
  for (i = 0; i < n; i++)
    l->starts[l->level[i] + 2]++;
  for (i = 2; i <= l->levels + 1; i++)
    l->starts[i] += l->starts[i - 1];
  for (i = 0; i < n; i++)
    l->order[l->starts[l->level[i] + 1]++] = i;
  return PYR_OK; /* starts[k] is now the first index of level k, starts[levels] = n */
}

static void place_nodes (const pyr_stacks *b, pyr_profile *p, layout *l) {
  uint32_t *next = l->level, k, i;
  for (k = 0; k < l->levels; k++) {
    uint32_t first = l->starts[k], end = l->starts[k + 1], free_place = end;
    for (i = first; i < end; i++) {
      uint32_t t = l->order[i];
      const pyr_trienode *from = b->nodes + t;
      uint32_t parent = k == 0 ? 0 : l->position[from->parent];
      uint32_t at = k == 0 ? 0 : next[parent]++;
      l->position[t] = at;
      p->nodes[at] =
          (pyr_node){from->self, from->self, from->frame, parent, l->children[t], k};
    }
    for (i = first; i < end; i++) {
      uint32_t count = p->nodes[i].first_child;
      p->nodes[i].first_child = next[i] = free_place;
      free_place += count;
    }
  }
}

static pyr_status build (const pyr_stacks *b, pyr_profile *p, layout *l, pyr_error *e) {
  size_t n = b->count;
  uint32_t i;
  l->level = malloc(n * sizeof *l->level);
  l->order = malloc(n * sizeof *l->order);
  l->children = malloc(n * sizeof *l->children);
  l->position = malloc(n * sizeof *l->position);
  if (!l->level || !l->order || !l->children || !l->position) return pyr_nomemory(e);
  if (sortbylevel(b, l, e) != PYR_OK) return e->status;
  p->nodes = malloc((n + 1) * sizeof *p->nodes);
  if (p->nodes == NULL) return pyr_nomemory(e);
  place_nodes(b, p, l);
  p->nodes[n] = (pyr_node){0, 0, 0, 0, b->count, 0};
  for (i = b->count - 1; i > 0; i--)
    p->nodes[p->nodes[i].parent].total += p->nodes[i].total;
  p->count = b->count;
  p->levels = l->levels;
  return PYR_OK;
}

pyr_status pyr_stacks_finish (pyr_stacks *b, pyr_profile *p, pyr_error *e) {
  layout l = {NULL, NULL, NULL, NULL, NULL, 0};
  pyr_status status = hottestlines(b, e);
  free(b->slots); /* what is not needed any more goes before the copy is made */
  free(b->weights);
  free(b->weight_slots);
  b->slots = NULL;
  b->weights = NULL;
  b->weight_slots = NULL;
  if (status == PYR_OK) status = build(b, p, &l, e);
  free(l.level);
  free(l.order);
  free(l.children);
  free(l.position);
  free(l.starts);
  if (status == PYR_OK) status = pyr_profile_take_names(p, &b->names, e);
  if (status == PYR_OK) {
    p->frames = b->frames;
    p->frame_count = b->frame_count;
    p->granularity = b->granularity;
    b->frames = NULL;
  } else
    pyr_profile_free(p);
  pyr_stacks_free(b);
  return status;
}
