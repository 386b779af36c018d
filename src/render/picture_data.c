#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/picture.h"

static void key (pyr_buffer *out, const char *name) {
  if (out->data[out->len - 1] != '{') pyr_buffer_char(out, ',');
  pyr_buffer_char(out, '"');
  pyr_buffer_text(out, name);
  pyr_buffer_text(out, "\":");
}

static void text (pyr_buffer *out, const char *name, const char *value) {
  if (value == NULL || value[0] == '\0') return;
  key(out, name);
  pyr_buffer_json(out, value, strlen(value));
}

/* Doubles that scale: as many digits as they have. */
static void real (pyr_buffer *out, const char *name, double v) {
  char digits[40];
  snprintf(digits, sizeof digits, "%.17g", v);
  key(out, name);
  pyr_buffer_text(out, digits);
}

static void about (const pyr_picture *g) {
  static const char *const colourings[] = {"package", "value", "class", "plain"};
  const pyr_renderoptions *o = g->o;
  pyr_buffer *out = g->out;
  pyr_buffer sub = {NULL, 0, 0, 0, PYR_OK};
  unsigned i;
  text(out, "title", o->title);
  text(out, "type", o->profile_type);
  pyr_picture_subtitle(g, &sub, false);
  text(out, "subtitle", sub.data);
  pyr_buffer_free(&sub);
  text(out, "unit", o->unit);
  text(out, "link", o->link);
  text(out, "colors", colourings[o->colours]);
  key(out, "min");
  pyr_buffer_fixed(out, g->min_width, 3);
  if (o->width > 0) real(out, "width", o->width);
  if (o->seconds > 0) real(out, "seconds", o->seconds);
  if (o->icicle) text(out, "view", "icicle");
  if (o->by_name) text(out, "sort", "name");
  if (g->p->cut) {
    key(out, "cut");
    pyr_buffer_text(out, "true");
  }
  if (g->u == NULL) return;
  text(out, "mode", o->mode);
  text(out, "measure", o->measure);
  real(out, "noise", o->noise);
  key(out, "sides");
  for (i = 0; i < 2; i++) {
    pyr_buffer_text(out, i == 0 ? "[{" : ",{");
    text(out, "label", o->sides[i].label);
    text(out, "text", o->sides[i].text);
    real(out, "scale", o->sides[i].scale);
    if (o->sides[i].rate > 0) real(out, "rate", o->sides[i].rate);
    pyr_buffer_char(out, '}');
  }
  pyr_buffer_char(out, ']');
}

/* A string's place in the list of those that are used, written when it is first asked for. */
static uint32_t used (const pyr_picture *g, uint32_t *index, uint32_t *count,
                      uint32_t id) {
  if (index[id] == 0) {
    if (*count != 0) pyr_buffer_char(g->out, ',');
    pyr_buffer_json(g->out, g->p->strings[id].bytes, g->p->strings[id].length);
    index[id] = ++*count;
  }
  return index[id] - 1;
}

static uint32_t packageof (const pyr_picture *g, uint32_t frame) {
  return g->packages.of[frame] & ~PYR_GROUP_OTHER;
}

/* Five numbers a frame: name, file, line, package, class; 0 is no file. */
static void frames (const pyr_picture *g, const uint32_t *index,
                    const uint32_t *packages) {
  const pyr_profile *p = g->p;
  uint32_t i;
  key(g->out, "frames");
  pyr_buffer_char(g->out, '[');
  for (i = 0; i < g->used; i++) {
    const pyr_frame *f = p->frames + g->frames[i];
    if (i != 0) pyr_buffer_char(g->out, ',');
    pyr_buffer_uint(g->out, index[f->name] - 1);
    pyr_buffer_char(g->out, ',');
    pyr_buffer_uint(g->out, f->file == 0 ? 0 : index[f->file] - 1);
    pyr_buffer_char(g->out, ',');
    pyr_buffer_uint(g->out, f->line);
    pyr_buffer_char(g->out, ',');
    pyr_buffer_uint(g->out, packages[packageof(g, g->frames[i])] - 1);
    pyr_buffer_char(g->out, ',');
    pyr_buffer_uint(g->out, g->o->colours == PYR_COLOUR_CLASS
                                ? pyr_picture_class(p->strings[f->name])
                                : 0);
  }
  pyr_buffer_char(g->out, ']');
}

static pyr_status tables (const pyr_picture *g, pyr_error *e) {
  const pyr_profile *p = g->p;
  uint32_t *index = calloc(p->string_count + 1u, sizeof *index), i, count = 0;
  uint32_t *packages = calloc(g->packages.count + 1u, sizeof *packages);
  if (index == NULL || packages == NULL) {
    free(index);
    free(packages);
    return pyr_nomemory(e);
  }
  key(g->out, "names");
  pyr_buffer_char(g->out, '[');
  used(g, index, &count, 0); /* no name, no file */
  for (i = 0; i < g->used; i++) {
    used(g, index, &count, p->frames[g->frames[i]].name);
    used(g, index, &count, p->frames[g->frames[i]].file);
  }
  pyr_buffer_char(g->out, ']');
  key(g->out, "packages"); /* name, colour */
  pyr_buffer_char(g->out, '[');
  for (count = 0, i = 0; i < g->used; i++) {
    uint32_t package = packageof(g, g->frames[i]);
    pyr_string name = g->packages.names[package];
    if (packages[package] != 0) continue;
    if (count != 0) pyr_buffer_char(g->out, ',');
    packages[package] = ++count;
    pyr_buffer_json(g->out, name.bytes, name.length);
    pyr_buffer_text(g->out, ",\"");
    pyr_buffer_text(g->out, pyr_picture_hue(name));
    pyr_buffer_char(g->out, '"');
  }
  pyr_buffer_char(g->out, ']');
  frames(g, index, packages);
  free(index);
  free(packages);
  return PYR_OK;
}

typedef uint64_t getter (const pyr_picture *g, uint32_t node);

static uint64_t frameof (const pyr_picture *g, uint32_t i) {
  return g->slot[g->p->nodes[i].frame] - 1;
}

static uint64_t childrenof (const pyr_picture *g, uint32_t i) {
  return g->p->nodes[i + 1].first_child - g->p->nodes[i].first_child;
}

static uint64_t selfof (const pyr_picture *g, uint32_t i) {
  return (uint64_t)(g->u == NULL ? g->p->nodes[i].self : g->u->selfs[2 * (size_t)i]);
}

static uint64_t afterof (const pyr_picture *g, uint32_t i) {
  return (uint64_t)g->u->selfs[2 * (size_t)i + 1];
}

/* One number for every node, in the order in which they are drawn. */
static void column (const pyr_picture *g, const char *name, getter *get) {
  uint32_t i = 0, n = g->p->count;
  key(g->out, name);
  pyr_buffer_char(g->out, '[');
  while (i < n) {
    uint32_t end = n - i > 1024 ? i + 1024 : n;
    char *room = pyr_buffer_room(g->out, (size_t)(end - i) * 21), *at = room;
    if (room == NULL) return;
    for (; i < end; i++) {
      at = pyr_put_decimal(at, get(g, g->order[i]));
      *at++ = ',';
    }
    g->out->len += (size_t)(at - room);
  }
  g->out->data[g->out->len - 1] = ']';
}

pyr_status pyr_picture_data (pyr_picture *g, pyr_error *e) {
  pyr_buffer_char(g->out, '{');
  if (g->out->status != PYR_OK) return pyr_rendered(g->out, e);
  about(g);
  if (tables(g, e) != PYR_OK) return e->status;
  column(g, "frame", frameof);
  column(g, "children", childrenof);
  column(g, "self", selfof);
  if (g->u != NULL) column(g, "after", afterof);
  pyr_buffer_char(g->out, '}');
  return pyr_rendered(g->out, e);
}
