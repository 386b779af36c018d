#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "decode/decode.h"
#include "profile/stacks.h"

/*
** Keys come in any order, and what comes first may need what comes last. So an object
** is walked over once to learn where its parts are, and the parts are read from there.
*/
typedef struct fileframe {
  uint32_t frame, line;
} fileframe;

/* A frame on the stack. Its node is made when a value comes to it. */
typedef struct openframe {
  uint32_t index; /* in the file's table */
  uint32_t node;
  int64_t since;
} openframe;

typedef struct section { /* one profile of the file */
  const char *type, *unit, *name, *end_value, *events, *samples, *weights;
} section;

typedef struct speedreader {
  pyr_json j;
  pyr_stacks stacks;
  fileframe *frames;
  uint32_t frame_count, frame_cap;
  openframe *open;
  uint32_t depth, cap;
  uint32_t resolved; /* frames of 'open' that have their node */
  int shift;         /* of the unit: 10^shift base units */
  uint32_t carry;
  pyr_speedscope *about;
  pyr_error *e;
} speedreader;

/* Functions below return false when the scanner, or what is behind it, failed. */

static bool failed (const speedreader *r) {
  return r->j.wrong != NULL || r->e->status != PYR_OK;
}

static bool stop (speedreader *r, pyr_status status, const char *message) {
  pyr_fail(r->e, status, message, pyr_json_where(&r->j));
  return false;
}

static bool memory (speedreader *r) {
  pyr_nomemory(r->e);
  return false;
}

/* Remembers where a member is, and skips it. null is what is not there. */
static bool note (speedreader *r, const char **at) {
  if (pyr_json_null(&r->j)) return true;
  if (*at != NULL) return pyr_json_fail(&r->j, "a key comes twice");
  *at = r->j.p;
  return pyr_json_skip(&r->j);
}

static bool internstring (speedreader *r, uint32_t *id) {
  pyr_buffer text;
  const char *bytes;
  size_t length;
  bool escaped, good = true;
  memset(&text, 0, sizeof text);
  if (!pyr_json_string(&r->j, &bytes, &length, &escaped)) return false;
  if (escaped) {
    good = pyr_json_unescape(&r->j, bytes, length, &text);
    bytes = text.len == 0 ? "" : text.data;
    length = text.len;
  }
  if (length > UINT32_MAX)
    good = stop(r, PYR_ELIMIT, "a name is too long");
  else if (good &&
           (text.status != PYR_OK ||
            pyr_names_intern(&r->stacks.names, bytes, (uint32_t)length, id) != PYR_OK))
    good = memory(r);
  pyr_buffer_free(&text);
  return good;
}

/* Lines are numbers, but some writers know none and say so in their own way. */
static bool readline (speedreader *r, uint32_t *line) {
  pyr_decimal d;
  char c = pyr_json_peek(&r->j);
  if (c != '-' && (unsigned char)(c - '0') >= 10) return pyr_json_skip(&r->j);
  if (!pyr_json_decimal(&r->j, 0, &d)) return false;
  *line = d.negative || d.fraction || d.whole > UINT32_MAX ? 0 : (uint32_t)d.whole;
  return true;
}

static bool readframe (speedreader *r) {
  const char *key;
  size_t length;
  uint32_t name = 0, file = 0, line = 0, frame;
  bool first = true, named = false;
  if (!pyr_json_take(&r->j, '{')) return false;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "name"))
      named = internstring(r, &name);
    else if (pyr_json_is(key, length, "file") && pyr_json_peek(&r->j) == '"')
      internstring(r, &file);
    else if (pyr_json_is(key, length, "line"))
      readline(r, &line);
    else
      pyr_json_skip(&r->j);
  }
  if (failed(r)) return false;
  if (!named) return pyr_json_fail(&r->j, "a frame has no name");
  if (r->frame_count == r->frame_cap) {
    uint32_t cap = r->frame_cap == 0 ? 128 : r->frame_cap * 2;
    fileframe *frames;
    if (r->frame_cap > PYR_NODES_MAX / 2) return stop(r, PYR_ELIMIT, "too many frames");
    frames = realloc(r->frames, cap * sizeof *frames);
    if (frames == NULL) return memory(r);
    r->frames = frames;
    r->frame_cap = cap;
  }
  if (pyr_stacks_frame(&r->stacks, name, file, 0, line, 0, &frame, r->e) != PYR_OK)
    return false;
  r->frames[r->frame_count++] = (fileframe){frame, line};
  return true;
}

static bool readshared (speedreader *r) {
  const char *key;
  size_t length;
  bool first = true, inner = true;
  if (!pyr_json_take(&r->j, '{')) return false;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length)) {
    if (!pyr_json_is(key, length, "frames"))
      pyr_json_skip(&r->j);
    else if (r->frame_count != 0)
      pyr_json_fail(&r->j, "a key comes twice");
    else if (pyr_json_take(&r->j, '['))
      while (!failed(r) && pyr_json_item(&r->j, &inner))
        readframe(r);
  }
  return !failed(r);
}

static bool readindex (speedreader *r, uint32_t *index) {
  int64_t v;
  pyr_json before = r->j;
  if (!pyr_json_int(&r->j, &v)) return false;
  if (v >= 0 && v < r->frame_count) {
    *index = (uint32_t)v;
    return true;
  }
  r->j = before;
  return pyr_json_fail(&r->j, "a frame is not in the list of frames");
}

/* Puts a frame on the stack in place of what was at 'depth' and above. */
static bool push (speedreader *r, uint32_t index, int64_t since) {
  if (r->depth == r->cap) {
    uint32_t cap = r->cap == 0 ? 128 : r->cap * 2;
    openframe *open;
    if (r->cap > PYR_NODES_MAX / 2) return stop(r, PYR_ELIMIT, "a stack is too deep");
    open = realloc(r->open, cap * sizeof *open);
    if (open == NULL) return memory(r);
    r->open = open;
    r->cap = cap;
  }
  if (r->depth < r->resolved && r->open[r->depth].index != index)
    r->resolved = r->depth;
  r->open[r->depth].index = index;
  r->open[r->depth++].since = since;
  return true;
}

/* Adds a value to the stack that is open. */
static bool add (speedreader *r, int64_t value) {
  uint32_t node, i = r->resolved < r->depth ? r->resolved : r->depth;
  if (value == 0) return true;
  node = i == 0 ? 0 : r->open[i - 1].node;
  for (; i < r->depth; i++) {
    if (pyr_stacks_child(&r->stacks, node, r->frames[r->open[i].index].frame, &node,
                         r->e) != PYR_OK)
      return false;
    r->open[i].node = node;
    r->resolved = i + 1;
  }
  if (pyr_stacks_add(&r->stacks, node, value, r->e) != PYR_OK) {
    if (r->e->where == PYR_NOWHERE) r->e->where = pyr_json_where(&r->j);
    return false;
  }
  if (r->depth == 0) return true;
  i = r->open[r->depth - 1].index;
  return pyr_stacks_weigh(&r->stacks, r->frames[i].frame, r->frames[i].line, value, 0,
                          r->e) == PYR_OK;
}

static bool weightotal (speedreader *r, uint32_t index, int64_t value) {
  return pyr_stacks_weigh(&r->stacks, r->frames[index].frame, r->frames[index].line, 0,
                          value, r->e) == PYR_OK;
}

static bool readtime (speedreader *r, int64_t *time) {
  pyr_decimal d;
  if (!pyr_json_decimal(&r->j, r->shift, &d)) return false;
  return pyr_decimal_round(&d, time) == PYR_DECIMAL_OK ||
         pyr_json_fail(&r->j, "a time exceeds 64 bits");
}

static bool readevent (speedreader *r, char *type, uint32_t *index, int64_t *time) {
  const char *key, *bytes;
  size_t length;
  bool first = true, escaped;
  unsigned seen = 0;
  if (!pyr_json_take(&r->j, '{')) return false;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "type")) {
      if (pyr_json_string(&r->j, &bytes, &length, &escaped)) {
        *type = length == 1 ? *bytes : '?';
        seen |= 1;
      }
    } else if (pyr_json_is(key, length, "frame")) {
      readindex(r, index);
      seen |= 2;
    } else if (pyr_json_is(key, length, "at")) {
      readtime(r, time);
      seen |= 4;
    } else
      pyr_json_skip(&r->j);
  }
  if (failed(r)) return false;
  return seen == 7 || pyr_json_fail(&r->j, "an event lacks type, frame or at");
}

static bool applyevent (speedreader *r, char type, uint32_t index, int64_t time) {
  int64_t since;
  if (type == 'O') return push(r, index, time);
  if (type != 'C') return pyr_json_fail(&r->j, "an event is neither \"O\" nor \"C\"");
  if (r->depth == 0 || r->open[r->depth - 1].index != index)
    return pyr_json_fail(&r->j, "an event closes a frame that is not the innermost");
  r->depth--;
  since = r->open[r->depth].since;
  return weightotal(r, index, time - since); /* fits: readevents checked the whole */
}

/* Time between events goes to the stack that is open; without one it is nobody's. */
static bool elapse (speedreader *r, int64_t from, int64_t to) {
  int64_t passed;
  if (__builtin_sub_overflow(to, from, &passed))
    return pyr_json_fail(&r->j, "a time exceeds 64 bits");
  if (passed < 0) return pyr_json_fail(&r->j, "events are not in order of time");
  return r->depth == 0 || add(r, passed);
}

static bool readevents (speedreader *r, const section *s) {
  bool first = true, any = false;
  int64_t begin = 0, last = 0, time = 0, whole;
  uint32_t index = 0;
  char type = '?';
  if (s->events == NULL)
    return pyr_json_fail(&r->j, "an evented profile has no events");
  r->j.p = s->events;
  if (!pyr_json_take(&r->j, '[')) return false;
  while (!failed(r) && pyr_json_item(&r->j, &first)) {
    if (!readevent(r, &type, &index, &time)) return false;
    if (!any) begin = last = time;
    any = true;
    if (!elapse(r, last, time)) return false;
    if (__builtin_sub_overflow(time, begin, &whole))
      return pyr_json_fail(&r->j, "a time exceeds 64 bits");
    if (!applyevent(r, type, index, time)) return false;
    last = time;
  }
  if (failed(r) || r->depth == 0 || s->end_value == NULL) return !failed(r);
  r->j.p = s->end_value; /* what nobody closed lasts until then */
  return readtime(r, &time) && (time <= last || elapse(r, last, time));
}

static bool readstack (speedreader *r, int64_t value) {
  bool first = true;
  uint32_t index = 0;
  r->depth = 0;
  if (!pyr_json_take(&r->j, '[')) return false;
  while (!failed(r) && pyr_json_item(&r->j, &first)) {
    if (!readindex(r, &index) || !push(r, index, 0) || !weightotal(r, index, value))
      return false;
  }
  return !failed(r) && add(r, value);
}

/* Samples and weights are two arrays: two scanners walk over them side by side. */
static bool readsamples (speedreader *r, const section *s) {
  pyr_json samples = r->j, weights = r->j;
  bool first = true, first_weight = true, more, weight;
  pyr_decimal d;
  int64_t value = 0;
  if (s->samples == NULL || s->weights == NULL)
    return pyr_json_fail(&r->j, "a sampled profile has no samples or no weights");
  samples.p = s->samples;
  weights.p = s->weights;
  r->j = weights;
  if (!pyr_json_take(&r->j, '[')) return false;
  weights = r->j;
  r->j = samples;
  if (!pyr_json_take(&r->j, '[')) return false;
  for (;;) {
    samples = r->j;
    r->j = weights;
    weight = pyr_json_item(&r->j, &first_weight);
    if (weight && pyr_json_decimal(&r->j, r->shift, &d)) {
      if (d.negative)
        pyr_json_fail(&r->j, "a weight is negative");
      else if (pyr_decimal_spread(&d, &r->carry, &value) != PYR_DECIMAL_OK)
        pyr_json_fail(&r->j, "a weight exceeds 64 bits");
    }
    if (failed(r)) return false;
    weights = r->j;
    r->j = samples;
    more = pyr_json_item(&r->j, &first);
    if (failed(r)) return false;
    if (more != weight)
      return pyr_json_fail(&r->j, "there are not as many weights as samples");
    if (!more) return true;
    if (!readstack(r, value)) return false;
  }
}

static bool readsection (speedreader *r, section *s) {
  const char *key;
  size_t length;
  bool first = true;
  memset(s, 0, sizeof *s);
  if (!pyr_json_take(&r->j, '{')) return false;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "type"))
      note(r, &s->type);
    else if (pyr_json_is(key, length, "unit"))
      note(r, &s->unit);
    else if (pyr_json_is(key, length, "name"))
      note(r, &s->name);
    else if (pyr_json_is(key, length, "endValue"))
      note(r, &s->end_value);
    else if (pyr_json_is(key, length, "events"))
      note(r, &s->events);
    else if (pyr_json_is(key, length, "samples"))
      note(r, &s->samples);
    else if (pyr_json_is(key, length, "weights"))
      note(r, &s->weights);
    else
      pyr_json_skip(&r->j);
  }
  return !failed(r);
}

static const char *readunit (speedreader *r, const char *at) {
  static const struct {
    const char *name, *base;
    int shift;
  } units[] = {{"nanoseconds", "nanoseconds", 0},
               {"microseconds", "nanoseconds", 3},
               {"milliseconds", "nanoseconds", 6},
               {"seconds", "nanoseconds", 9},
               {"bytes", "bytes", 0},
               {"none", "count", 0}};
  const char *bytes = "none";
  size_t length = 4, i;
  bool escaped;
  if (at != NULL) {
    r->j.p = at;
    if (!pyr_json_string(&r->j, &bytes, &length, &escaped)) return NULL;
  }
  for (i = 0; i < sizeof units / sizeof *units; i++)
    if (pyr_json_is(bytes, length, units[i].name)) {
      r->shift = units[i].shift;
      return units[i].base;
    }
  r->j.p = at;
  pyr_json_fail(&r->j, "the unit of a profile is none of speedscope's");
  return NULL;
}

static bool readname (speedreader *r, const char *at) {
  const char *bytes;
  size_t length;
  bool escaped;
  pyr_buffer *name = r->about->name;
  if (at == NULL || name == NULL || name->len != 0 || *at != '"') return true;
  r->j.p = at;
  if (!pyr_json_string(&r->j, &bytes, &length, &escaped) ||
      !pyr_json_unescape(&r->j, bytes, length, name))
    return false;
  return name->status == PYR_OK || memory(r);
}

static bool readprofile (speedreader *r) {
  section s;
  const char *after, *unit, *bytes;
  size_t length;
  bool escaped, good;
  if (!readsection(r, &s)) return false;
  after = r->j.p;
  unit = readunit(r, s.unit);
  if (unit == NULL) return false;
  if (r->about->unit == NULL) r->about->unit = unit;
  if (strcmp(unit, r->about->unit) != 0) {
    r->about->skipped++;
    r->j.p = after;
    return true;
  }
  if (!readname(r, s.name)) return false;
  r->j.p = s.type != NULL ? s.type : after - 1;
  if (s.type == NULL) return pyr_json_fail(&r->j, "a profile has no type");
  if (!pyr_json_string(&r->j, &bytes, &length, &escaped)) return false;
  r->depth = r->resolved = 0;
  if (pyr_json_is(bytes, length, "evented"))
    good = readevents(r, &s);
  else if (pyr_json_is(bytes, length, "sampled"))
    good = readsamples(r, &s);
  else
    good = pyr_json_fail(&r->j, "a profile is neither evented nor sampled");
  if (!good) return false;
  r->about->profiles++;
  r->j.p = after;
  return true;
}

static bool readfile (speedreader *r) {
  const char *key, *shared = NULL, *profiles = NULL, *name = NULL;
  size_t length;
  bool first = true;
  if (!pyr_json_take(&r->j, '{')) return false;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "shared"))
      note(r, &shared);
    else if (pyr_json_is(key, length, "profiles"))
      note(r, &profiles);
    else if (pyr_json_is(key, length, "name"))
      note(r, &name);
    else
      pyr_json_skip(&r->j);
  }
  if (failed(r) || !pyr_json_end(&r->j)) return false;
  if (shared == NULL || profiles == NULL)
    return stop(r, PYR_EDECODE, "a speedscope file holds 'shared' and 'profiles'");
  r->j.p = shared;
  if (!readshared(r)) return false;
  first = true;
  r->j.p = profiles;
  if (!pyr_json_take(&r->j, '[')) return false;
  while (!failed(r) && pyr_json_item(&r->j, &first))
    readprofile(r);
  if (failed(r)) return false;
  if (r->about->unit == NULL) return stop(r, PYR_ENODATA, "the file holds no profile");
  return readname(r, name);
}

pyr_status pyr_decode_speedscope (pyr_profile *p, pyr_speedscope *about,
                                  const char *bytes, size_t len, pyr_error *e) {
  speedreader r;
  memset(p, 0, sizeof *p);
  memset(&r, 0, sizeof r);
  about->unit = NULL;
  about->profiles = about->skipped = 0;
  r.about = about;
  r.e = e;
  r.carry = PYR_CARRY_START;
  pyr_json_init(&r.j, bytes, len);
  e->status = PYR_OK;
  e->format = "speedscope";
  if (pyr_stacks_init(&r.stacks, about->granularity, e) == PYR_OK) readfile(&r);
  if (e->status == PYR_OK && r.j.wrong != NULL) pyr_json_error(&r.j, e);
  if (e->status == PYR_OK)
    pyr_stacks_finish(&r.stacks, p, e);
  else
    pyr_stacks_free(&r.stacks);
  free(r.frames);
  free(r.open);
  return e->status;
}
