#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "decode/decode.h"

/*
** Two passes over the records, which come in pre-order: the first checks them and counts the
** nodes of every level, the second puts each node where it belongs in level order. So no
** second array of nodes is needed.
*/
typedef struct record {
  pyr_slice name;
  int64_t self;
  uint64_t children;
} record;

typedef struct open {
  uint64_t left; /* children that have not come yet */
} open;

typedef struct treereader {
  const char *begin;
  pyr_slice s;
  open *stack;
  uint32_t *counts; /* nodes of each level; in the second pass the next free place */
  uint32_t cap, levels;
} treereader;

static size_t at (const treereader *r) {
  return (size_t)(r->s.p - (const uint8_t *)r->begin);
}

static const char *readrecord (treereader *r, record *out) {
  uint64_t self;
  if (!pyr_slice_bytes(&r->s, &out->name)) return "a name runs past the end";
  if (!pyr_slice_varint(&r->s, &self)) return "the tree ends inside a node";
  if (self > INT64_MAX) return "negative self value";
  out->self = (int64_t)self;
  if (!pyr_slice_varint(&r->s, &out->children)) return "the tree ends inside a node";
  if (out->children > pyr_slice_left(&r->s) / 3) return "more children than bytes";
  if (out->name.end - out->name.p > INT32_MAX) return "a name is too long";
  return NULL;
}

static pyr_status growlevels (treereader *r, pyr_error *e) {
  uint32_t cap = r->cap == 0 ? 64 : r->cap * 2;
  open *stack = realloc(r->stack, cap * sizeof *stack);
  uint32_t *counts;
  if (stack == NULL) return pyr_nomemory(e);
  r->stack = stack;
  counts = realloc(r->counts, cap * sizeof *counts);
  if (counts == NULL) return pyr_nomemory(e);
  r->counts = counts;
  r->cap = cap;
  return PYR_OK;
}

static pyr_status count (treereader *r, uint32_t *nodes, pyr_error *e) {
  uint32_t depth = 0, n = 0;
  int64_t sum = 0;
  do {
    record rec;
    const char *wrong = readrecord(r, &rec);
    if (wrong == NULL && n == PYR_NODES_MAX)
      return pyr_fail(e, PYR_ELIMIT, "more nodes than a profile can hold", at(r));
    if (wrong == NULL && __builtin_add_overflow(sum, rec.self, &sum))
      wrong = "the sum of all values exceeds 64 bits";
    if (wrong != NULL) return pyr_fail(e, PYR_EDECODE, wrong, at(r));
    if (depth == r->cap && growlevels(r, e) != PYR_OK) return e->status;
    if (depth == r->levels) r->counts[r->levels++] = 0;
    r->counts[depth]++;
    r->stack[depth].left = rec.children;
    n++;
    while (depth > 0 && r->stack[depth].left == 0) depth--;
    if (r->stack[depth].left != 0) r->stack[depth++].left--;
  } while (depth != 0);
  if (r->s.p != r->s.end)
    return pyr_fail(e, PYR_EDECODE, "bytes after the end of the tree", at(r));
  *nodes = n;
  return PYR_OK;
}

static pyr_status place (treereader *r, pyr_profile *p, pyr_names *names, pyr_error *e) {
  uint32_t depth = 0, first = 0, n, i;
  for (i = 0; i < r->levels; i++) { /* counts become places */
    n = r->counts[i];
    r->counts[i] = first;
    first += n;
  }
  do {
    record rec;
    uint32_t name, to = r->counts[depth]++;
    (void)readrecord(r, &rec);
    if (pyr_names_intern(names, (const char *)rec.name.p,
                         (uint32_t)(rec.name.end - rec.name.p), &name) != PYR_OK)
      return pyr_nomemory(e);
    p->nodes[to] =
        (pyr_node){rec.self, rec.self, name, depth == 0 ? 0 : r->counts[depth - 1] - 1,
                   depth + 1 < r->levels ? r->counts[depth + 1] : p->count, depth};
    r->stack[depth].left = rec.children;
    while (depth > 0 && r->stack[depth].left == 0) depth--;
    if (r->stack[depth].left != 0) r->stack[depth++].left--;
  } while (depth != 0);
  p->nodes[0].frame = 0;
  p->nodes[p->count] = (pyr_node){0, 0, 0, 0, p->count, 0};
  for (i = p->count - 1; i > 0; i--) p->nodes[p->nodes[i].parent].total += p->nodes[i].total;
  return PYR_OK;
}

static pyr_status build (treereader *r, pyr_profile *p, size_t len, pyr_error *e) {
  pyr_names names;
  pyr_status status;
  uint32_t i;
  if (count(r, &p->count, e) != PYR_OK) return e->status;
  p->levels = r->levels;
  p->nodes = malloc(((size_t)p->count + 1) * sizeof *p->nodes);
  if (p->nodes == NULL) return pyr_nomemory(e);
  r->s.p = (const uint8_t *)r->begin;
  r->s.end = r->s.p + len;
  status = pyr_names_init(&names, 0) == PYR_OK ? place(r, p, &names, e) : pyr_nomemory(e);
  if (status == PYR_OK) {
    p->frames = calloc(names.count, sizeof *p->frames);
    if (p->frames == NULL)
      status = pyr_nomemory(e);
    else {
      for (i = 0; i < names.count; i++) p->frames[i].name = i;
      p->frame_count = names.count;
      status = pyr_profile_take_names(p, &names, e);
    }
  }
  pyr_names_free(&names);
  return status;
}

pyr_status pyr_decode_tree (pyr_profile *p, const char *bytes, size_t len, pyr_error *e) {
  static const char empty[] = {0, 0, 0};
  treereader r;
  pyr_status status;
  memset(&r, 0, sizeof r);
  memset(p, 0, sizeof *p);
  if (len == 0) {
    bytes = empty;
    len = sizeof empty;
  }
  r.begin = bytes;
  r.s.p = (const uint8_t *)bytes;
  r.s.end = r.s.p + len;
  p->cut = true;
  status = build(&r, p, len, e);
  free(r.stack);
  free(r.counts);
  if (status != PYR_OK) {
    e->format = "tree";
    pyr_profile_free(p);
  }
  return status;
}
