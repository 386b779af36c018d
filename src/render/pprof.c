#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "render/render.h"

/*
** google.v1.Profile. Every frame of the tree is one location with one line; the names of the
** tree are the string table, followed by what the type needs. Locations and functions have the
** number of their frame or string + 1, so no table of them is built: functions are (name, file)
** pairs, one for each frame.
*/
typedef struct writer {
  pyr_buffer *out;
  pyr_buffer part; /* one message */
  const pyr_profile *p;
} writer;

static void number (pyr_buffer *b, uint32_t field, uint64_t v) {
  if (v == 0) return;
  pyr_buffer_varint(b, (uint64_t)field << 3);
  pyr_buffer_varint(b, v);
}

static void bytes (pyr_buffer *b, uint32_t field, const char *data, size_t len) {
  pyr_buffer_varint(b, (uint64_t)field << 3 | 2);
  pyr_buffer_varint(b, len);
  pyr_buffer_add(b, data, len);
}

/* Ends the message in w->part as a field of the profile. */
static void message (writer *w, uint32_t field) {
  bytes(w->out, field, w->part.data == NULL ? "" : w->part.data, w->part.len);
  w->part.len = 0;
}

/* Part 'n' of a profile type id (0: name). */
static pyr_string typepart (const char *id, unsigned n) {
  pyr_string s = {"", 0};
  const char *end;
  if (id == NULL) return s;
  for (; n > 0; n--) {
    id = strchr(id, ':');
    if (id == NULL) return s;
    id++;
  }
  end = strchr(id, ':');
  s.bytes = id;
  s.length = (uint32_t)(end == NULL ? strlen(id) : (size_t)(end - id));
  return s;
}

static size_t varintlength (uint64_t v) {
  size_t n = 1;
  while (v >= 0x80) {
    v >>= 7;
    n++;
  }
  return n;
}

static void sample (writer *w, uint32_t node, uint32_t *stack) {
  const pyr_node *nodes = w->p->nodes;
  uint32_t depth = 0, i;
  size_t length = 0;
  for (i = node; i != 0; i = nodes[i].parent) {
    stack[depth] = nodes[i].frame;
    length += varintlength(stack[depth++]);
  }
  if (depth != 0) {
    pyr_buffer_varint(&w->part, 1 << 3 | 2);
    pyr_buffer_varint(&w->part, length);
    for (i = 0; i < depth; i++) pyr_buffer_varint(&w->part, stack[i]);
  }
  pyr_buffer_varint(&w->part, 2 << 3 | 2);
  pyr_buffer_varint(&w->part, varintlength((uint64_t)nodes[node].self));
  pyr_buffer_varint(&w->part, (uint64_t)nodes[node].self);
  message(w, 2);
}

/* One mapping for each object, in order of the frames; 'ids' by string. */
static void mappings (writer *w, uint32_t *ids) {
  uint32_t f, count = 0;
  for (f = 1; f < w->p->frame_count; f++) {
    uint32_t object = w->p->frames[f].object;
    if (object == 0 || ids[object] != 0) continue;
    ids[object] = ++count;
    number(&w->part, 1, count);
    number(&w->part, 5, object);
    number(&w->part, 7, 1);
    number(&w->part, 8, 1);
    number(&w->part, 9, 1);
    number(&w->part, 10, 1);
    message(w, 3);
  }
}

static void frames (writer *w, const uint32_t *mapping) {
  pyr_buffer line = {NULL, 0, 0, 0, PYR_OK};
  uint32_t f;
  for (f = 1; f < w->p->frame_count; f++) {
    const pyr_frame *frame = w->p->frames + f;
    line.len = 0;
    number(&line, 1, f);
    number(&line, 2, frame->line);
    number(&w->part, 1, f);
    number(&w->part, 2, mapping[frame->object]);
    bytes(&w->part, 4, line.data == NULL ? "" : line.data, line.len);
    message(w, 4);
  }
  if (line.status != PYR_OK) w->out->status = line.status;
  pyr_buffer_free(&line);
  for (f = 1; f < w->p->frame_count; f++) {
    const pyr_frame *frame = w->p->frames + f;
    number(&w->part, 1, f);
    number(&w->part, 2, frame->name);
    number(&w->part, 3, frame->name);
    number(&w->part, 4, frame->file);
    number(&w->part, 5, frame->start_line);
    message(w, 5);
  }
}

static void type (writer *w, uint32_t field, uint32_t first) {
  number(&w->part, 1, first);
  number(&w->part, 2, first + 1);
  message(w, field);
}

static void document (writer *w, const pyr_renderoptions *o, uint32_t *ids,
                      uint32_t *stack) {
  const pyr_profile *p = w->p;
  uint32_t i, texts = p->string_count;
  pyr_string part[4];
  static const pyr_string known[] = {{"samples", 7}, {"count", 5}};
  for (i = 0; i < 4; i++) part[i] = typepart(o->profile_type, i + 1);
  if (part[0].length == 0) part[0] = known[0];
  if (part[1].length == 0) {
    part[1] = known[1];
    if (o->unit != NULL) part[1] = (pyr_string){o->unit, (uint32_t)strlen(o->unit)};
  }
  type(w, 1, texts);
  for (i = 0; i < p->count; i++)
    if (p->nodes[i].self != 0) sample(w, i, stack);
  mappings(w, ids);
  frames(w, ids);
  for (i = 0; i < p->string_count; i++)
    bytes(w->out, 6, p->strings[i].bytes, p->strings[i].length);
  for (i = 0; i < 4; i++) bytes(w->out, 6, part[i].bytes, part[i].length);
  number(w->out, 9, (uint64_t)o->time_nanos);
  number(w->out, 10, (uint64_t)o->duration_nanos);
  if (part[2].length != 0) {
    type(w, 11, texts + 2);
    number(w->out, 12, 1);
  }
  number(w->out, 14, texts);
}

pyr_status pyr_render_pprof (pyr_buffer *out, const pyr_profile *p,
                             const pyr_renderoptions *o, pyr_error *e) {
  writer w = {out, {NULL, 0, 0, 0, PYR_OK}, p};
  pyr_buffer raw = {NULL, 0, 0, 0, PYR_OK};
  uint32_t *ids = calloc(p->string_count + 1u, sizeof *ids);
  uint32_t *stack = malloc((p->levels + 1u) * sizeof *stack);
  if (ids == NULL || stack == NULL) {
    free(ids);
    free(stack);
    return pyr_nomemory(e);
  }
  if (!o->raw) w.out = &raw;
  document(&w, o, ids, stack);
  free(ids);
  free(stack);
  if (w.part.status != PYR_OK && w.out->status == PYR_OK) w.out->status = w.part.status;
  pyr_buffer_free(&w.part);
  if (!o->raw) {
    pyr_status status = pyr_rendered(&raw, e);
    if (status == PYR_OK) status = pyr_deflate(out, raw.data, raw.len, e);
    pyr_buffer_free(&raw);
    if (status != PYR_OK) return status;
  }
  return pyr_rendered(out, e);
}
