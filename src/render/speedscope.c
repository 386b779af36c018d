#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"
#include "render/render.h"

/*
** One evented profile: a frame opens where its time begins and closes where it ends, two events
** a node however deep the stacks are (a sample would repeat the whole stack). Merged data has
** no order in time, so siblings stand in the order of their names and the time of a node itself
** is behind that of its children. Time outside of all frames is nobody's in an evented profile:
** a value without a stack goes into a second, sampled one.
*/
static const char *valueunit (const char *unit) {
  static const char *const known[] = {"nanoseconds", "microseconds", "milliseconds",
                                      "seconds", "bytes"};
  size_t i;
  for (i = 0; unit != NULL && i < sizeof known / sizeof *known; i++)
    if (strcmp(unit, known[i]) == 0) return known[i];
  return "none";
}

typedef struct scope {
  pyr_buffer *out;
  const pyr_profile *p;
  pyr_sorted sorted;
  uint32_t *index; /* [frame_count] place in the file's list of frames + 1 */
  uint32_t frames;
  uint32_t *open; /* [levels] nodes of the open stack */
  int64_t *ends;  /* [levels] where they close */
} scope;

static void text (pyr_buffer *out, pyr_string s) {
  pyr_buffer_json(out, s.bytes, s.length);
}

static void frame (scope *s, uint32_t f) {
  const pyr_frame *frame = s->p->frames + f;
  if (s->index[f] != 0) return;
  if (s->frames != 0) pyr_buffer_char(s->out, ',');
  s->index[f] = ++s->frames;
  pyr_buffer_text(s->out, "{\"name\":");
  text(s->out, s->p->strings[frame->name]);
  if (frame->file != 0) {
    pyr_buffer_text(s->out, ",\"file\":");
    text(s->out, s->p->strings[frame->file]);
  }
  if (frame->line != 0) {
    pyr_buffer_text(s->out, ",\"line\":");
    pyr_buffer_uint(s->out, frame->line);
  }
  pyr_buffer_char(s->out, '}');
}

static void event (scope *s, char type, uint32_t node, int64_t at, bool first) {
  pyr_buffer_text(s->out, first ? "{\"type\":\"" : ",{\"type\":\"");
  pyr_buffer_char(s->out, type);
  pyr_buffer_text(s->out, "\",\"frame\":");
  pyr_buffer_uint(s->out, s->index[s->p->nodes[node].frame] - 1);
  pyr_buffer_text(s->out, ",\"at\":");
  pyr_buffer_int(s->out, at);
  pyr_buffer_char(s->out, '}');
}

static void begin (scope *s, const char *type, const pyr_renderoptions *o,
                   int64_t total) {
  const char *name = o->title != NULL ? o->title
                     : o->profile_type != NULL && o->profile_type[0] != '\0'
                         ? o->profile_type
                         : "profile";
  pyr_buffer_text(s->out, "{\"type\":\"");
  pyr_buffer_text(s->out, type);
  pyr_buffer_text(s->out, "\",\"name\":");
  pyr_buffer_json(s->out, name, strlen(name));
  pyr_buffer_text(s->out, ",\"unit\":\"");
  pyr_buffer_text(s->out, valueunit(o->unit));
  pyr_buffer_text(s->out, "\",\"startValue\":0,\"endValue\":");
  pyr_buffer_int(s->out, total);
}

static void events (scope *s) {
  const pyr_profile *p = s->p;
  uint32_t i, depth = 0;
  int64_t at = 0;
  bool first = true;
  for (i = pyr_sorted_next(&s->sorted, p, 0); i != UINT32_MAX;
       i = pyr_sorted_next(&s->sorted, p, i)) {
    uint32_t level = p->nodes[i].level;
    if (p->nodes[i].total == 0) continue; /* so is everything below it */
    for (; depth >= level; depth--)
      event(s, 'C', s->open[depth], at = s->ends[depth], false);
    event(s, 'O', i, at, first);
    first = false;
    depth = level;
    s->open[level] = i;
    s->ends[level] = at + p->nodes[i].total;
  }
  for (; depth > 0; depth--)
    event(s, 'C', s->open[depth], s->ends[depth], false);
}

static void file (scope *s, const pyr_renderoptions *o) {
  const pyr_profile *p = s->p;
  int64_t alone = p->nodes[0].self;
  uint32_t i;
  pyr_buffer_text(s->out, "{\"$schema\":\"https://www.speedscope.app/"
                          "file-format-schema.json\",\"exporter\":\"pyroscope\","
                          "\"activeProfileIndex\":0,\"shared\":{\"frames\":[");
  for (i = pyr_sorted_next(&s->sorted, p, 0); i != UINT32_MAX;
       i = pyr_sorted_next(&s->sorted, p, i))
    if (p->nodes[i].total != 0) frame(s, p->nodes[i].frame);
  pyr_buffer_text(s->out, "]},\"profiles\":[");
  begin(s, "evented", o, p->nodes[0].total - alone);
  pyr_buffer_text(s->out, ",\"events\":[");
  events(s);
  pyr_buffer_text(s->out, "]}");
  if (alone != 0) {
    pyr_buffer_char(s->out, ',');
    begin(s, "sampled", o, alone);
    pyr_buffer_text(s->out, ",\"samples\":[[]],\"weights\":[");
    pyr_buffer_int(s->out, alone);
    pyr_buffer_text(s->out, "]}");
  }
  pyr_buffer_text(s->out, "]}\n");
}

pyr_status pyr_render_speedscope (pyr_buffer *out, const pyr_profile *p,
                                  const pyr_renderoptions *o, pyr_error *e) {
  scope s;
  pyr_status status;
  memset(&s, 0, sizeof s);
  s.out = out;
  s.p = p;
  s.index = calloc(p->frame_count + 1u, sizeof *s.index);
  s.open = malloc((p->levels + 1u) * sizeof *s.open);
  s.ends = malloc((p->levels + 1u) * sizeof *s.ends);
  if (s.index == NULL || s.open == NULL || s.ends == NULL)
    status = pyr_nomemory(e);
  else if ((status = pyr_sorted_init(&s.sorted, p, e)) == PYR_OK) {
    file(&s, o);
    status = pyr_rendered(out, e);
  }
  pyr_sorted_free(&s.sorted);
  free(s.index);
  free(s.open);
  free(s.ends);
  return status;
}
