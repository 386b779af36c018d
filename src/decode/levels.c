#include "decode/levels.h"

#include <stdlib.h>

pyr_status pyr_levels_init (pyr_levels *l, bool diff, pyr_error *e) {
  memset(l, 0, sizeof *l);
  l->e = e;
  l->diff = diff;
  l->level = UINT32_MAX;
  if (pyr_names_init(&l->names, 0) != PYR_OK ||
      pyr_names_init(&l->unescaped, 1) != PYR_OK)
    return pyr_nomemory(e);
  return PYR_OK;
}

void pyr_levels_free (pyr_levels *l) {
  pyr_names_free(&l->names);
  pyr_names_free(&l->unescaped);
  free(l->nodes);
  free(l->selfs);
  free(l->totals);
  free(l->ids);
  memset(l, 0, sizeof *l);
}

pyr_status pyr_levels_fail (pyr_levels *l, const char *message, size_t where) {
  return pyr_fail(l->e, PYR_EDECODE, message, where);
}

const char *pyr_levels_ragged (const pyr_levels *l) {
  if (l->level == 0)
    return l->diff
               ? "the root has not 7 numbers: is this one profile, not a comparison?"
               : "the root has not 4 numbers: is this a comparison of two profiles?";
  return l->diff ? "the numbers of a level are not a multiple of 7"
                 : "the numbers of a level are not a multiple of 4";
}

pyr_status pyr_levels_name (pyr_levels *l, const char *bytes, size_t length, bool copy,
                            size_t where) {
  uint32_t id;
  if (length > UINT32_MAX || l->name_count == PYR_NODES_MAX)
    return pyr_fail(l->e, PYR_ELIMIT, "too many names, or one that is too long", where);
  if (copy) {
    if (pyr_names_intern(&l->unescaped, bytes, (uint32_t)length, &id) != PYR_OK)
      return pyr_nomemory(l->e);
    bytes = l->unescaped.strings[id].bytes;
  }
  if (l->name_count == l->name_cap) {
    uint32_t cap = l->name_cap == 0 ? 256 : l->name_cap * 2;
    uint32_t *ids = realloc(l->ids, cap * sizeof *ids);
    if (ids == NULL) return pyr_nomemory(l->e);
    l->ids = ids;
    l->name_cap = cap;
  }
  if (l->name_count == 0) {
    l->root_name = (pyr_string){bytes, (uint32_t)length};
    id = 0;
  } else if (pyr_names_intern(&l->names, bytes, (uint32_t)length, &id) != PYR_OK)
    return pyr_nomemory(l->e);
  l->renumber |= id != l->name_count;
  l->ids[l->name_count++] = id;
  return PYR_OK;
}

pyr_status pyr_levels_grow (pyr_levels *l) {
  uint32_t cap = l->cap == 0 ? 255 : l->cap * 2 + 1;
  pyr_node *nodes;
  int64_t *sides;
  if (l->cap > PYR_NODES_MAX / 2)
    return pyr_fail(l->e, PYR_ELIMIT, "more nodes than a profile can hold",
                    PYR_NOWHERE);
  nodes = realloc(l->nodes, ((size_t)cap + 1) * sizeof *nodes); /* and the sentinel */
  if (nodes == NULL) return pyr_nomemory(l->e);
  l->nodes = nodes;
  if (l->diff) {
    sides = realloc(l->selfs, (size_t)cap * 2 * sizeof *sides);
    if (sides == NULL) return pyr_nomemory(l->e);
    l->selfs = sides;
    sides = realloc(l->totals, (size_t)cap * 2 * sizeof *sides);
    if (sides == NULL) return pyr_nomemory(l->e);
    l->totals = sides;
  }
  l->cap = cap;
  return PYR_OK;
}

static int64_t keptedge (const pyr_node *n) {
  return (int64_t)((uint64_t)n->level << 32 | n->first_child);
}

/* Makes a node of the level above the parent of what comes next. */
static void enter (pyr_levels *l, uint32_t node) {
  pyr_node *n = l->nodes + node;
  l->parent = node;
  l->here = keptedge(n);
  l->after = node + 1 < l->first ? keptedge(n + 1) : INT64_MAX;
  l->below[0] = l->below[1] = 0;
  n->first_child = l->count;
  n->level = l->level - 1;
}

static bool adds_up (const pyr_levels *l) {
  const pyr_node *n = l->nodes + l->parent;
  size_t at = 2 * (size_t)l->parent;
  if (n->total - n->self != l->below[0]) return false;
  return !l->diff || l->totals[at] - l->selfs[at] == l->below[1];
}

static pyr_status leave (pyr_levels *l, size_t where) {
  if (adds_up(l)) return PYR_OK;
  return pyr_levels_fail(
      l, "the total of a function is not its self value and the totals below it",
      where);
}

pyr_status pyr_levels_advance (pyr_levels *l, int64_t x, size_t where) {
  if (l->level == 0) return PYR_OK;
  if (l->parent == l->first || x < l->here)
    return pyr_levels_fail(l, "a function has no caller in the level above", where);
  while (x >= l->after && l->parent + 1 < l->first) {
    if (leave(l, where) != PYR_OK) return l->e->status;
    enter(l, l->parent + 1);
  }
  return PYR_OK;
}

pyr_status pyr_levels_begin (pyr_levels *l, size_t where) {
  uint32_t above = l->first;
  if (l->level == UINT32_MAX - 1)
    return pyr_fail(l->e, PYR_ELIMIT, "more levels than a profile can hold", where);
  l->level++;
  l->first = l->count;
  l->edge = 0;
  if (above < l->count)
    enter(l, above);
  else { /* nothing above: whatever comes asks for pyr_levels_advance */
    l->parent = l->level == 0 ? 0 : l->count;
    l->here = INT64_MAX;
    l->after = 0;
  }
  return PYR_OK;
}

pyr_status pyr_levels_end (pyr_levels *l, size_t where) {
  if (l->level == 0) {
    if (l->count - l->first > 1)
      return pyr_levels_fail(l, "the first level holds more than the root", where);
    return PYR_OK;
  }
  if (l->parent == l->first) return PYR_OK; /* an empty level below an empty one */
  for (;;) {
    if (leave(l, where) != PYR_OK) return l->e->status;
    if (l->parent + 1 >= l->first) return PYR_OK;
    enter(l, l->parent + 1);
  }
}

/*
** Frames for names that are not numbered as they came: repeated ones, the empty one
** (its frame is not that of the root), and name 0 where a function has it. In a diff
** that means a function without name, in a single flame graph one that is called like
** the root.
*/
static pyr_status renumbered (pyr_levels *l, pyr_profile *p) {
  uint32_t *frames, i, strings;
  l->ids[0] = 0;
  if (l->zero && !l->diff &&
      pyr_names_intern(&l->names, l->root_name.bytes, l->root_name.length, l->ids) !=
          PYR_OK)
    return pyr_nomemory(l->e);
  strings = l->names.count;
  frames = calloc(strings, sizeof *frames); /* string -> frame, 0: none yet */
  p->frames = calloc((size_t)strings + 1, sizeof *p->frames);
  if (frames == NULL || p->frames == NULL) {
    free(frames);
    return pyr_nomemory(l->e);
  }
  p->frame_count = 1;
  for (i = l->zero ? 0 : 1; i < l->name_count; i++) {
    uint32_t id = l->ids[i];
    if (frames[id] == 0) {
      frames[id] = p->frame_count;
      p->frames[p->frame_count++].name = id;
    }
    l->ids[i] = frames[id];
  }
  free(frames);
  for (i = 1; i < l->count; i++)
    l->nodes[i].frame = l->ids[l->nodes[i].frame];
  return PYR_OK;
}

static pyr_status makeframes (pyr_levels *l, pyr_profile *p) {
  uint32_t i;
  if (l->renumber || l->zero) return renumbered(l, p);
  p->frame_count = l->name_count > 1 ? l->name_count : 1;
  p->frames = calloc(p->frame_count, sizeof *p->frames);
  if (p->frames == NULL) return pyr_nomemory(l->e);
  for (i = 1; i < p->frame_count; i++)
    p->frames[i].name = i;
  return PYR_OK;
}

static pyr_status addroot (pyr_levels *l) {
  if (pyr_levels_grow(l) != PYR_OK) return l->e->status;
  l->nodes[0] = (pyr_node){0, 0, 0, 0, 1, 0};
  if (l->diff) {
    memset(l->selfs, 0, 2 * sizeof *l->selfs);
    memset(l->totals, 0, 2 * sizeof *l->totals);
  }
  l->count = 1;
  return PYR_OK;
}

/* What was grown in steps gives back what it does not need. */
static void shrink (pyr_levels *l) {
  pyr_node *nodes = realloc(l->nodes, ((size_t)l->count + 1) * sizeof *nodes);
  int64_t *sides;
  if (nodes != NULL) l->nodes = nodes;
  if (!l->diff) return;
  sides = realloc(l->selfs, (size_t)l->count * 2 * sizeof *sides);
  if (sides != NULL) l->selfs = sides;
  sides = realloc(l->totals, (size_t)l->count * 2 * sizeof *sides);
  if (sides != NULL) l->totals = sides;
}

pyr_status pyr_levels_finish (pyr_levels *l, pyr_profile *p, size_t where) {
  pyr_status status;
  if (l->count == 0)
    status = addroot(l);
  else if (l->top >= l->name_count)
    status = pyr_levels_fail(
        l, "a function has a name that is not in the list of names", l->top_where);
  else { /* the last level has nothing below it */
    status = pyr_levels_begin(l, where);
    if (status == PYR_OK) status = pyr_levels_end(l, where);
    l->nodes[0].frame = 0;
  }
  if (status == PYR_OK) status = makeframes(l, p);
  if (status == PYR_OK) status = pyr_profile_take_names(p, &l->names, l->e);
  if (status != PYR_OK) {
    pyr_profile_free(p);
    return status;
  }
  p->count = l->count;
  p->levels = l->nodes[l->count - 1].level + 1;
  p->cut = true;
  shrink(l);
  p->nodes = l->nodes;
  p->nodes[p->count] = (pyr_node){0, 0, 0, 0, p->count, 0};
  l->nodes = NULL;
  return PYR_OK;
}
