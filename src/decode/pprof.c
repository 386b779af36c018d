#include "decode/pprof.h"

#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"

/* Field numbers of google.v1.Profile. */
enum {
  SAMPLE_TYPE = 1, SAMPLE = 2, MAPPING = 3, LOCATION = 4, FUNCTION = 5, STRING_TABLE = 6,
  TIME_NANOS = 9, DURATION_NANOS = 10, PERIOD_TYPE = 11, PERIOD = 12, DEFAULT_TYPE = 14
};

typedef struct parser {
  pyr_pprof *h;
  pyr_error *e;
  uint64_t default_type; /* string index, resolved at the end */
  uint64_t *raw;         /* ids of one kind while it is read */
} parser;

static size_t at (const parser *p, const pyr_slice *s) {
  return (size_t)(s->p - (const uint8_t *)p->h->bytes);
}

static bool bad (const parser *p, const pyr_slice *s, const char *message) {
  pyr_fail(p->e, PYR_EDECODE, message, at(p, s));
  return false;
}

static bool nomemory (const parser *p) {
  pyr_nomemory(p->e);
  return false;
}

/* One field of a message: integers come in 'v', bytes in 'sub'. */
typedef struct field {
  uint32_t number;
  unsigned wire;
  uint64_t v;
  pyr_slice sub;
} field;

static bool nextfield (const parser *p, pyr_slice *s, field *f) {
  if (!pyr_slice_tag(s, &f->number, &f->wire)) return bad(p, s, "damaged field");
  if (f->wire == 0) {
    if (!pyr_slice_varint(s, &f->v)) return bad(p, s, "a number runs past its end");
  } else if (f->wire == 2) {
    if (!pyr_slice_bytes(s, &f->sub)) return bad(p, s, "a field runs past its end");
  } else if (!pyr_slice_skip(s, f->wire))
    return bad(p, s, "damaged field");
  return true;
}

/* A string index; which strings there are is known before anything else is read. */
static bool string (const parser *p, const pyr_slice *s, const field *f, uint32_t *index) {
  if (f->wire != 0) return bad(p, s, "a string index is no number");
  if (f->v >= p->h->string_count && !(f->v == 0 && p->h->string_count == 0))
    return bad(p, s, "string index out of range");
  *index = (uint32_t)f->v;
  return true;
}

static uint32_t line32 (uint64_t v) {
  return v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* ---- ids ---- */

static pyr_status hashids (pyr_idmap *m, pyr_error *e) {
  uint32_t size = 16, i;
  while (size < m->count * 2) size *= 2;
  m->slots = calloc(size, sizeof *m->slots);
  if (m->slots == NULL) return pyr_nomemory(e);
  m->mask = size - 1;
  for (i = 0; i < m->count; i++) {
    uint32_t slot = (uint32_t)pyr_mix(m->ids[i]) & m->mask;
    while (m->slots[slot] != 0 && m->ids[m->slots[slot] - 1] != m->ids[i])
      slot = (slot + 1) & m->mask;
    if (m->slots[slot] != 0)
      return pyr_fail(e, PYR_EDECODE, "an id is used twice", PYR_NOWHERE);
    m->slots[slot] = i + 1;
  }
  return PYR_OK;
}

/* Takes over 'ids'. Numbered 1..count in order they need no table. */
static bool setids (parser *p, pyr_idmap *m, uint64_t *ids, uint32_t count) {
  uint32_t i = 0;
  m->ids = ids;
  m->count = count;
  while (i < count && ids[i] == (uint64_t)i + 1) i++;
  if (i < count) return hashids(m, p->e) == PYR_OK;
  free(m->ids);
  m->ids = NULL;
  return true;
}

uint32_t pyr_idmap_find (const pyr_idmap *m, uint64_t id) {
  uint32_t slot;
  if (m->slots == NULL) return id >= 1 && id <= m->count ? (uint32_t)(id - 1) : UINT32_MAX;
  for (slot = (uint32_t)pyr_mix(id) & m->mask; m->slots[slot] != 0;
       slot = (slot + 1) & m->mask)
    if (m->ids[m->slots[slot] - 1] == id) return m->slots[slot] - 1;
  return UINT32_MAX;
}

/* ---- first pass: how much there is, and the strings ---- */

typedef struct counts {
  uint32_t strings, types, samples, mappings, locations, functions, lines;
} counts;

static bool countlines (parser *p, pyr_slice s, uint32_t *lines) {
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 4 && f.wire == 2) ++*lines;
  }
  return true;
}

static bool survey (parser *p, counts *c) {
  pyr_slice s = {(uint8_t *)p->h->bytes, (uint8_t *)p->h->bytes + p->h->length};
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number >= SAMPLE_TYPE && f.number <= STRING_TABLE && f.wire != 2)
      return bad(p, &s, "not a pprof profile");
    switch (f.number) {
    case SAMPLE_TYPE: c->types++; break;
    case SAMPLE: c->samples++; break;
    case MAPPING: c->mappings++; break;
    case LOCATION:
      c->locations++;
      if (!countlines(p, f.sub, &c->lines)) return false;
      break;
    case FUNCTION: c->functions++; break;
    case STRING_TABLE: c->strings++; break;
    default: break;
    }
  }
  return true;
}

static bool allocate (parser *p, const counts *c) {
  pyr_pprof *h = p->h;
  h->strings = malloc((c->strings + 1u) * sizeof *h->strings);
  h->types = malloc((c->types + 1u) * sizeof *h->types);
  h->samples = malloc((c->samples + 1u) * sizeof *h->samples);
  h->sample_lengths = malloc((c->samples + 1u) * sizeof *h->sample_lengths);
  h->mappings = malloc((c->mappings + 1u) * sizeof *h->mappings);
  h->locations = malloc((c->locations + 1u) * sizeof *h->locations);
  h->lines = malloc((c->lines + 1u) * sizeof *h->lines);
  h->functions = malloc((c->functions + 1u) * sizeof *h->functions);
  return h->strings && h->types && h->samples && h->sample_lengths && h->mappings &&
                 h->locations && h->lines && h->functions
             ? true
             : nomemory(p);
}

static bool readstrings (parser *p) {
  pyr_pprof *h = p->h;
  pyr_slice s = {(uint8_t *)h->bytes, (uint8_t *)h->bytes + h->length};
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number != STRING_TABLE) continue;
    if (h->string_count == 0 && f.sub.p != f.sub.end)
      return bad(p, &s, "the first string is not empty");
    h->strings[h->string_count].bytes = (const char *)f.sub.p;
    h->strings[h->string_count++].length = (uint32_t)pyr_slice_left(&f.sub);
  }
  if (h->string_count == 0) /* an empty profile has no strings; index 0 stays valid */
    h->strings[h->string_count++] = (pyr_string){"", 0};
  return true;
}

static uint32_t findstring (const pyr_pprof *h, const char *text) {
  uint32_t i, n = (uint32_t)strlen(text);
  for (i = 1; i < h->string_count; i++)
    if (h->strings[i].length == n && memcmp(h->strings[i].bytes, text, n) == 0) return i;
  return 0;
}

/* ---- second pass: the tables ---- */

static bool readtype (parser *p, pyr_slice s, pyr_pproftype *t) {
  field f;
  t->type = t->unit = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && !string(p, &s, &f, &t->type)) return false;
    if (f.number == 2 && !string(p, &s, &f, &t->unit)) return false;
  }
  return true;
}

static bool readmapping (parser *p, pyr_slice s) {
  field f;
  uint32_t file = 0;
  uint64_t id = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && f.wire == 0) id = f.v;
    if (f.number == 5 && !string(p, &s, &f, &file)) return false;
  }
  p->raw[p->h->mapping_count] = id;
  p->h->mappings[p->h->mapping_count++] = file;
  return true;
}

static bool readfunction (parser *p, pyr_slice s) {
  pyr_pproffunction *out = p->h->functions + p->h->function_count;
  field f;
  uint64_t id = 0;
  memset(out, 0, sizeof *out);
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && f.wire == 0) id = f.v;
    if (f.number == 2 && !string(p, &s, &f, &out->name)) return false;
    if (f.number == 4 && !string(p, &s, &f, &out->file)) return false;
    if (f.number == 5 && f.wire == 0) out->start_line = line32(f.v);
  }
  p->raw[p->h->function_count++] = id;
  return true;
}

static bool readline (parser *p, pyr_slice s) {
  field f;
  uint64_t id = 0;
  pyr_pprofline *out = p->h->lines + p->h->line_count;
  out->line = 0;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && f.wire == 0) id = f.v;
    if (f.number == 2 && f.wire == 0) out->line = line32(f.v);
  }
  out->function = pyr_idmap_find(&p->h->function_ids, id);
  if (out->function == UINT32_MAX) return bad(p, &s, "a line names an unknown function");
  p->h->line_count++;
  return true;
}

static bool readlocation (parser *p, pyr_slice s) {
  pyr_pproflocation *out = p->h->locations + p->h->location_count;
  field f;
  uint64_t id = 0, mapping = 0;
  out->address = 0;
  out->first_line = p->h->line_count;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if (f.number == 1 && f.wire == 0) id = f.v;
    if (f.number == 2 && f.wire == 0) mapping = f.v;
    if (f.number == 3 && f.wire == 0) out->address = f.v;
    if (f.number == 4 && f.wire == 2 && !readline(p, f.sub)) return false;
  }
  out->mapping = UINT32_MAX;
  if (mapping != 0) {
    out->mapping = pyr_idmap_find(&p->h->mapping_ids, mapping);
    if (out->mapping == UINT32_MAX)
      return bad(p, &s, "a location names an unknown mapping");
  }
  p->raw[p->h->location_count++] = id;
  return true;
}

/* Reads all messages of one field, in order, with room for their ids. */
static bool readall (parser *p, uint32_t number, uint32_t count, pyr_idmap *ids,
                     bool (*read) (parser *, pyr_slice)) {
  pyr_slice s = {(uint8_t *)p->h->bytes, (uint8_t *)p->h->bytes + p->h->length};
  field f;
  uint64_t *raw = malloc((count + 1u) * sizeof *raw);
  bool good = true;
  if (raw == NULL) return nomemory(p);
  p->raw = raw;
  while (good && s.p < s.end) {
    good = nextfield(p, &s, &f);
    if (good && f.number == number) good = read(p, f.sub);
  }
  if (!good) {
    free(raw);
    return false;
  }
  return setids(p, ids, raw, count);
}

static bool readheader (parser *p) {
  pyr_pprof *h = p->h;
  pyr_slice s = {(uint8_t *)h->bytes, (uint8_t *)h->bytes + h->length};
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    switch (f.number) {
    case SAMPLE_TYPE:
      if (!readtype(p, f.sub, h->types + h->type_count++)) return false;
      break;
    case SAMPLE:
      h->samples[h->sample_count] = (uint32_t)(f.sub.p - (uint8_t *)h->bytes);
      h->sample_lengths[h->sample_count++] = (uint32_t)pyr_slice_left(&f.sub);
      break;
    case PERIOD_TYPE:
      if (f.wire == 2 && !readtype(p, f.sub, &h->period_type)) return false;
      break;
    case TIME_NANOS:
      if (f.wire == 0) h->time_nanos = (int64_t)f.v;
      break;
    case DURATION_NANOS:
      if (f.wire == 0) h->duration_nanos = (int64_t)f.v;
      break;
    case PERIOD:
      if (f.wire == 0) h->period = (int64_t)f.v;
      break;
    case DEFAULT_TYPE:
      if (f.wire == 0) p->default_type = f.v;
      break;
    default:
      break;
    }
  }
  return true;
}

/* ---- samples ---- */

/* Integers of a repeated field, packed or not: calls 'take' for each. */
typedef struct integers {
  pyr_slice s, pack;
  uint32_t number;
  bool open;
} integers;

static bool nextinteger (integers *it, uint64_t *v) {
  uint32_t number;
  unsigned wire;
  for (;;) {
    if (it->open && it->pack.p < it->pack.end) return pyr_slice_varint(&it->pack, v);
    it->open = false;
    if (it->s.p >= it->s.end || !pyr_slice_tag(&it->s, &number, &wire)) return false;
    if (number == it->number && wire == 0) return pyr_slice_varint(&it->s, v);
    if (number == it->number && wire == 2) {
      if (!pyr_slice_bytes(&it->s, &it->pack)) return false;
      it->open = true;
    } else if (!pyr_slice_skip(&it->s, wire))
      return false;
  }
}

static pyr_slice sampleslice (const pyr_pprof *h, uint32_t i) {
  pyr_slice s;
  s.p = (const uint8_t *)h->bytes + h->samples[i];
  s.end = s.p + h->sample_lengths[i];
  return s;
}

static integers integersof (const pyr_pprof *h, uint32_t i, uint32_t number) {
  integers it = {sampleslice(h, i), {NULL, NULL}, number, false};
  return it;
}

int64_t pyr_pprof_sample (const pyr_pprof *h, uint32_t i, uint32_t type,
                          uint32_t *locations, uint32_t *depth) {
  integers it = integersof(h, i, 2);
  uint64_t v = 0;
  int64_t value = 0;
  uint32_t n = 0;
  while (n <= type && nextinteger(&it, &v)) n++;
  if (n == type + 1) value = (int64_t)v;
  *depth = 0;
  if (locations == NULL) return value;
  it = integersof(h, i, 1);
  for (n = 0; nextinteger(&it, &v); n++) locations[n] = pyr_idmap_find(&h->location_ids, v);
  *depth = n;
  return value;
}

bool pyr_pprof_negative (const pyr_pprof *h, uint32_t i) {
  integers it = integersof(h, i, 2);
  uint64_t v;
  while (nextinteger(&it, &v))
    if ((int64_t)v < 0) return true;
  return false;
}

bool pyr_pprof_label (const pyr_pprof *h, uint32_t i, const uint8_t **place,
                      pyr_pproflabel *label) {
  pyr_slice s = sampleslice(h, i), sub;
  uint32_t number;
  unsigned wire;
  uint64_t v;
  if (*place != NULL) s.p = *place;
  while (s.p < s.end && pyr_slice_tag(&s, &number, &wire)) {
    if (number != 3 || wire != 2) {
      if (!pyr_slice_skip(&s, wire)) return false;
      continue;
    }
    if (!pyr_slice_bytes(&s, &sub)) return false;
    *label = (pyr_pproflabel){0, 0, 0};
    while (sub.p < sub.end && pyr_slice_tag(&sub, &number, &wire)) {
      if (wire != 0 || number > 3) {
        if (!pyr_slice_skip(&sub, wire)) return false;
        continue;
      }
      if (!pyr_slice_varint(&sub, &v)) return false;
      if (number == 1) label->key = (uint32_t)v;
      if (number == 2) label->value = (uint32_t)v;
      if (number == 3) label->number = (int64_t)v;
    }
    *place = s.p;
    return true;
  }
  return false;
}

/* Well-formed fields, known locations, one value a type, labels with known strings. */
static bool checksample (parser *p, uint32_t i, bool *labelled) {
  pyr_pprof *h = p->h;
  pyr_slice s = sampleslice(h, i), label;
  uint64_t v;
  uint32_t values = 0, depth = 0, index;
  field f;
  while (s.p < s.end) {
    if (!nextfield(p, &s, &f)) return false;
    if ((f.number == 1 || f.number == 2) && f.wire == 2) {
      while (f.sub.p < f.sub.end)
        if (!pyr_slice_varint(&f.sub, &v))
          return bad(p, &f.sub, "a sample ends inside a number");
    } else if (f.number == 3 && f.wire == 2) {
      for (label = f.sub; label.p < label.end;) {
        if (!nextfield(p, &label, &f)) return false;
        if ((f.number == 1 || f.number == 2) && !string(p, &label, &f, &index)) return false;
        if (f.number == 2 && index != 0) *labelled = true;
      }
    }
  }
  {
    integers it = integersof(h, i, 1);
    for (; nextinteger(&it, &v); depth++)
      if (pyr_idmap_find(&h->location_ids, v) == UINT32_MAX)
        return bad(p, &s, "a sample names an unknown location");
    it = integersof(h, i, 2);
    while (nextinteger(&it, &v)) values++;
  }
  if (values != h->type_count)
    return bad(p, &s, "a sample has another number of values than there are types");
  if (depth > h->depth) h->depth = depth;
  return true;
}

/* ---- label sets ---- */

static bool isid (const pyr_pprof *h, uint32_t key) {
  return key != 0 && (key == h->span_key[0] || key == h->span_key[1] || key == h->trace_key);
}

/* The string labels of a sample sorted by key text, the last of equal keys; their number. */
static uint32_t samplelabels (const pyr_pprof *h, uint32_t i, pyr_pproflabel *out,
                              uint32_t room) {
  const uint8_t *place = NULL;
  pyr_pproflabel l;
  uint32_t n = 0, k;
  while (n < room && pyr_pprof_label(h, i, &place, &l)) {
    if (l.value == 0 || isid(h, l.key)) continue;
    for (k = n; k > 0 && pyr_string_compare(h->strings[out[k - 1].key],
                                            h->strings[l.key]) > 0;
         k--)
      out[k] = out[k - 1];
    if (k > 0 && pyr_string_compare(h->strings[out[k - 1].key], h->strings[l.key]) == 0) {
      memmove(out + k, out + k + 1, (n - k) * sizeof *out); /* nothing was inserted */
      out[k - 1] = l;
      continue;
    }
    l.number = 0;
    out[k] = l;
    n++;
  }
  return n;
}

static bool addset (parser *p, const pyr_pproflabel *labels, uint32_t n, uint32_t *caps) {
  pyr_pprof *h = p->h;
  if (h->set_count + 2 > caps[0]) {
    uint32_t *sets;
    caps[0] = caps[0] * 2 + 16;
    sets = realloc(h->sets, caps[0] * sizeof *sets);
    if (sets == NULL) return nomemory(p);
    h->sets = sets;
  }
  if (h->label_count + n > caps[1]) {
    pyr_pproflabel *grown;
    caps[1] = (caps[1] + n) * 2 + 16;
    grown = realloc(h->labels, caps[1] * sizeof *grown);
    if (grown == NULL) return nomemory(p);
    h->labels = grown;
  }
  h->sets[h->set_count++] = h->label_count;
  if (n != 0) memcpy(h->labels + h->label_count, labels, n * sizeof *labels);
  h->label_count += n;
  h->sets[h->set_count] = h->label_count;
  return true;
}

#define LABELS_MAX 1024

/* Sets are told apart by the bytes of their labels, used as a name. */
static bool labelsets (parser *p) {
  pyr_pprof *h = p->h;
  pyr_names known;
  pyr_pproflabel *found = malloc(LABELS_MAX * sizeof *found);
  uint32_t caps[2] = {0, 0}, i, n, set;
  bool good = found != NULL && pyr_names_init(&known, 1) == PYR_OK;
  if (!good) {
    free(found);
    return nomemory(p);
  }
  good = addset(p, NULL, 0, caps);
  h->sample_sets = malloc((h->sample_count + 1u) * sizeof *h->sample_sets);
  if (good && h->sample_sets == NULL) good = nomemory(p);
  for (i = 0; good && i < h->sample_count; i++) {
    n = samplelabels(h, i, found, LABELS_MAX);
    if (pyr_names_intern(&known, (const char *)found, n * (uint32_t)sizeof *found, &set) !=
        PYR_OK)
      good = nomemory(p);
    else if (set == h->set_count)
      good = addset(p, found, n, caps);
    if (good) h->sample_sets[i] = set;
  }
  pyr_names_free(&known);
  free(found);
  return good;
}

/* ---- the whole ---- */

static bool parse (parser *p) {
  pyr_pprof *h = p->h;
  counts c = {0, 0, 0, 0, 0, 0, 0};
  bool labelled = false;
  uint32_t i;
  if (!survey(p, &c) || !allocate(p, &c) || !readstrings(p) || !readheader(p)) return false;
  if (!readall(p, MAPPING, c.mappings, &h->mapping_ids, readmapping) ||
      !readall(p, FUNCTION, c.functions, &h->function_ids, readfunction) ||
      !readall(p, LOCATION, c.locations, &h->location_ids, readlocation))
    return false;
  h->locations[h->location_count].first_line = h->line_count;
  h->span_key[0] = findstring(h, "span_id");
  h->span_key[1] = findstring(h, "profile_id");
  h->trace_key = findstring(h, "trace_id");
  for (i = 0; i < h->sample_count; i++)
    if (!checksample(p, i, &labelled)) return false;
  if (labelled) {
    if (!labelsets(p)) return false;
  } else {
    uint32_t caps[2] = {0, 0};
    if (!addset(p, NULL, 0, caps)) return false;
  }
  h->default_type = h->type_count == 0 ? 0 : h->type_count - 1;
  for (i = 0; i < h->type_count; i++)
    if (p->default_type != 0 && h->types[i].type == p->default_type) h->default_type = i;
  return true;
}

pyr_status pyr_pprof_parse (pyr_pprof *h, const char *bytes, size_t len, size_t max_bytes,
                            pyr_error *e) {
  pyr_buffer b = {NULL, 0, 0, 0, PYR_OK};
  parser p = {h, e, 0, NULL};
  memset(h, 0, sizeof *h);
  e->status = PYR_OK;
  if (pyr_is_gzip(bytes, len)) {
    if (pyr_inflate(&b, bytes, len, max_bytes, e) != PYR_OK) {
      pyr_buffer_free(&b);
      return e->status;
    }
  } else {
    if (max_bytes != 0 && len > max_bytes)
      return pyr_fail(e, PYR_ELIMIT, "larger than the limit", PYR_NOWHERE);
    pyr_buffer_add(&b, bytes, len);
    if (b.status != PYR_OK) return pyr_nomemory(e);
  }
  h->bytes = b.data;
  h->length = b.len;
  if (h->length >= INT32_MAX)
    pyr_fail(e, PYR_ELIMIT, "larger than 2 GiB", PYR_NOWHERE);
  else
    parse(&p);
  if (e->status != PYR_OK) {
    e->format = "pprof";
    pyr_pprof_free(h);
  }
  return e->status;
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
  free(h->sample_lengths);
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

size_t pyr_pprof_bytes (const pyr_pprof *h) {
  return h->length + h->string_count * sizeof *h->strings + h->sample_count * 12u +
         h->location_count * sizeof *h->locations + h->line_count * sizeof *h->lines +
         h->function_count * sizeof *h->functions;
}
