#include "decode/pprof.h"

#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"

/* Field numbers of google.v1.Profile. */
enum {
  SAMPLE_TYPE = 1,
  SAMPLE = 2,
  MAPPING = 3,
  LOCATION = 4,
  FUNCTION = 5,
  STRING_TABLE = 6,
  TIME_NANOS = 9,
  DURATION_NANOS = 10,
  PERIOD_TYPE = 11,
  PERIOD = 12,
  DEFAULT_TYPE = 14
};

#define BYTES_MAX ((size_t)INT32_MAX - 1) /* offsets and counts fit into 32 bits */

typedef struct parser {
  pyr_pprof *h;
  pyr_error *e;
  uint32_t default_type; /* string index */
  bool labelled;
  uint32_t types, samples, mappings, locations, functions, lines,
      strings; /* how many */
} parser;

static bool bad (const parser *p, const uint8_t *at, const char *message) {
  pyr_fail(p->e, PYR_EDECODE, message, (size_t)(at - (const uint8_t *)p->h->bytes));
  return false;
}

static bool nomemory (const parser *p) {
  pyr_nomemory(p->e);
  return false;
}

/* One field of a message: integers come in 'v', bytes in 'sub', its place in 'at'. */
typedef struct field {
  uint32_t number;
  unsigned wire;
  uint64_t v;
  const uint8_t *at;
  pyr_slice sub;
} field;

static bool nextfield (const parser *p, pyr_slice *s, field *f) {
  f->at = s->p;
  if (!pyr_slice_tag(s, &f->number, &f->wire)) return bad(p, s->p, "damaged field");
  if (f->wire == 0) {
    if (!pyr_slice_varint(s, &f->v)) return bad(p, s->p, "a number runs past its end");
  } else if (f->wire == 2) {
    if (!pyr_slice_bytes(s, &f->sub)) return bad(p, s->p, "a field runs past its end");
  } else if (!pyr_slice_skip(s, f->wire))
    return bad(p, s->p, "damaged field");
  return true;
}

static pyr_slice whole (const parser *p) {
  pyr_slice s;
  s.p = (const uint8_t *)p->h->bytes;
  s.end = s.p + p->h->length;
  return s;
}

/* A string index; how many strings there are is known before anything else is read. */
static bool stringindex (const parser *p, const field *f, uint32_t *index) {
  if (f->wire != 0) return bad(p, f->at, "a string index is no number");
  if (f->v != 0 && f->v >= p->strings)
    return bad(p, f->at, "string index out of range");
  *index = (uint32_t)f->v;
  return true;
}

static bool isnumber (const field *f, uint32_t number) {
  return f->number == number && f->wire == 0;
}

/* Line numbers that no file can have, also negative ones, are unknown. */
static uint32_t linenumber (uint64_t v) {
  return v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* ---- ids ---- */

static uint32_t idhash (uint64_t id) {
  return (uint32_t)pyr_hash((const char *)&id, sizeof id);
}

static inline uint32_t findid (const pyr_idmap *m, uint64_t id) {
  uint32_t slot;
  if (m->slots == NULL) return id - 1 < m->count ? (uint32_t)(id - 1) : UINT32_MAX;
  for (slot = idhash(id) & m->mask; m->slots[slot] != 0; slot = (slot + 1) & m->mask)
    if (m->ids[m->slots[slot] - 1] == id) return m->slots[slot] - 1;
  return UINT32_MAX;
}

/* Where the n-th message of a field begins: only errors want to know. */
static const uint8_t *messageat (const parser *p, uint32_t number, uint32_t n) {
  pyr_slice s = whole(p);
  field f;
  while (s.p < s.end && nextfield(p, &s, &f))
    if (f.number == number && n-- == 0) return f.at;
  return s.p;
}

/* Numbered 1..count in order, as most writers do, ids need no table. */
static bool hashids (parser *p, pyr_idmap *m, uint32_t number) {
  uint32_t size = 16, i = 0;
  while (i < m->count && m->ids[i] == (uint64_t)i + 1)
    i++;
  if (i == m->count) {
    free(m->ids);
    m->ids = NULL;
    return true;
  }
  while (size < m->count * 2)
    size *= 2;
  m->slots = calloc(size, sizeof *m->slots);
  if (m->slots == NULL) return nomemory(p);
  m->mask = size - 1;
  for (i = 0; i < m->count; i++) {
    uint32_t slot = idhash(m->ids[i]) & m->mask;
    for (; m->slots[slot] != 0; slot = (slot + 1) & m->mask)
      if (m->ids[m->slots[slot] - 1] == m->ids[i])
        return bad(p, messageat(p, number, i), "an id is used twice");
    m->slots[slot] = i + 1;
  }
  return true;
}

static bool addid (const parser *p, pyr_idmap *m, uint64_t id, const field *message) {
  if (id == 0) return bad(p, message->at, "an id is 0 or missing");
  m->ids[m->count++] = id;
  return true;
}

/* ---- first pass: how much there is ---- */

/* A location without lines is given one, so that each has at least one. */
static bool countlines (parser *p, pyr_slice s) {
  uint32_t lines = 0;
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 4 && f.wire == 2) lines++;
  }
  p->lines += lines == 0 ? 1 : lines;
  return true;
}

static bool survey (parser *p) {
  pyr_slice s = whole(p);
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number <= STRING_TABLE && f.wire != 2)
      return bad(p, f.at, "a field has the wrong type");
    switch (f.number) {
    case SAMPLE_TYPE:
      p->types++;
      break;
    case SAMPLE:
      p->samples++;
      break;
    case MAPPING:
      p->mappings++;
      break;
    case LOCATION:
      p->locations++;
      if (!countlines(p, f.sub)) return false;
      break;
    case FUNCTION:
      p->functions++;
      break;
    case STRING_TABLE:
      if (p->strings++ == 0 && f.sub.p != f.sub.end)
        return bad(p, f.at, "the first string is not empty");
      break;
    default:
      break;
    }
  }
  return true;
}

static bool allocate (parser *p) {
  pyr_pprof *h = p->h;
  h->strings = malloc((p->strings + 1u) * sizeof *h->strings);
  h->types = malloc((p->types + 1u) * sizeof *h->types);
  h->samples = malloc((p->samples + 1u) * sizeof *h->samples);
  h->mappings = malloc((p->mappings + 1u) * sizeof *h->mappings);
  h->mapping_ids.ids = malloc((p->mappings + 1u) * sizeof *h->mapping_ids.ids);
  h->locations = malloc((p->locations + 1u) * sizeof *h->locations);
  h->location_ids.ids = malloc((p->locations + 1u) * sizeof *h->location_ids.ids);
  h->lines = malloc((p->lines + 1u) * sizeof *h->lines);
  h->functions = malloc((p->functions + 1u) * sizeof *h->functions);
  h->function_ids.ids = malloc((p->functions + 1u) * sizeof *h->function_ids.ids);
  if (!h->strings || !h->types || !h->samples || !h->mappings || !h->mapping_ids.ids ||
      !h->locations || !h->location_ids.ids || !h->lines || !h->functions ||
      !h->function_ids.ids)
    return nomemory(p);
  return true;
}

/* ---- second pass: the tables, but for locations, which need the others ---- */

static bool readtype (parser *p, pyr_slice s, pyr_pproftype *t) {
  field f;
  t->type = t->unit = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && !stringindex(p, &f, &t->type)) return false;
    if (f.number == 2 && !stringindex(p, &f, &t->unit)) return false;
  }
  return true;
}

static bool readmapping (parser *p, const field *message) {
  pyr_pprof *h = p->h;
  pyr_slice s = message->sub;
  field f;
  uint32_t file = 0;
  uint64_t id = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (isnumber(&f, 1)) id = f.v;
    if (f.number == 5 && !stringindex(p, &f, &file)) return false;
  }
  h->mappings[h->mapping_count++] = file;
  return addid(p, &h->mapping_ids, id, message);
}

static bool readfunction (parser *p, const field *message) {
  pyr_pprof *h = p->h;
  pyr_slice s = message->sub;
  pyr_pproffunction *out = h->functions + h->function_count++;
  field f;
  uint64_t id = 0;
  *out = (pyr_pproffunction){0, 0, 0};
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (isnumber(&f, 1)) id = f.v;
    if (f.number == 2 && !stringindex(p, &f, &out->name)) return false;
    if (f.number == 4 && !stringindex(p, &f, &out->file)) return false;
    if (isnumber(&f, 5)) out->start_line = linenumber(f.v);
  }
  return addid(p, &h->function_ids, id, message);
}

static bool readtables (parser *p) {
  pyr_pprof *h = p->h;
  pyr_slice s = whole(p);
  field f;
  bool good = true;
  while (good && s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == SAMPLE_TYPE)
      good = readtype(p, f.sub, h->types + h->type_count++);
    else if (f.number == SAMPLE) {
      pyr_slice head = {f.at, s.end}; /* the place of the length, behind the tag */
      uint64_t tag;
      good = pyr_slice_varint(&head, &tag);
      h->samples[h->sample_count++] = (uint32_t)(head.p - (const uint8_t *)h->bytes);
    } else if (f.number == MAPPING)
      good = readmapping(p, &f);
    else if (f.number == FUNCTION)
      good = readfunction(p, &f);
    else if (f.number == STRING_TABLE) {
      h->strings[h->string_count].bytes = (const char *)f.sub.p;
      h->strings[h->string_count++].length = (uint32_t)pyr_slice_left(&f.sub);
    } else if (f.number == PERIOD_TYPE && f.wire == 2)
      good = readtype(p, f.sub, &h->period_type);
    else if (isnumber(&f, TIME_NANOS))
      h->time_nanos = (int64_t)f.v;
    else if (isnumber(&f, DURATION_NANOS))
      h->duration_nanos = (int64_t)f.v;
    else if (isnumber(&f, PERIOD))
      h->period = (int64_t)f.v;
    else if (f.number == DEFAULT_TYPE)
      good = stringindex(p, &f, &p->default_type);
  }
  if (h->string_count == 0) /* an empty profile has no strings; index 0 stays valid */
    h->strings[h->string_count++] = (pyr_string){"", 0};
  return good && hashids(p, &h->mapping_ids, MAPPING) &&
         hashids(p, &h->function_ids, FUNCTION);
}

/* ---- third pass: locations ---- */

static bool readline (parser *p, const field *line) {
  pyr_pprofline *out = p->h->lines + p->h->line_count++;
  pyr_slice s = line->sub;
  field f;
  uint64_t id = 0;
  out->line = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (isnumber(&f, 1)) id = f.v;
    if (isnumber(&f, 2)) out->line = linenumber(f.v);
  }
  out->function = id == 0 ? UINT32_MAX : findid(&p->h->function_ids, id);
  if (id == 0) out->line = 0; /* nobody knows the function: an address has no lines */
  if (id != 0 && out->function == UINT32_MAX)
    return bad(p, line->at, "a line names a function that is not there");
  return true;
}

static bool readlocation (parser *p, const field *message) {
  pyr_pprof *h = p->h;
  pyr_pproflocation *out = h->locations + h->location_count++;
  pyr_slice s = message->sub;
  field f;
  uint64_t id = 0, mapping = 0;
  *out = (pyr_pproflocation){0, h->line_count, UINT32_MAX};
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (isnumber(&f, 1)) id = f.v;
    if (isnumber(&f, 2)) mapping = f.v;
    if (isnumber(&f, 3)) out->address = f.v;
    if (f.number == 4 && f.wire == 2 && !readline(p, &f)) return false;
  }
  if (h->line_count == out->first_line)
    h->lines[h->line_count++] = (pyr_pprofline){UINT32_MAX, 0};
  if (mapping != 0) {
    out->mapping = findid(&h->mapping_ids, mapping);
    if (out->mapping == UINT32_MAX)
      return bad(p, message->at, "a location names a mapping that is not there");
  }
  return addid(p, &h->location_ids, id, message);
}

static bool readlocations (parser *p) {
  pyr_pprof *h = p->h;
  pyr_slice s = whole(p);
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == LOCATION && !readlocation(p, &f)) return false;
  }
  h->locations[h->location_count] = (pyr_pproflocation){0, h->line_count, UINT32_MAX};
  return hashids(p, &h->location_ids, LOCATION);
}

/* ---- samples ---- */

typedef struct sample {
  uint32_t depth, values;
} sample;

static bool checklocation (parser *p, const uint8_t *at, uint64_t id, sample *c) {
  c->depth++;
  if (findid(&p->h->location_ids, id) != UINT32_MAX) return true;
  return bad(p, at, "a sample names a location that is not there");
}

/* Most numbers of a sample have one or two bytes. */
static inline bool quickvarint (pyr_slice *s, uint64_t *v) {
  if (s->end - s->p >= 2) {
    if (s->p[0] < 0x80) {
      *v = *s->p++;
      return true;
    }
    if (s->p[1] < 0x80) {
      *v = (uint64_t)(s->p[0] & 0x7f) | (uint64_t)s->p[1] << 7;
      s->p += 2;
      return true;
    }
  }
  return pyr_slice_varint(s, v);
}

static bool checkpacked (parser *p, const field *f, sample *c) {
  pyr_slice s = f->sub;
  uint64_t v;
  while (s.p < s.end) {
    const uint8_t *at = s.p;
    if (!quickvarint(&s, &v)) return bad(p, s.p, "a number runs past its end");
    if (f->number == 2) {
      c->values++;
      if ((int64_t)v < 0) p->h->negative = true;
    } else if (!checklocation(p, at, v, c))
      return false;
  }
  return true;
}

static bool checklabel (parser *p, pyr_slice s) {
  uint32_t index;
  field f;
  p->labelled = true;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number <= 2 && !stringindex(p, &f, &index)) return false;
  }
  return true;
}

/* Well-formed fields, known locations, one value a type, labels with known strings. */
static bool checksample (parser *p, uint32_t i) {
  pyr_slice s = pyr_pprof_message(p->h, i);
  const uint8_t *begin = s.p;
  sample c = {0, 0};
  field f;
  while (s.p < s.end) {
    bool good = true;
    if (!nextfield(p, &s, &f)) return false;
    if (f.number <= 2 && f.wire == 2)
      good = checkpacked(p, &f, &c);
    else if (isnumber(&f, 1))
      good = checklocation(p, f.at, f.v, &c);
    else if (isnumber(&f, 2)) {
      c.values++;
      if ((int64_t)f.v < 0) p->h->negative = true;
    } else if (f.number == 3 && f.wire == 2)
      good = checklabel(p, f.sub);
    if (!good) return false;
  }
  if (c.values != p->h->type_count)
    return bad(p, begin, "a sample has another number of values than there are types");
  if (c.depth > p->h->depth) p->h->depth = c.depth;
  return true;
}

pyr_slice pyr_pprof_message (const pyr_pprof *h, uint32_t i) {
  pyr_slice s, message = {NULL, NULL};
  s.p = (const uint8_t *)h->bytes + h->samples[i];
  s.end = (const uint8_t *)h->bytes + h->length;
  pyr_slice_bytes(&s, &message);
  return message;
}

int64_t pyr_pprof_sample (const pyr_pprof *h, uint32_t i, uint32_t type,
                          uint32_t *locations, uint32_t *depth) {
  pyr_slice s = pyr_pprof_message(h, i);
  uint32_t number, n = 0, values = 0;
  unsigned wire;
  int64_t value = 0;
  uint64_t v;
  while (s.p < s.end && pyr_slice_tag(&s, &number, &wire)) {
    pyr_slice pack = s;
    bool more = number <= 2 && (wire == 0 || wire == 2);
    if (!more || (number == 1 && locations == NULL)) {
      if (!pyr_slice_skip(&s, wire)) break;
      continue;
    }
    if (wire == 2) {
      if (!pyr_slice_bytes(&s, &pack)) break;
      more = pack.p < pack.end;
    }
    while (more && quickvarint(&pack, &v)) {
      if (number == 1)
        locations[n++] = findid(&h->location_ids, v);
      else if (values++ == type)
        value = (int64_t)v;
      more = wire == 2 && pack.p < pack.end;
    }
    if (wire == 0) s = pack;
  }
  *depth = n;
  return value;
}

bool pyr_pprof_negative (const pyr_pprof *h, uint32_t i) {
  uint32_t type, depth;
  if (!h->negative) return false;
  for (type = 0; type < h->type_count; type++)
    if (pyr_pprof_sample(h, i, type, NULL, &depth) < 0) return true;
  return false;
}

/* ---- the whole ---- */

static void finddefault (parser *p) {
  pyr_pprof *h = p->h;
  uint32_t i;
  h->default_type = h->type_count == 0 ? 0 : h->type_count - 1;
  if (p->default_type == 0) return;
  for (i = h->type_count; i-- > 0;)
    if (pyr_string_compare(h->strings[h->types[i].type], h->strings[p->default_type]) ==
        0)
      h->default_type = i;
}

static bool parse (parser *p) {
  uint32_t i;
  if (!survey(p) || !allocate(p) || !readtables(p) || !readlocations(p)) return false;
  for (i = 0; i < p->h->sample_count; i++)
    if (!checksample(p, i)) return false;
  finddefault(p);
  return pyr_pprof_sets(p->h, p->labelled, p->e) == PYR_OK;
}

/* The bytes of the handle: a copy, or what they inflate to. */
static pyr_status takebytes (pyr_buffer *b, const char *bytes, size_t len,
                             size_t max_bytes, pyr_error *e) {
  char *fitted;
  if (pyr_is_gzip(bytes, len)) {
    if (pyr_inflate(b, bytes, len, max_bytes, e) != PYR_OK) return e->status;
  } else {
    if (len > max_bytes)
      return pyr_fail(e, PYR_ELIMIT, "larger than the limit", PYR_NOWHERE);
    pyr_buffer_add(b, bytes, len);
  }
  if (b->data == NULL && pyr_buffer_room(b, 1) != NULL) b->data[0] = '\0';
  if (b->status != PYR_OK) return pyr_nomemory(e);
  fitted = realloc(b->data, b->len + 1);
  if (fitted != NULL) b->data = fitted;
  return PYR_OK;
}

pyr_status pyr_pprof_parse (pyr_pprof *h, const char *bytes, size_t len,
                            size_t max_bytes, pyr_error *e) {
  pyr_buffer b = {NULL, 0, 0, 0, PYR_OK};
  parser p;
  memset(&p, 0, sizeof p);
  memset(h, 0, sizeof *h);
  p.h = h;
  p.e = e;
  e->status = PYR_OK;
  if (max_bytes == 0 || max_bytes > BYTES_MAX) max_bytes = BYTES_MAX;
  if (takebytes(&b, bytes, len, max_bytes, e) != PYR_OK) {
    pyr_buffer_free(&b);
    return e->status;
  }
  h->bytes = b.data;
  h->length = b.len;
  if (!parse(&p)) {
    e->format = "pprof";
    pyr_pprof_free(h);
    return e->status;
  }
  return PYR_OK;
}

static void freeids (pyr_idmap *m) {
  free(m->ids);
  free(m->slots);
}

void pyr_pprof_free (pyr_pprof *h) {
  free(h->bytes);
  free(h->strings);
  free(h->types);
  free(h->samples);
  free(h->sample_sets);
  free(h->sets);
  free(h->labels);
  free(h->locations);
  free(h->lines);
  free(h->functions);
  free(h->mappings);
  freeids(&h->location_ids);
  freeids(&h->function_ids);
  freeids(&h->mapping_ids);
  memset(h, 0, sizeof *h);
}

static size_t idbytes (const pyr_idmap *m) {
  if (m->slots == NULL) return 0;
  return m->count * sizeof *m->ids + ((size_t)m->mask + 1) * sizeof *m->slots;
}

size_t pyr_pprof_bytes (const pyr_pprof *h) {
  return h->length + h->string_count * sizeof *h->strings +
         h->sample_count * (h->sample_sets == NULL ? 4u : 8u) +
         h->set_count * sizeof *h->sets + h->label_count * sizeof *h->labels +
         h->location_count * sizeof *h->locations + h->line_count * sizeof *h->lines +
         h->function_count * sizeof *h->functions + idbytes(&h->location_ids) +
         idbytes(&h->function_ids) + idbytes(&h->mapping_ids);
}
