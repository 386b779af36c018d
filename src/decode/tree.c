#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "decode/decode.h"

/*
** Records in pre-order: length of the name, name, self, number of children. Two passes:
** the first checks everything and counts the nodes of every level, the second puts each
** node where it belongs in level order. So nodes are stored once, and what grows with
** the depth are 8 bytes a level.
*/
typedef struct record {
  pyr_slice name;
  int64_t self;
  uint64_t children;
  uint64_t hash; /* of the name */
} record;

typedef struct openlevel {
  uint32_t left; /* children of the open node that have not come yet */
  uint32_t at;   /* first pass: nodes so far; second: index of the next node */
} openlevel;

typedef struct treereader {
  const uint8_t *begin;
  pyr_slice s;
  openlevel *levels;
  uint32_t level_count, level_cap;
  uint32_t nodes;
  pyr_names names; /* in the bytes */
  pyr_error *e;
} treereader;

static pyr_status wrong (treereader *r, const char *message) {
  return pyr_fail(r->e, PYR_EDECODE, message, (size_t)(r->s.p - r->begin));
}

static inline bool readvarint (pyr_slice *s, uint64_t *value) {
  if (s->p < s->end && *s->p < 0x80) {
    *value = *s->p++;
    return true;
  }
  return pyr_slice_varint(s, value);
}

static inline bool readrecord (pyr_slice *s, record *r) {
  uint64_t length, self;
  if (!readvarint(s, &length) || length > pyr_slice_left(s)) return false;
  r->name.p = s->p;
  r->name.end = s->p += length;
  if (!readvarint(s, &self) || !readvarint(s, &r->children)) return false;
  r->self = (int64_t)self;
  return true;
}

static pyr_status growlevels (treereader *r) {
  uint32_t cap = r->level_cap == 0 ? 128 : r->level_cap * 2;
  openlevel *levels = realloc(r->levels, cap * sizeof *levels);
  if (levels == NULL) return pyr_nomemory(r->e);
  r->levels = levels;
  r->level_cap = cap;
  return PYR_OK;
}

/* A record is at least three bytes long. */
static pyr_status checkrecord (treereader *r, const record *rec, int64_t *sum) {
  if (rec->self < 0) return wrong(r, "a self value is negative");
  if (__builtin_add_overflow(*sum, rec->self, sum))
    return wrong(r, "the sum of all values exceeds 64 bits");
  if (rec->children > pyr_slice_left(&r->s) / 3)
    return wrong(r, "a function has more callees than there are bytes left");
  if (rec->children > PYR_NODES_MAX || r->nodes == PYR_NODES_MAX ||
      rec->name.end - rec->name.p > UINT32_MAX)
    return pyr_fail(r->e, PYR_ELIMIT,
                    "more nodes than a profile can hold, or a longer name",
                    (size_t)(r->s.p - r->begin));
  return PYR_OK;
}

/* To the level of the record that comes next; false after the last one. */
static inline bool nextlevel (openlevel *levels, uint32_t *depth) {
  uint32_t d = *depth;
  while (levels[d].left == 0)
    if (d-- == 0) return false;
  levels[d].left--;
  *depth = d + 1;
  return true;
}

static pyr_status count (treereader *r) {
  uint32_t depth = 0;
  int64_t sum = 0;
  record rec;
  do {
    const uint8_t *begin = r->s.p;
    if (!readrecord(&r->s, &rec)) return wrong(r, "the tree ends inside a record");
    if (checkrecord(r, &rec, &sum) != PYR_OK) return r->e->status;
    if (begin == r->begin && rec.name.p != rec.name.end) {
      r->s.p = begin;
      return wrong(r, "a tree begins with a root that has no name");
    }
    if (depth == r->level_cap && growlevels(r) != PYR_OK) return r->e->status;
    if (depth == r->level_count) r->levels[r->level_count++].at = 0;
    r->levels[depth].at++;
    r->levels[depth].left = (uint32_t)rec.children;
    r->nodes++;
  } while (nextlevel(r->levels, &depth));
  return r->s.p == r->s.end ? PYR_OK : wrong(r, "something follows the tree");
}

/*
** The frame of a function is the id of its name. That of a function without name is an
** additional one at the end, since frame 0 is the root's: until their number is known
** it is marked.
*/
#define NAMELESS UINT32_MAX

/*
** Names are read some records ahead: what a look-up reads is nowhere near, and is
** fetched meanwhile.
*/
#define AHEAD 16 /* a power of two */

typedef struct window {
  record records[AHEAD];
  uint32_t read, left; /* records read so far; not read yet */
} window;

static bool readahead (treereader *r, window *w) {
  record *rec = w->records + w->read % AHEAD;
  if (!readrecord(&r->s, rec)) return false;
  rec->hash = pyr_names_hash(&r->names, (const char *)rec->name.p,
                             (uint32_t)(rec->name.end - rec->name.p));
  pyr_names_soon(&r->names, rec->hash);
  w->read++;
  w->left--;
  if (w->read > AHEAD / 2)
    pyr_names_next(&r->names, w->records[(w->read - 1 - AHEAD / 2) % AHEAD].hash);
  return true;
}

static pyr_status place (treereader *r, pyr_profile *p, bool *nameless) {
  uint32_t depth = 0, first = 0, done = 0, i;
  window w = {.left = r->nodes};
  for (i = 0; i < r->level_count; i++) {
    uint32_t n = r->levels[i].at;
    r->levels[i].at = first;
    first += n;
  }
  do {
    openlevel *level = r->levels + depth;
    const record *rec = w.records + done % AHEAD;
    uint32_t frame;
    while (w.left != 0 && w.read - done < AHEAD)
      if (!readahead(r, &w)) return wrong(r, "the tree ends inside a record");
    done++;
    if (pyr_names_intern_hashed(&r->names, (const char *)rec->name.p,
                                (uint32_t)(rec->name.end - rec->name.p), rec->hash,
                                &frame) != PYR_OK)
      return pyr_nomemory(r->e);
    if (frame == 0 && depth != 0) {
      frame = NAMELESS;
      *nameless = true;
    }
    level->left = (uint32_t)rec->children;
    p->nodes[level->at++] = (pyr_node){
        .self = rec->self,
        .total = rec->self,
        .frame = frame,
        .parent = depth == 0 ? 0 : level[-1].at - 1,
        .first_child = depth + 1 < r->level_count ? level[1].at : r->nodes,
        .level = depth,
    };
  } while (nextlevel(r->levels, &depth));
  return PYR_OK;
}

/* The sum of all self values fits, so no total overflows. */
static void sumtotals (pyr_profile *p) {
  uint32_t i;
  for (i = p->count - 1; i > 0; i--)
    p->nodes[p->nodes[i].parent].total += p->nodes[i].total;
}

static pyr_status makeframes (pyr_profile *p, const pyr_names *names, bool nameless,
                              pyr_error *e) {
  uint32_t i;
  p->frame_count = names->count + nameless;
  p->frames = calloc(p->frame_count, sizeof *p->frames);
  if (p->frames == NULL) return pyr_nomemory(e);
  for (i = 1; i < names->count; i++)
    p->frames[i].name = i;
  for (i = 1; nameless && i < p->count; i++)
    if (p->nodes[i].frame == NAMELESS) p->nodes[i].frame = names->count;
  return pyr_profile_take_names(p, names, e);
}

static pyr_status build (treereader *r, pyr_profile *p) {
  pyr_status status;
  bool nameless = false;
  p->count = r->nodes;
  p->levels = r->level_count;
  p->cut = true;
  p->nodes = malloc(((size_t)p->count + 1) * sizeof *p->nodes);
  if (p->nodes == NULL) return pyr_nomemory(r->e);
  p->nodes[p->count] = (pyr_node){0, 0, 0, 0, p->count, 0};
  r->s.p = r->begin;
  if (pyr_names_init(&r->names, 1) != PYR_OK) return pyr_nomemory(r->e);
  status = place(r, p, &nameless);
  if (status != PYR_OK) return status;
  sumtotals(p);
  return makeframes(p, &r->names, nameless, r->e);
}

pyr_status pyr_decode_tree (pyr_profile *p, const char *bytes, size_t len,
                            pyr_error *e) {
  static const char empty[] = {0, 0, 0};
  treereader r;
  pyr_status status;
  memset(p, 0, sizeof *p);
  memset(&r, 0, sizeof r);
  if (len == 0) { /* a root without anything below it */
    bytes = empty;
    len = sizeof empty;
  }
  r.e = e;
  e->format = "tree";
  r.begin = r.s.p = (const uint8_t *)bytes;
  r.s.end = r.begin + len;
  status = count(&r);
  if (status == PYR_OK) status = build(&r, p);
  pyr_names_free(&r.names);
  free(r.levels);
  if (status != PYR_OK) pyr_profile_free(p);
  return status;
}
