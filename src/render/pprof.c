#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "profile/sorted.h"
#include "render/render.h"

/*
** google.v1.Profile. Everything is numbered in the order in which a walk by name meets
** it, so that equal trees give equal bytes. Every frame is one location with one line;
** frames of equal name, file and start line share a function.
*/
typedef struct writer {
  pyr_buffer *out;
  pyr_buffer part, line; /* one message, and one inside it */
  const pyr_profile *p;
  const pyr_union *u;  /* NULL: one profile */
  double factor;       /* of a union's first side */
  int64_t raw, scaled; /* of it: sum so far, and what was written for it */
  bool huge;           /* more than 64 bits */
  uint32_t *location;  /* [frame_count] number, 0: not met */
  uint32_t *function;  /* [frame_count] number */
  uint32_t *mapping;   /* [string_count] number by the name of the object, 0: not met */
  uint32_t *string;    /* [string_count] index, 0: not met, or the empty one */
  uint32_t *frames;    /* [locations + 1] frame of each location */
  uint32_t *owners;    /* [functions + 1] first frame of each function */
  uint32_t *objects;   /* [mappings + 1] */
  uint32_t *texts;     /* [strings + 1] */
  uint32_t *slots;     /* functions by hash */
  uint32_t locations, functions, mappings, strings, mask;
  uint32_t *stack; /* [levels] */
} writer;

/* ---- protobuf ---- */

static void number (pyr_buffer *b, uint32_t field, uint64_t v) {
  if (v == 0) return;
  pyr_buffer_varint(b, (uint64_t)field << 3);
  pyr_buffer_varint(b, v);
}

static void bytes (pyr_buffer *b, uint32_t field, const char *data, size_t len) {
  pyr_buffer_varint(b, (uint64_t)field << 3 | 2);
  pyr_buffer_varint(b, len);
  pyr_buffer_add(b, data == NULL ? "" : data, len);
}

/* Ends the message in w->part as a field of the profile. */
static void message (writer *w, uint32_t field) {
  bytes(w->out, field, w->part.data, w->part.len);
  w->part.len = 0;
}

static size_t varintlength (uint64_t v) {
  size_t n = 1;
  for (; v >= 0x80; v >>= 7)
    n++;
  return n;
}

/* ---- numbers ---- */

static uint32_t stringnumber (writer *w, uint32_t id) {
  if (id == 0) return 0;
  if (w->string[id] == 0) {
    w->string[id] = ++w->strings;
    w->texts[w->strings] = id;
  }
  return w->string[id];
}

static uint32_t functionnumber (writer *w, uint32_t frame) {
  const pyr_frame *f = w->p->frames + frame;
  uint64_t key = pyr_mix((uint64_t)f->name << 32 | f->file) ^ f->start_line;
  uint32_t at = (uint32_t)pyr_mix(key) & w->mask;
  for (; w->slots[at] != 0; at = (at + 1) & w->mask) {
    const pyr_frame *g = w->p->frames + w->owners[w->slots[at]];
    if (f->name == g->name && f->file == g->file && f->start_line == g->start_line)
      return w->slots[at];
  }
  w->slots[at] = ++w->functions;
  w->owners[w->functions] = frame;
  return w->functions;
}

static uint32_t locationnumber (writer *w, uint32_t frame) {
  uint32_t object = w->p->frames[frame].object;
  if (w->location[frame] != 0) return w->location[frame];
  w->location[frame] = ++w->locations;
  w->frames[w->locations] = frame;
  w->function[frame] = functionnumber(w, frame);
  if (object != 0 && w->mapping[object] == 0) {
    w->mapping[object] = ++w->mappings;
    w->objects[w->mappings] = object;
  }
  return w->location[frame];
}

/* ---- messages ---- */

/* pprof knows by this label which samples a comparison is based on. */
#define BASE_KEY 5
#define BASE_VALUE 6
static const char base_label[] = {1 << 3, BASE_KEY, 2 << 3, BASE_VALUE};

/* The root's own value has no locations. */
static void sample (writer *w, uint32_t node, int64_t self, bool base) {
  const pyr_node *nodes = w->p->nodes;
  uint64_t value = base ? -(uint64_t)self : (uint64_t)self;
  uint32_t depth = 0, i;
  size_t length = 0;
  for (i = node; i != 0; i = nodes[i].parent) {
    w->stack[depth] = w->location[nodes[i].frame];
    length += varintlength(w->stack[depth++]);
  }
  if (depth != 0) {
    pyr_buffer_varint(&w->part, 1 << 3 | 2);
    pyr_buffer_varint(&w->part, length);
    for (i = 0; i < depth; i++)
      pyr_buffer_varint(&w->part, w->stack[i]);
  }
  pyr_buffer_varint(&w->part, 2 << 3 | 2);
  pyr_buffer_varint(&w->part, varintlength(value));
  pyr_buffer_varint(&w->part, value);
  if (base) bytes(&w->part, 3, base_label, sizeof base_label);
  message(w, 2);
}

/* A's value of a node in terms of B; the running sum is what is rounded. */
static int64_t basevalue (writer *w, int64_t self) {
  long double now;
  int64_t before = w->scaled;
  if (w->factor == 1) return self;
  w->raw += self;
  now = (long double)w->raw * w->factor + 0.5L;
  if (now >= 9223372036854775807.0L) {
    w->huge = true;
    return 0;
  }
  w->scaled = (int64_t)now;
  return w->scaled - before;
}

static void samples (writer *w, uint32_t node) {
  int64_t a, b;
  if (w->u == NULL) {
    if (w->p->nodes[node].self != 0) sample(w, node, w->p->nodes[node].self, false);
    return;
  }
  a = basevalue(w, w->u->selfs[2 * (size_t)node]);
  b = w->u->selfs[2 * (size_t)node + 1];
  if (a != 0) sample(w, node, a, true);
  if (b != 0) sample(w, node, b, false);
}

/* Says that names, files and lines are there, so that no reader looks for symbols. */
static void mapping (writer *w, uint32_t m) {
  uint32_t field;
  number(&w->part, 1, m);
  number(&w->part, 5, stringnumber(w, w->objects[m]));
  for (field = 7; field <= 10; field++)
    number(&w->part, field, 1);
  message(w, 3);
}

static void location (writer *w, uint32_t l) {
  const pyr_frame *f = w->p->frames + w->frames[l];
  w->line.len = 0;
  number(&w->line, 1, w->function[w->frames[l]]);
  number(&w->line, 2, f->line);
  number(&w->part, 1, l);
  number(&w->part, 2, w->mapping[f->object]);
  bytes(&w->part, 4, w->line.data, w->line.len);
  message(w, 4);
}

static void function (writer *w, uint32_t i) {
  const pyr_frame *f = w->p->frames + w->owners[i];
  number(&w->part, 1, i);
  number(&w->part, 2, stringnumber(w, f->name));
  number(&w->part, 3, stringnumber(w, f->name));
  number(&w->part, 4, stringnumber(w, f->file));
  number(&w->part, 5, f->start_line);
  message(w, 5);
}

/* Part 'n' of a profile type id (0: the name). */
static pyr_string typepart (const char *id, unsigned n) {
  pyr_string s = {"", 0};
  const char *end;
  for (; id != NULL && n > 0; n--) {
    id = strchr(id, ':');
    if (id != NULL) id++;
  }
  if (id == NULL) return s;
  end = strchr(id, ':');
  s.bytes = id;
  s.length = (uint32_t)(end == NULL ? strlen(id) : (size_t)(end - id));
  return s;
}

/* What the numbers are: types and units of samples and period, as strings 1 to 4. */
typedef struct meaning {
  pyr_string part[4];
  uint32_t index[4];
} meaning;

static void means (meaning *m, const pyr_renderoptions *o) {
  static const pyr_string samples = {"samples", 7}, count = {"count", 5};
  uint32_t i, k;
  for (i = 0; i < 4; i++)
    m->part[i] = typepart(o->profile_type, i + 1);
  if (m->part[0].length == 0) m->part[0] = samples;
  if (m->part[1].length == 0) {
    m->part[1] = count;
    if (o->unit != NULL) m->part[1] = (pyr_string){o->unit, (uint32_t)strlen(o->unit)};
  }
  for (i = 0; i < 4; i++) {
    m->index[i] = m->part[i].length == 0 ? 0 : i + 1;
    for (k = 0; k < i; k++)
      if (pyr_string_compare(m->part[i], m->part[k]) == 0) m->index[i] = m->index[k];
  }
}

static void valuetype (writer *w, uint32_t field, uint32_t kind, uint32_t unit) {
  number(&w->part, 1, kind);
  number(&w->part, 2, unit);
  message(w, field);
}

static void document (writer *w, const pyr_renderoptions *o, const pyr_sorted *order) {
  const pyr_profile *p = w->p;
  meaning m;
  uint32_t i, first;
  means(&m, o);
  first = w->u == NULL ? 4 : BASE_VALUE;
  w->strings = first;
  valuetype(w, 1, m.index[0], m.index[1]);
  for (i = 0; i != UINT32_MAX; i = pyr_sorted_next(order, p, i)) {
    if (i != 0) locationnumber(w, p->nodes[i].frame);
    samples(w, i);
  }
  for (i = 1; i <= w->mappings; i++)
    mapping(w, i);
  for (i = 1; i <= w->locations; i++)
    location(w, i);
  for (i = 1; i <= w->functions; i++)
    function(w, i);
  bytes(w->out, 6, "", 0);
  for (i = 0; i < 4; i++)
    bytes(w->out, 6, m.part[i].bytes, m.part[i].length);
  if (w->u != NULL) {
    bytes(w->out, 6, "pprof::base", 11);
    bytes(w->out, 6, "true", 4);
  }
  for (i = first + 1; i <= w->strings; i++)
    bytes(w->out, 6, p->strings[w->texts[i]].bytes, p->strings[w->texts[i]].length);
  number(w->out, 9, (uint64_t)o->time_nanos);
  number(w->out, 10, (uint64_t)o->duration_nanos);
  if (m.index[2] != 0 || m.index[3] != 0) valuetype(w, 11, m.index[2], m.index[3]);
  number(w->out, 14, m.index[0]);
}

/* All tables are parts of one block. */
static uint32_t *prepare (writer *w) {
  const pyr_profile *p = w->p;
  size_t frames = p->frame_count, strings = p->string_count, slots = 16, total;
  uint32_t *block;
  while (slots < frames * 2)
    slots *= 2;
  total = 2 * frames + 2 * (frames + 1) + 2 * strings + (strings + 1) + (strings + 7) +
          p->levels + slots;
  block = calloc(total, sizeof *block);
  if (block == NULL) return NULL;
  w->mask = (uint32_t)(slots - 1);
  w->slots = block;
  w->location = w->slots + slots;
  w->function = w->location + frames;
  w->frames = w->function + frames;
  w->owners = w->frames + frames + 1;
  w->mapping = w->owners + frames + 1;
  w->string = w->mapping + strings;
  w->objects = w->string + strings;
  w->texts = w->objects + strings + 1;
  w->stack = w->texts + strings + 7;
  return block;
}

/* 'u' NULL: one profile; else 'p' is its tree and 'factor' that of its first side. */
static pyr_status render (pyr_buffer *out, const pyr_profile *p, const pyr_union *u,
                          double factor, const pyr_renderoptions *o, pyr_error *e) {
  writer w;
  pyr_buffer raw = {NULL, 0, 0, 0, PYR_OK};
  pyr_sorted order;
  uint32_t *block;
  pyr_status status;
  memset(&w, 0, sizeof w);
  w.out = o->raw ? out : &raw;
  w.p = p;
  w.u = u;
  w.factor = factor;
  if (pyr_sorted_init(&order, p, e) != PYR_OK) return e->status;
  block = prepare(&w);
  if (block != NULL) document(&w, o, &order);
  free(block);
  pyr_sorted_free(&order);
  if (block == NULL || w.part.status != PYR_OK || w.line.status != PYR_OK)
    w.out->status = PYR_EMEMORY;
  pyr_buffer_free(&w.part);
  pyr_buffer_free(&w.line);
  status = pyr_rendered(w.out, e);
  if (status == PYR_OK && w.huge)
    status = pyr_fail(e, PYR_ELIMIT, "a side in terms of the other exceeds 64 bits",
                      PYR_NOWHERE);
  if (status == PYR_OK && !o->raw) status = pyr_deflate(out, raw.data, raw.len, e);
  pyr_buffer_free(&raw);
  return status;
}

pyr_status pyr_render_pprof (pyr_buffer *out, const pyr_profile *p,
                             const pyr_renderoptions *o, pyr_error *e) {
  return render(out, p, NULL, 1, o, e);
}

pyr_status pyr_render_diffpprof (pyr_buffer *out, const pyr_union *u,
                                 const pyr_renderoptions *o, pyr_error *e) {
  return render(out, &u->tree, u, o->sides[0].scale / o->sides[1].scale, o, e);
}
