#include "profile/sorted.h"

#include <stdlib.h>
#include <string.h>

uint32_t pyr_profile_other_name (const pyr_profile *p) {
  uint32_t s;
  for (s = 0; s < p->string_count; s++)
    if (p->strings[s].length == 5 && memcmp(p->strings[s].bytes, "other", 5) == 0)
      return s;
  return UINT32_MAX;
}

typedef struct framekey {
  pyr_string name, file;
  uint32_t line, frame;
} framekey;

static int compareframes (const void *x, const void *y) {
  const framekey *a = x, *b = y;
  int order = pyr_string_compare(a->name, b->name);
  if (order != 0) return order;
  order = pyr_string_compare(a->file, b->file);
  if (order != 0) return order;
  if (a->line != b->line) return a->line < b->line ? -1 : 1;
  return a->frame < b->frame ? -1 : 1;
}

pyr_status pyr_frame_ranks (const pyr_profile *p, uint32_t **rank, pyr_error *e) {
  framekey *keys = malloc(p->frame_count * sizeof *keys);
  uint32_t f;
  *rank = malloc(p->frame_count * sizeof **rank);
  if (keys == NULL || *rank == NULL) {
    free(keys);
    free(*rank);
    *rank = NULL;
    return pyr_nomemory(e);
  }
  for (f = 0; f < p->frame_count; f++) {
    const pyr_frame *from = p->frames + f;
    keys[f] = (framekey){p->strings[from->name], p->strings[from->file], from->line, f};
  }
  qsort(keys + 1, p->frame_count - 1, sizeof *keys, compareframes);
  for (f = 0; f < p->frame_count; f++)
    (*rank)[keys[f].frame] = f;
  free(keys);
  return PYR_OK;
}

static int comparekeys (const void *x, const void *y) {
  uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
  return a < b ? -1 : a > b;
}

/* Most nodes have few children: insertion, qsort only for what is wide. */
static void sortkeys (uint64_t *keys, uint32_t n) {
  uint32_t i, j;
  if (n > 24) {
    qsort(keys, n, sizeof *keys, comparekeys);
    return;
  }
  for (i = 1; i < n; i++) {
    uint64_t key = keys[i];
    for (j = i; j > 0 && keys[j - 1] > key; j--)
      keys[j] = keys[j - 1];
    keys[j] = key;
  }
}

static void sortchildren (pyr_sorted *s, const pyr_profile *p, const uint32_t *rank,
                          uint64_t *keys) {
  uint32_t other = pyr_profile_other_name(p), i, c;
  s->order[0] = 0;
  for (i = 0; i < p->count; i++) {
    uint32_t first = p->nodes[i].first_child, end = p->nodes[i + 1].first_child;
    for (c = first; c < end; c++) {
      uint32_t frame = p->nodes[c].frame;
      uint64_t key = p->frames[frame].name == other ? UINT32_MAX : rank[frame];
      keys[c - first] = key << 32 | c;
    }
    sortkeys(keys, end - first);
    for (c = first; c < end; c++)
      s->order[c] = (uint32_t)keys[c - first];
  }
  for (i = 0; i < p->count; i++)
    s->slot[s->order[i]] = i;
}

pyr_status pyr_sorted_init (pyr_sorted *s, const pyr_profile *p, pyr_error *e) {
  uint32_t *rank = NULL, i, widest = 1;
  uint64_t *keys;
  for (i = 0; i < p->count; i++) {
    uint32_t width = p->nodes[i + 1].first_child - p->nodes[i].first_child;
    if (width > widest) widest = width;
  }
  s->order = malloc(p->count * sizeof *s->order);
  s->slot = malloc(p->count * sizeof *s->slot);
  keys = malloc(widest * sizeof *keys);
  if (s->order == NULL || s->slot == NULL || keys == NULL) {
    free(keys);
    pyr_sorted_free(s);
    return pyr_nomemory(e);
  }
  if (pyr_frame_ranks(p, &rank, e) != PYR_OK) {
    free(keys);
    pyr_sorted_free(s);
    return e->status;
  }
  sortchildren(s, p, rank, keys);
  free(rank);
  free(keys);
  return PYR_OK;
}

void pyr_sorted_free (pyr_sorted *s) {
  free(s->order);
  free(s->slot);
  s->order = s->slot = NULL;
}

uint32_t pyr_sorted_next (const pyr_sorted *s, const pyr_profile *p, uint32_t i) {
  const pyr_node *nodes = p->nodes;
  if (nodes[i + 1].first_child != nodes[i].first_child)
    return s->order[nodes[i].first_child];
  while (i != 0) {
    uint32_t parent = nodes[i].parent, at = s->slot[i] + 1;
    if (at < nodes[parent + 1].first_child) return s->order[at];
    i = parent;
  }
  return UINT32_MAX;
}
