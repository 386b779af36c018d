#include "base/slice.h"
#include "decode/decode.h"
#include "decode/flamegraph.h"

/*
** FlameGraph and FlameGraphDiff: names = 1, levels = 2 { values = 1 }. The totals
** beside them (3 and up) follow from the levels.
*/
typedef struct protoreader {
  pyr_levels *l;
  const char *begin;
  int64_t tuple[7]; /* numbers of a level may come in pieces */
  unsigned filled;
} protoreader;

static size_t offset (const protoreader *r, const uint8_t *p) {
  return (size_t)((const char *)p - r->begin);
}

static pyr_status wrong (protoreader *r, const pyr_slice *s, const char *message) {
  return pyr_levels_fail(r->l, message, offset(r, s->p));
}

/* A varint with ten bytes of room behind it, or NULL if it is longer than that. */
static inline const uint8_t *quick (const uint8_t *p, int64_t *value) {
  uint64_t v = *p++, b;
  unsigned shift = 7;
  if (v >= 0x80) {
    v &= 0x7f;
    do {
      b = *p++;
      if (shift == 63 && b > 1) return NULL;
      v |= (b & 0x7f) << shift;
      shift += 7;
    } while (b >= 0x80);
  }
  *value = (int64_t)v;
  return p;
}

/* Whole tuples as long as no number can end behind the slice. */
static inline pyr_status readtuples (protoreader *r, pyr_slice *s,
                                     const unsigned width) {
  int64_t tuple[7];
  unsigned i;
  while (s->end - s->p >= 10 * (ptrdiff_t)width) {
    const uint8_t *p = s->p;
#pragma GCC unroll 7 /* see flamegraph_json.c */
    for (i = 0; i < width; i++) {
      int64_t value = 0;
      p = quick(p, &value);
      if (p == NULL) return wrong(r, s, "a number exceeds 64 bits");
      tuple[i] = value;
    }
    if (pyr_levels_tuple(r->l, tuple, width, offset(r, s->p)) != PYR_OK)
      return r->l->e->status;
    s->p = p;
  }
  return PYR_OK;
}

static pyr_status readnumber (protoreader *r, pyr_slice *s) {
  const uint8_t *at = s->p;
  unsigned width = r->l->diff ? 7 : 4;
  uint64_t v;
  if (!pyr_slice_varint(s, &v)) return wrong(r, s, "a level ends inside a number");
  r->tuple[r->filled++] = (int64_t)v;
  if (r->filled < width) return PYR_OK;
  r->filled = 0;
  return pyr_levels_tuple(r->l, r->tuple, width, offset(r, at));
}

static pyr_status readpacked (protoreader *r, pyr_slice *s) {
  if (r->filled == 0 &&
      (r->l->diff ? readtuples(r, s, 7) : readtuples(r, s, 4)) != PYR_OK)
    return r->l->e->status;
  while (s->p < s->end)
    if (readnumber(r, s) != PYR_OK) return r->l->e->status;
  return PYR_OK;
}

static pyr_status readlevel (protoreader *r, pyr_slice *s) {
  uint32_t number;
  unsigned wire;
  pyr_slice sub;
  if (pyr_levels_begin(r->l, offset(r, s->p)) != PYR_OK) return r->l->e->status;
  r->filled = 0;
  while (s->p < s->end) {
    if (!pyr_slice_tag(s, &number, &wire)) return wrong(r, s, "a field is damaged");
    if (number == 1 && wire == 2) {
      if (!pyr_slice_bytes(s, &sub))
        return wrong(r, s, "a field is longer than its level");
      if (readpacked(r, &sub) != PYR_OK) return r->l->e->status;
    } else if (number == 1 && wire == 0) {
      if (readnumber(r, s) != PYR_OK) return r->l->e->status;
    } else if (!pyr_slice_skip(s, wire))
      return wrong(r, s, "a field is damaged");
  }
  if (r->filled != 0) return wrong(r, s, pyr_levels_ragged(r->l));
  return pyr_levels_end(r->l, offset(r, s->p));
}

pyr_status pyr_flamegraph_proto (pyr_levels *l, const char *bytes, size_t len) {
  protoreader r = {.l = l, .begin = bytes};
  pyr_slice s = {(const uint8_t *)bytes, (const uint8_t *)bytes + len}, sub;
  uint32_t number;
  unsigned wire;
  pyr_status status = PYR_OK;
  while (status == PYR_OK && s.p < s.end) {
    if (!pyr_slice_tag(&s, &number, &wire)) return wrong(&r, &s, "a field is damaged");
    if (number > 2 || wire != 2) {
      if (!pyr_slice_skip(&s, wire)) return wrong(&r, &s, "a field is damaged");
    } else if (!pyr_slice_bytes(&s, &sub))
      return wrong(&r, &s, "a field is longer than what is left");
    else if (number == 1)
      status = pyr_levels_name(l, (const char *)sub.p, pyr_slice_left(&sub), false,
                               offset(&r, sub.p));
    else
      status = readlevel(&r, &sub);
  }
  return status;
}

pyr_status pyr_decode_flamegraph_proto (pyr_profile *p, const char *bytes, size_t len,
                                        pyr_error *e) {
  pyr_levels l;
  pyr_status status;
  memset(p, 0, sizeof *p);
  status = pyr_levels_init(&l, false, e);
  if (status == PYR_OK) status = pyr_flamegraph_proto(&l, bytes, len);
  if (status == PYR_OK) status = pyr_levels_finish(&l, p, len);
  e->format = "flamegraph";
  pyr_levels_free(&l);
  return status;
}
