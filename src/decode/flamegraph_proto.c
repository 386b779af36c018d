#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "decode/decode.h"
#include "decode/levels.h"

/*
** querier.v1.FlameGraph and FlameGraphDiff: names = 1, levels = 2 { values = 1 }, sums = 3 to 6
** (not needed: they follow from the levels). Names may come after the levels.
*/
typedef struct protograph {
  const char *begin;
  pyr_levels levels;
  pyr_names set;
  uint32_t *names;
  uint32_t name_count, name_cap;
} protograph;

static size_t at (const protograph *g, const pyr_slice *s) {
  return (size_t)(s->p - (const uint8_t *)g->begin);
}

static pyr_status addname (protograph *g, const pyr_slice *s, pyr_error *e) {
  if (s->end - s->p > INT32_MAX)
    return pyr_fail(e, PYR_ELIMIT, "a name is too long", at(g, s));
  if (g->name_count == g->name_cap) {
    uint32_t cap = g->name_cap == 0 ? 128 : g->name_cap * 2;
    uint32_t *names = realloc(g->names, cap * sizeof *names);
    if (names == NULL) return pyr_nomemory(e);
    g->names = names;
    g->name_cap = cap;
  }
  if (pyr_names_intern(&g->set, (const char *)s->p, (uint32_t)(s->end - s->p),
                       g->names + g->name_count++) != PYR_OK)
    return pyr_nomemory(e);
  return PYR_OK;
}

static pyr_status packed (protograph *g, pyr_slice *s, pyr_error *e) {
  while (s->p < s->end) {
    uint64_t v = *s->p;
    if (v < 0x80)
      s->p++;
    else if (!pyr_slice_varint(s, &v))
      return pyr_fail(e, PYR_EDECODE, "a level ends inside a number", at(g, s));
    if (pyr_levels_number(&g->levels, (int64_t)v, at(g, s), e) != PYR_OK) return e->status;
  }
  return PYR_OK;
}

static pyr_status level (protograph *g, pyr_slice *s, pyr_error *e) {
  uint32_t number;
  unsigned wire;
  pyr_slice sub;
  uint64_t v;
  if (pyr_levels_begin(&g->levels, e) != PYR_OK) return e->status;
  while (s->p < s->end) {
    if (!pyr_slice_tag(s, &number, &wire))
      return pyr_fail(e, PYR_EDECODE, "damaged field in a level", at(g, s));
    if (number == 1 && wire == 2) {
      if (!pyr_slice_bytes(s, &sub))
        return pyr_fail(e, PYR_EDECODE, "a level runs past its end", at(g, s));
      if (packed(g, &sub, e) != PYR_OK) return e->status;
    } else if (number == 1 && wire == 0) {
      if (!pyr_slice_varint(s, &v))
        return pyr_fail(e, PYR_EDECODE, "a level ends inside a number", at(g, s));
      if (pyr_levels_number(&g->levels, (int64_t)v, at(g, s), e) != PYR_OK)
        return e->status;
    } else if (!pyr_slice_skip(s, wire))
      return pyr_fail(e, PYR_EDECODE, "damaged field in a level", at(g, s));
  }
  return pyr_levels_end(&g->levels, at(g, s), e);
}

static pyr_status message (protograph *g, pyr_slice *s, pyr_error *e) {
  uint32_t number;
  unsigned wire;
  pyr_slice sub;
  while (s->p < s->end) {
    if (!pyr_slice_tag(s, &number, &wire))
      return pyr_fail(e, PYR_EDECODE, "damaged field", at(g, s));
    if (number > 2 || wire != 2) {
      if (!pyr_slice_skip(s, wire))
        return pyr_fail(e, PYR_EDECODE, "damaged field", at(g, s));
      continue;
    }
    if (!pyr_slice_bytes(s, &sub))
      return pyr_fail(e, PYR_EDECODE, "a field runs past the end", at(g, s));
    if ((number == 1 ? addname(g, &sub, e) : level(g, &sub, e)) != PYR_OK)
      return e->status;
  }
  return pyr_levels_finish(&g->levels, g->names, g->name_count, &g->set, at(g, s), e);
}

static pyr_status decode (pyr_union *u, unsigned arity, const char *bytes, size_t len,
                          pyr_error *e) {
  protograph g;
  pyr_slice s = {(const uint8_t *)bytes, (const uint8_t *)bytes + len};
  pyr_status status;
  memset(&g, 0, sizeof g);
  g.begin = bytes;
  pyr_levels_init(&g.levels, u, arity);
  status = pyr_names_init(&g.set, 0) == PYR_OK ? message(&g, &s, e) : pyr_nomemory(e);
  pyr_levels_free(&g.levels);
  pyr_names_free(&g.set);
  free(g.names);
  if (status != PYR_OK) {
    e->format = arity == 7 ? "diff" : "flamegraph";
    pyr_union_free(u);
  }
  return status;
}

pyr_status pyr_decode_flamegraph_proto (pyr_profile *p, const char *bytes, size_t len,
                                        pyr_error *e) {
  pyr_union u;
  pyr_status status = decode(&u, 4, bytes, len, e);
  *p = u.tree; /* zeroed on failure */
  return status;
}

pyr_status pyr_decode_diff_proto (pyr_union *u, const char *bytes, size_t len,
                                  pyr_error *e) {
  return decode(u, 7, bytes, len, e);
}
