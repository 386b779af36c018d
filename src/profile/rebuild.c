#include <stdlib.h>
#include <string.h>

#include "profile/ops.h"
#include "profile/sorted.h"
#include "profile/stacks.h"

/* Copies frames of 'p' into a builder of the same granularity: map[f] is the new frame. */
static pyr_status copyframes (const pyr_profile *p, pyr_stacks *b, uint32_t *map,
                              pyr_error *e) {
  uint32_t *ids = malloc((p->string_count + 1u) * sizeof *ids), i;
  pyr_status status = ids == NULL ? pyr_nomemory(e) : PYR_OK;
  for (i = 0; status == PYR_OK && i < p->string_count; i++)
    if (pyr_names_intern(&b->names, p->strings[i].bytes, p->strings[i].length,
                         ids + i) != PYR_OK)
      status = pyr_nomemory(e);
  map[0] = 0;
  for (i = 1; status == PYR_OK && i < p->frame_count; i++) {
    const pyr_frame *f = p->frames + i;
    status = pyr_stacks_frame(b, ids[f->name], ids[f->file], ids[f->object], f->line,
                              f->start_line, map + i, e);
    if (status == PYR_OK && b->frames[map[i]].line == 0)
      b->frames[map[i]].line = f->line;
  }
  free(ids);
  return status;
}

static pyr_status fill (const pyr_profile *p, const int64_t *selfs, const bool *gone,
                        pyr_stacks *b, pyr_error *e) {
  uint32_t *map = malloc((p->frame_count + 1u) * sizeof *map);
  uint32_t *to = malloc((p->count + 1u) * sizeof *to), i;
  int64_t *totals = malloc((p->count + 1u) * sizeof *totals);
  pyr_status status = PYR_OK;
  if (map == NULL || to == NULL || totals == NULL)
    status = pyr_nomemory(e);
  else
    status = copyframes(p, b, map, e);
  if (status == PYR_OK) {
    memcpy(totals, selfs, p->count * sizeof *totals);
    for (i = p->count - 1; i > 0; i--)
      totals[p->nodes[i].parent] += totals[i];
    to[0] = 0;
  }
  for (i = 0; status == PYR_OK && i < p->count; i++) {
    if (i != 0) {
      to[i] = to[p->nodes[i].parent];
      if (totals[i] == 0) continue;
      if (gone == NULL || !gone[i])
        status = pyr_stacks_child(b, to[i], map[p->nodes[i].frame], to + i, e);
    }
    if (status == PYR_OK && selfs[i] != 0)
      status = pyr_stacks_add(b, to[i], selfs[i], e);
  }
  free(map);
  free(to);
  free(totals);
  return status;
}

/* A line belongs to its function, and the hottest one was found where that was known. */
static pyr_granularity stored (const pyr_profile *p) {
  return p->granularity == PYR_BY_LINE ? PYR_BY_LINE : PYR_BY_FUNCTION;
}

static pyr_status finish (pyr_profile *out, const pyr_profile *p, pyr_stacks *b,
                          pyr_status status, pyr_error *e) {
  if (status == PYR_OK) status = pyr_stacks_finish(b, out, e);
  pyr_stacks_free(b);
  if (status != PYR_OK) return status;
  out->granularity = p->granularity;
  out->cut = p->cut;
  return PYR_OK;
}

pyr_status pyr_profile_rebuild (pyr_profile *out, const pyr_profile *p,
                                const int64_t *selfs, const bool *gone, pyr_error *e) {
  pyr_stacks b;
  pyr_status status = pyr_stacks_init(&b, stored(p), e);
  if (status == PYR_OK) status = fill(p, selfs, gone, &b, e);
  return finish(out, p, &b, status, e);
}

/* ---- scale, subtract ---- */

/* sum / divisor, rounded half up, without overflow. */
static int64_t quotient (int64_t sum, int64_t divisor) {
  int64_t q = sum / divisor, r = sum % divisor;
  return q + (r >= divisor - r);
}

pyr_status pyr_profile_scale (pyr_profile *out, const pyr_profile *p, int64_t divisor,
                              pyr_error *e) {
  pyr_sorted s;
  int64_t *selfs = malloc((p->count + 1u) * sizeof *selfs), sum = 0, before = 0;
  pyr_status status;
  uint32_t i;
  if (selfs == NULL) return pyr_nomemory(e);
  status = pyr_sorted_init(&s, p, e);
  if (status == PYR_OK) {
    for (i = 0; i != UINT32_MAX; i = pyr_sorted_next(&s, p, i)) {
      int64_t now;
      sum += p->nodes[i].self;
      now = quotient(sum, divisor);
      selfs[i] = now - before;
      before = now;
    }
    pyr_sorted_free(&s);
    status = pyr_profile_rebuild(out, p, selfs, NULL, e);
  }
  free(selfs);
  return status;
}

pyr_status pyr_profile_subtract (pyr_profile *out, const pyr_profile *a,
                                 const pyr_profile *b, int64_t *clipped, pyr_error *e) {
  const pyr_profile *both[2];
  pyr_union u;
  pyr_status status;
  uint32_t i;
  both[0] = a;
  both[1] = b;
  *clipped = 0;
  if (pyr_profile_align(&u, both, 2, e) != PYR_OK) return e->status;
  for (i = 0; i < u.tree.count; i++) { /* the first column becomes the difference */
    int64_t d = u.selfs[2 * (size_t)i] - u.selfs[2 * (size_t)i + 1];
    if (d < 0) {
      *clipped -= d;
      d = 0;
    }
    u.selfs[i] = d; /* index i is never read again: 2 * i >= i */
  }
  status = pyr_profile_rebuild(out, &u.tree, u.selfs, NULL, e);
  pyr_union_free(&u);
  return status;
}

/* ---- selections ---- */

/*
** state[i] for nodes in level order, parents first. PRUNE_FROM: the lowest match at or above the
** node (+ 1), which gets what the node had. Others: whether the node or one above it matches;
** SHOW and HIDE: whether anything of the stack so far is shown.
*/
static void decide (const pyr_profile *p, pyr_selecting how, const bool *matches,
                    uint32_t *state, int64_t *selfs, bool *gone) {
  uint32_t i;
  for (i = 0; i < p->count; i++) {
    const pyr_node *n = p->nodes + i;
    bool other = pyr_profile_is_other(p, i),
         match = i != 0 && !other && matches[n->frame];
    uint32_t above = i == 0 ? 0 : state[n->parent];
    bool under = match || above != 0;
    selfs[i] = n->self;
    gone[i] = false;
    state[i] = how == PYR_PRUNE_FROM ? (match ? i + 1 : above) : under;
    switch (how) {
    case PYR_FOCUS:
      if (!under) selfs[i] = 0;
      break;
    case PYR_IGNORE:
      if (under || i == 0) selfs[i] = 0;
      break;
    case PYR_HIDE:
    case PYR_SHOW:
      if (!other) gone[i] = match == (how == PYR_HIDE);
      state[i] =
          above != 0 || (i != 0 && !other && !gone[i]) || (other && how == PYR_HIDE);
      if (!state[i]) selfs[i] = 0; /* a stack that keeps no frame goes */
      break;
    case PYR_SHOW_FROM:
      if (!under) selfs[i] = 0;
      gone[i] = !under;
      break;
    case PYR_PRUNE_FROM:
      if (state[i] != 0 && state[i] != i + 1) {
        selfs[state[i] - 1] += n->self;
        selfs[i] = 0;
      }
      break;
    }
  }
}

pyr_status pyr_profile_select (pyr_profile *out, const pyr_profile *p,
                               pyr_selecting how, const bool *matches, pyr_error *e) {
  uint32_t *state = malloc((p->count + 1u) * sizeof *state);
  int64_t *selfs = malloc((p->count + 1u) * sizeof *selfs);
  bool *gone = malloc(p->count + 1u);
  pyr_status status;
  if (state == NULL || selfs == NULL || gone == NULL)
    status = pyr_nomemory(e);
  else {
    decide(p, how, matches, state, selfs, gone);
    status = pyr_profile_rebuild(out, p, selfs, gone, e);
  }
  free(state);
  free(selfs);
  free(gone);
  return status;
}

/* ---- truncate ---- */

/* The n-th largest total without the root's, digit by digit: no sorting, no memory. */
static int64_t nthtotal (const pyr_profile *p, uint32_t n) {
  enum { BITS = 11, DIGITS = 1 << BITS };
  uint64_t prefix = 0, known = 0;
  uint32_t i, counts[DIGITS];
  int shift;
  for (shift = 55; shift >= 0; shift -= BITS) {
    uint32_t digit = DIGITS - 1;
    memset(counts, 0, sizeof counts);
    for (i = 1; i < p->count; i++) {
      uint64_t total = (uint64_t)p->nodes[i].total;
      if ((total & known) == prefix) counts[total >> shift & (DIGITS - 1)]++;
    }
    while (n > counts[digit])
      n -= counts[digit--];
    prefix |= (uint64_t)digit << shift;
    known |= (uint64_t)(DIGITS - 1) << shift;
  }
  return (int64_t)prefix;
}

static pyr_status cut (const pyr_profile *p, int64_t least, pyr_stacks *b,
                       uint32_t *map, uint32_t *to, pyr_error *e) {
  uint32_t other, frame, i, at, name = pyr_profile_other_name(p);
  if (copyframes(p, b, map, e) != PYR_OK) return e->status;
  if (pyr_names_intern(&b->names, "other", 5, &other) != PYR_OK) return pyr_nomemory(e);
  if (pyr_stacks_frame(b, other, 0, 0, 0, 0, &frame, e) != PYR_OK) return e->status;
  to[0] = 0;
  if (pyr_stacks_add(b, 0, p->nodes[0].self, e) != PYR_OK) return e->status;
  for (i = 1; i < p->count; i++) {
    const pyr_node *n = p->nodes + i;
    uint32_t above = to[n->parent];
    to[i] = UINT32_MAX;
    if (above == UINT32_MAX || n->total == 0)
      continue; /* its value went with a node above */
    if (n->total < least || p->frames[n->frame].name == name) {
      if (pyr_stacks_child(b, above, frame, &at, e) != PYR_OK) return e->status;
      if (pyr_stacks_add(b, at, n->total, e) != PYR_OK) return e->status;
      continue;
    }
    if (pyr_stacks_child(b, above, map[n->frame], to + i, e) != PYR_OK)
      return e->status;
    if (pyr_stacks_add(b, to[i], n->self, e) != PYR_OK) return e->status;
  }
  return PYR_OK;
}

pyr_status pyr_profile_truncate (pyr_profile *out, const pyr_profile *p, uint32_t n,
                                 pyr_error *e) {
  bool cuts = n != 0 && p->count - 1 > n;
  int64_t *selfs = cuts ? NULL : malloc((p->count + 1u) * sizeof *selfs);
  uint32_t *map = malloc((p->frame_count + 1u) * sizeof *map);
  uint32_t *to = malloc((p->count + 1u) * sizeof *to), i;
  pyr_stacks b;
  pyr_status status = pyr_stacks_init(&b, stored(p), e);
  if ((!cuts && selfs == NULL) || map == NULL || to == NULL) status = pyr_nomemory(e);
  if (status == PYR_OK && cuts)
    status = cut(p, nthtotal(p, n), &b, map, to, e);
  else if (status == PYR_OK) {
    for (i = 0; i < p->count; i++)
      selfs[i] = p->nodes[i].self;
    status = fill(p, selfs, NULL, &b, e);
  }
  free(selfs);
  free(map);
  free(to);
  status = finish(out, p, &b, status, e);
  if (status == PYR_OK && cuts) out->cut = true;
  return status;
}

/* ---- other shapes ---- */

#define INVERT_STEPS (UINT64_C(1) << 28) /* some ten seconds */

static pyr_status invertstacks (const pyr_profile *p, const uint32_t *map,
                                pyr_stacks *b, pyr_error *e) {
  uint64_t steps = 0;
  uint32_t i, k;
  for (i = 0; i < p->count; i++)
    if (p->nodes[i].self != 0) steps += p->nodes[i].level;
  if (steps > INVERT_STEPS)
    return pyr_fail(e, PYR_ELIMIT,
                    "the stacks are too deep to be merged from the leaves",
                    PYR_NOWHERE);
  for (i = 0; i < p->count; i++) {
    uint32_t at = 0, last = pyr_profile_is_other(p, i) ? p->nodes[i].parent : 0;
    if (p->nodes[i].self == 0) continue;
    for (k = i; k != last; k = p->nodes[k].parent)
      if (pyr_stacks_child(b, at, map[p->nodes[k].frame], &at, e) != PYR_OK)
        return e->status;
    if (pyr_stacks_add(b, at, p->nodes[i].self, e) != PYR_OK) return e->status;
  }
  return PYR_OK;
}

pyr_status pyr_profile_invert (pyr_profile *out, const pyr_profile *p, pyr_error *e) {
  uint32_t *map = malloc((p->frame_count + 1u) * sizeof *map);
  pyr_stacks b;
  pyr_status status = pyr_stacks_init(&b, stored(p), e);
  if (map == NULL) status = pyr_nomemory(e);
  if (status == PYR_OK) status = copyframes(p, &b, map, e);
  if (status == PYR_OK) status = invertstacks(p, map, &b, e);
  free(map);
  return finish(out, p, &b, status, e);
}

static pyr_status regroupframes (const pyr_grouping *g, const uint32_t *speaker,
                                 pyr_stacks *b, uint32_t *map, pyr_error *e) {
  const pyr_profile *p = g->p;
  uint32_t f;
  map[0] = 0;
  for (f = 1; f < p->frame_count; f++) {
    uint32_t group = g->of[f] & ~PYR_GROUP_OTHER, name, file, object;
    const pyr_frame *from =
        p->frames + (speaker[group] == UINT32_MAX ? f : speaker[group]);
    pyr_string s =
        g->of[f] & PYR_GROUP_OTHER ? p->strings[p->frames[f].name] : g->names[group];
    if (pyr_names_intern(&b->names, s.bytes, s.length, &name) != PYR_OK ||
        pyr_names_intern(&b->names, p->strings[from->file].bytes,
                         p->strings[from->file].length, &file) != PYR_OK ||
        pyr_names_intern(&b->names, p->strings[from->object].bytes,
                         p->strings[from->object].length, &object) != PYR_OK)
      return pyr_nomemory(e);
    if (g->by == PYR_BY_PACKAGE) file = 0;
    if (pyr_stacks_frame(b, name, file, object, from->line,
                         g->by == PYR_BY_FUNCTION ? from->start_line : 0, map + f,
                         e) != PYR_OK)
      return e->status;
    if (g->by == PYR_BY_FUNCTION) b->frames[map[f]].line = from->line;
  }
  return PYR_OK;
}

pyr_status pyr_profile_regroup (pyr_profile *out, const pyr_profile *p,
                                pyr_granularity by, pyr_error *e) {
  pyr_grouping g;
  pyr_stacks b;
  uint32_t *speaker = NULL, *map = malloc((p->frame_count + 1u) * sizeof *map);
  uint32_t *to = malloc((p->count + 1u) * sizeof *to), i;
  pyr_status status;
  if (by == PYR_BY_LINE && p->granularity != PYR_BY_LINE)
    status = pyr_fail(e, PYR_EUNSUPPORTED, "the profile has no lines", PYR_NOWHERE);
  else
    status = pyr_grouping_init(&g, p, by, e);
  if (status != PYR_OK) {
    free(map);
    free(to);
    return status;
  }
  status = pyr_stacks_init(&b, by == PYR_BY_LINE ? PYR_BY_LINE : PYR_BY_FUNCTION, e);
  if (map == NULL || to == NULL) status = pyr_nomemory(e);
  if (status == PYR_OK) status = pyr_grouping_frames(&g, &speaker, e);
  if (status == PYR_OK) status = regroupframes(&g, speaker, &b, map, e);
  for (i = 0; status == PYR_OK && i < p->count; i++) {
    to[i] = 0;
    if (i != 0)
      status = pyr_stacks_child(&b, to[p->nodes[i].parent], map[p->nodes[i].frame],
                                to + i, e);
    if (status == PYR_OK) status = pyr_stacks_add(&b, to[i], p->nodes[i].self, e);
  }
  free(speaker);
  free(map);
  free(to);
  pyr_grouping_free(&g);
  status = finish(out, p, &b, status, e);
  if (status == PYR_OK) out->granularity = by;
  return status;
}
