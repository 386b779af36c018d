#include <stdlib.h>
#include <string.h>

#include "decode/pprof_tags.h"

/*
** Samples to stacks. What a location stands for is found once: 'lines' has the
** builder's frame of every line, or UINT32_MAX for what is left out. The stack of the
** sample before stays in 'levels', root first: the next one usually begins with the
** same locations, and only what differs is looked up.
**
** Lines get their weights when a level is left: the value that passed through it is
** added once to the line, unless the same line stands further up (recursion), and to
** the level above. 'place' gives lines of equal function and number one index, that of
** the first of them. Without a tree ('rows') the same happens to frames, and no node is
** looked up.
*/
typedef struct level {
  int64_t value;
  uint32_t node; /* or frame, without a tree */
  uint32_t place;
  bool outermost, first; /* of its line, of its frame */
} level;

/* What a walk knows of a line; a place keeps its weight in the first of its lines. */
typedef struct linestate {
  int64_t self, total;
  uint32_t frame, place;
  uint32_t open; /* levels that stand on this place */
} linestate;

#define UNKNOWN (UINT32_MAX - 1) /* frame of a line that no sample has led to yet */

typedef struct walker {
  const pyr_pprof *h;
  pyr_pprofselection *s;
  pyr_stacks *b;
  pyr_pprofrows *rows; /* NULL: a tree */
  pyr_error *e;
  uint32_t *names;  /* [string_count] id in the builder + 1, 0: not yet */
  linestate *lines; /* [line_count] */
  uint32_t *place_slots, place_mask;
  uint32_t *locations, *before; /* [depth] this sample and the last, leaf first */
  uint32_t before_first, before_depth;
  uint32_t *levels_after; /* [depth + 1] levels of the first k locations */
  level *levels;
  uint32_t level_count, level_cap;
  bool broken; /* a filter failed; 'e' says how */
} walker;

static pyr_status name (walker *w, uint32_t string, uint32_t *id) {
  if (w->names[string] == 0) {
    const pyr_string *s = w->h->strings + string;
    if (pyr_names_intern(&w->b->names, s->bytes, s->length, id) != PYR_OK)
      return pyr_nomemory(w->e);
    w->names[string] = *id + 1;
  }
  *id = w->names[string] - 1;
  return PYR_OK;
}

#define ADDRESS_MAX 18

/* "0x401234": what stands for a function that nobody knows. */
static pyr_string addressname (uint64_t address, char text[ADDRESS_MAX]) {
  pyr_string s;
  uint32_t at = ADDRESS_MAX;
  do {
    text[--at] = "0123456789abcdef"[address & 15];
    address >>= 4;
  } while (address != 0);
  text[--at] = 'x';
  text[--at] = '0';
  s.bytes = text + at;
  s.length = ADDRESS_MAX - at;
  return s;
}

static pyr_status learnline (walker *w, const pyr_pproflocation *l, uint32_t line,
                             uint32_t object) {
  const pyr_pprofline *at = w->h->lines + line;
  uint32_t function, file;
  if (at->function != UINT32_MAX) {
    const pyr_pproffunction *f = w->h->functions + at->function;
    if (name(w, f->name, &function) != PYR_OK || name(w, f->file, &file) != PYR_OK)
      return w->e->status;
    return pyr_stacks_frame(w->b, function, file, object, at->line, f->start_line,
                            &w->lines[line].frame, w->e);
  }
  if (!w->s->named_only) {
    char text[ADDRESS_MAX];
    pyr_string s = addressname(l->address, text);
    if (pyr_names_intern(&w->b->names, s.bytes, s.length, &function) != PYR_OK)
      return pyr_nomemory(w->e);
    return pyr_stacks_frame(w->b, function, 0, object, 0, 0, &w->lines[line].frame,
                            w->e);
  }
  w->lines[line].frame = UINT32_MAX;
  return PYR_OK;
}

/* The first line of the same frame and number. */
static uint32_t place (walker *w, uint32_t line) {
  uint64_t key = (uint64_t)w->lines[line].frame << 32 | w->h->lines[line].line;
  uint32_t at = (uint32_t)pyr_hash((const char *)&key, sizeof key) & w->place_mask;
  for (; w->place_slots[at] != 0; at = (at + 1) & w->place_mask) {
    uint32_t other = w->place_slots[at] - 1;
    if (w->lines[other].frame == w->lines[line].frame &&
        w->h->lines[other].line == w->h->lines[line].line)
      return other;
  }
  w->place_slots[at] = line + 1;
  return line;
}

/* Every frame of the builder has a weight. */
static pyr_status growrows (walker *w) {
  pyr_weight *weights;
  uint32_t cap = w->b->frame_cap;
  if (w->rows == NULL || w->rows->cap >= cap) return PYR_OK;
  weights = realloc(w->rows->weights, cap * sizeof *weights);
  if (weights == NULL) return pyr_nomemory(w->e);
  memset(weights + w->rows->cap, 0, (cap - w->rows->cap) * sizeof *weights);
  w->rows->weights = weights;
  w->rows->cap = cap;
  return PYR_OK;
}

/* Finds the frames of a location. */
static pyr_status learn (walker *w, uint32_t location) {
  const pyr_pproflocation *l = w->h->locations + location;
  uint32_t object = 0, line;
  if (l->mapping != UINT32_MAX &&
      name(w, w->h->mappings[l->mapping], &object) != PYR_OK)
    return w->e->status;
  for (line = l->first_line; line < l[1].first_line; line++) {
    if (learnline(w, l, line, object) != PYR_OK) return w->e->status;
    w->lines[line].place = place(w, line);
  }
  return growrows(w);
}

/* ---- which samples ---- */

/* True if the sample has an id of that kind whose lower-case value is in the set. */
static bool hasid (const walker *w, uint32_t i, const pyr_names *ids,
                   pyr_labelkind kind) {
  const uint8_t *at = NULL;
  pyr_pproflabel l;
  while (pyr_pprof_label(w->h, i, &at, &l)) {
    const pyr_string *v = w->h->strings + l.value;
    char text[64];
    uint32_t k;
    if (v->length == 0 || v->length > sizeof text ||
        pyr_pprof_kind(w->h, l.key) != kind)
      continue;
    for (k = 0; k < v->length; k++) {
      char c = v->bytes[k];
      text[k] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    if (pyr_names_find(ids, text, v->length) != UINT32_MAX) return true;
  }
  return false;
}

static bool tagged (walker *w, uint32_t i, const pyr_tagfilter *f) {
  bool matches = false;
  if (pyr_tagfilter_test(f, w->h, i, &matches, w->e) != PYR_OK) w->broken = true;
  return matches;
}

static bool wanted (walker *w, uint32_t i) {
  const pyr_pprof *h = w->h;
  const pyr_pprofselection *s = w->s;
  if (s->sets != NULL && !s->sets[h->sample_sets == NULL ? 0 : h->sample_sets[i]])
    return false;
  if (s->spans != NULL && !hasid(w, i, s->spans, PYR_SPAN)) return false;
  if (s->traces != NULL && !hasid(w, i, s->traces, PYR_TRACE)) return false;
  return (s->focus == NULL || tagged(w, i, s->focus)) &&
         (s->ignore == NULL || !tagged(w, i, s->ignore));
}

/* True if the stack begins with the functions of the call site. Asks before anything of
   the stack is learnt: a profile has no frames of samples that were left out. */
static bool atcallsite (const walker *w, const uint32_t *locations, uint32_t depth) {
  uint32_t found = 0, k, line;
  for (k = depth; k-- > 0 && found < w->s->call_site_depth;) {
    const pyr_pproflocation *l = w->h->locations + locations[k];
    for (line = l[1].first_line; line-- > l->first_line;) {
      uint32_t function = w->h->lines[line].function;
      char text[ADDRESS_MAX];
      pyr_string s;
      if (function == UINT32_MAX && w->s->named_only) continue;
      s = function == UINT32_MAX ? addressname(l->address, text)
                                 : w->h->strings[w->h->functions[function].name];
      if (found == w->s->call_site_depth) break;
      if (pyr_string_compare(s, w->s->call_site[found++]) != 0) return false;
    }
  }
  return found == w->s->call_site_depth;
}

/* ---- the stack ---- */

/* Values of levels are parts of the builder's checked total: no sum here overflows. */
static void leave (walker *w, uint32_t count) {
  while (w->level_count > count) {
    const level *l = w->levels + --w->level_count;
    linestate *at = w->lines + l->place;
    if (l->outermost) at->total += l->value;
    at->open--;
    if (w->rows != NULL) {
      pyr_weight *frame = w->rows->weights + l->node;
      if (l->first) frame->total += l->value;
      frame->open--;
    }
    if (w->level_count != 0) w->levels[w->level_count - 1].value += l->value;
  }
}

static pyr_status growlevels (walker *w) {
  uint32_t cap = w->level_cap * 2 + 64;
  level *levels = realloc(w->levels, cap * sizeof *levels);
  if (levels == NULL) return pyr_nomemory(w->e);
  w->levels = levels;
  w->level_cap = cap;
  return PYR_OK;
}

/* Puts the frames of a location on the stack: the last line is the outermost. */
static pyr_status enter (walker *w, uint32_t location) {
  const pyr_pproflocation *l = w->h->locations + location;
  uint32_t line;
  if (w->lines[l->first_line].frame == UNKNOWN && learn(w, location) != PYR_OK)
    return w->e->status;
  for (line = l[1].first_line; line-- > l->first_line;) {
    uint32_t node = w->level_count == 0 ? 0 : w->levels[w->level_count - 1].node;
    level *next;
    if (w->lines[line].frame == UINT32_MAX) continue;
    if (w->rows != NULL)
      node = w->lines[line].frame;
    else if (pyr_stacks_child(w->b, node, w->lines[line].frame, &node, w->e) != PYR_OK)
      return w->e->status;
    if (w->level_count == w->level_cap && growlevels(w) != PYR_OK) return w->e->status;
    next = w->levels + w->level_count++;
    next->value = 0;
    next->node = node;
    next->place = w->lines[line].place;
    next->outermost = w->lines[next->place].open++ == 0;
    if (w->rows != NULL) {
      next->first = w->rows->weights[node].open++ == 0;
      w->rows->weights[node].seen = 1;
    }
  }
  return PYR_OK;
}

/* Makes 'levels' the stack of w->locations[first .. depth). */
static pyr_status follow (walker *w, uint32_t first, uint32_t depth) {
  const uint32_t *now = w->locations + first, *before = w->before + w->before_first;
  uint32_t n = depth - first, m = w->before_depth - w->before_first, shared = 0;
  uint32_t *swap = w->before;
  while (shared < n && shared < m && now[n - 1 - shared] == before[m - 1 - shared])
    shared++;
  leave(w, w->levels_after[shared]);
  for (; shared < n; shared++) {
    if (enter(w, now[n - 1 - shared]) != PYR_OK) return w->e->status;
    w->levels_after[shared + 1] = w->level_count;
  }
  w->before = w->locations;
  w->before_first = first;
  w->before_depth = depth;
  w->locations = swap;
  return PYR_OK;
}

static pyr_status add (walker *w, int64_t value) {
  level *leaf;
  if (w->level_count == 0) {
    if (w->s->named_only) return PYR_OK;
    w->s->count++;
    return pyr_stacks_add(w->b, 0, value, w->e);
  }
  leaf = w->levels + w->level_count - 1;
  w->s->count++;
  if (w->rows == NULL) {
    if (pyr_stacks_add(w->b, leaf->node, value, w->e) != PYR_OK) return w->e->status;
  } else {
    if (pyr_stacks_add(w->b, 0, value, w->e) != PYR_OK) return w->e->status;
    w->b->nodes[0].self -= value; /* counted in the sum, but no empty stack */
    w->rows->weights[leaf->node].self += value;
  }
  leaf->value += value;
  w->lines[leaf->place].self += value;
  return PYR_OK;
}

static pyr_status walk (walker *w) {
  const pyr_pprofselection *s = w->s;
  uint32_t i, depth, line;
  for (i = 0; i < w->h->sample_count; i++) {
    uint32_t first = 0;
    int64_t value;
    if (!wanted(w, i)) {
      if (w->broken) return w->e->status;
      continue;
    }
    value = pyr_pprof_sample(w->h, i, s->type, w->locations, &depth);
    if (value < 0 || (s->named_only && pyr_pprof_negative(w->h, i))) {
      w->s->negative++;
      continue;
    }
    if (value == 0) continue;
    if (s->max_depth != 0 && depth > s->max_depth) first = depth - s->max_depth;
    if (s->call_site_depth != 0 && !atcallsite(w, w->locations + first, depth - first))
      continue;
    if (follow(w, first, depth) != PYR_OK || add(w, value) != PYR_OK)
      return w->e->status;
  }
  leave(w, 0);
  for (line = 0; line < w->h->line_count; line++) {
    const linestate *at = w->lines + line;
    if (at->total != 0 &&
        pyr_stacks_weigh(w->b, w->lines[line].frame, w->h->lines[line].line, at->self,
                         at->total, w->e) != PYR_OK)
      return w->e->status;
  }
  return PYR_OK;
}

static bool prepare (walker *w) {
  const pyr_pprof *h = w->h;
  uint32_t slots = 16, i;
  while (slots < h->line_count * 2)
    slots *= 2;
  w->place_mask = slots - 1;
  w->place_slots = calloc(slots, sizeof *w->place_slots);
  w->names = calloc(h->string_count + 1u, sizeof *w->names);
  w->lines = calloc(h->line_count + 1u, sizeof *w->lines);
  w->locations = malloc((h->depth + 1u) * sizeof *w->locations);
  w->before = malloc((h->depth + 1u) * sizeof *w->before);
  w->levels_after = calloc(h->depth + 1u, sizeof *w->levels_after);
  if (!w->place_slots || !w->names || !w->lines || !w->locations || !w->before ||
      !w->levels_after)
    return false;
  for (i = 0; i < h->line_count; i++)
    w->lines[i].frame = UNKNOWN;
  return true;
}

static pyr_status collect (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                           pyr_pprofrows *rows, pyr_error *e) {
  walker w;
  memset(&w, 0, sizeof w);
  w.h = h;
  w.s = s;
  w.b = b;
  w.rows = rows;
  w.e = e;
  e->status = PYR_OK;
  s->count = s->negative = 0;
  if (prepare(&w))
    walk(&w);
  else
    pyr_nomemory(e);
  if (e->status == PYR_EDECODE) e->format = "pprof";
  free(w.place_slots);
  free(w.names);
  free(w.lines);
  free(w.locations);
  free(w.before);
  free(w.levels_after);
  free(w.levels);
  return e->status;
}

pyr_status pyr_pprof_stacks (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                             pyr_error *e) {
  return collect(h, s, b, NULL, e);
}

void pyr_pprofrows_free (pyr_pprofrows *r) {
  free(r->weights);
  memset(r, 0, sizeof *r);
}

pyr_status pyr_pprof_weigh (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                            pyr_pprofrows *r, pyr_error *e) {
  return collect(h, s, b, r, e);
}
