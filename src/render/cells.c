#include "render/cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct child {
  uint32_t node;
  bool other;
  double value, size; /* width; what siblings are ordered by */
  pyr_string name;
} child;

typedef struct layout {
  pyr_cells *c;
  const pyr_profile *p;
  const pyr_union *u;
  const pyr_celloptions *o;
  child *children;
  uint32_t child_cap;
  double *left;   /* [cell cap] where the box begins, as a value */
  double *larger; /* [count] PYR_CELL_LARGER: widths that hold those of the children */
  uint8_t *known; /* [frame_count] 0: not asked, 1: no, 2: matches */
  pyr_error *e;
} layout;

static double scaled (const layout *l, const int64_t *values, uint32_t node,
                      uint32_t side) {
  return (double)values[2 * (size_t)node + side] * l->o->scales[side];
}

static double valueof (const layout *l, uint32_t node) {
  if (l->u == NULL) return (double)l->p->nodes[node].total;
  if (l->o->by == PYR_CELL_LARGER) return l->larger[node];
  return scaled(l, l->u->totals, node, l->o->by == PYR_CELL_BEFORE ? 0 : 1);
}

/* The larger side, so that every width of a diff has one order. */
static double ordinal (const layout *l, uint32_t node) {
  double a, b;
  if (l->u == NULL) return (double)l->p->nodes[node].total;
  a = scaled(l, l->u->totals, node, 0);
  b = scaled(l, l->u->totals, node, 1);
  return a > b ? a : b;
}

/* The larger total is too narrow where one child grew and another shrank: from the leaves up. */
static pyr_status widen (layout *l) {
  uint32_t i;
  l->larger = malloc((l->p->count + 1u) * sizeof *l->larger);
  if (l->larger == NULL) return pyr_nomemory(l->e);
  for (i = 0; i < l->p->count; i++) {
    double a = scaled(l, l->u->selfs, i, 0), b = scaled(l, l->u->selfs, i, 1);
    l->larger[i] = a > b ? a : b;
  }
  for (i = l->p->count; i-- > 1;)
    l->larger[l->p->nodes[i].parent] += l->larger[i];
  return PYR_OK;
}

static pyr_string nameof (const layout *l, uint32_t node) {
  return l->p->strings[l->p->frames[l->p->nodes[node].frame].name];
}

static pyr_status matching (layout *l, uint32_t node, bool *matches) {
  uint32_t frame = l->p->nodes[node].frame;
  *matches = false;
  if (l->o->pattern == NULL || node == 0 || pyr_profile_is_other(l->p, node))
    return PYR_OK;
  if (l->known[frame] == 0) {
    pyr_string name = nameof(l, node);
    if (pyr_regex_test(l->o->pattern, name.bytes, name.length, matches, l->e) != PYR_OK)
      return l->e->status;
    l->known[frame] = *matches ? 2 : 1;
  }
  *matches = l->known[frame] == 2;
  return PYR_OK;
}

/* Negative: 'a' comes first. */
static int order (const void *a, const void *b) {
  const child *x = a, *y = b;
  int names;
  if (x->other != y->other) return x->other ? 1 : -1;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  names = pyr_string_compare(x->name, y->name);
  return names != 0 ? names : x->node < y->node ? -1 : x->node > y->node;
}

static pyr_status addcell (layout *l, uint32_t node, uint32_t from, uint32_t to,
                           uint32_t level, double left) {
  pyr_cells *c = l->c;
  bool matches;
  if (c->count == c->cap || l->left == NULL) {
    uint32_t cap = c->cap == 0 ? 256 : c->cap * 2;
    pyr_cell *cells = realloc(c->cells, cap * sizeof *cells);
    double *lefts;
    if (cells == NULL) return pyr_nomemory(l->e);
    c->cells = cells;
    lefts = realloc(l->left, cap * sizeof *lefts);
    if (lefts == NULL) return pyr_nomemory(l->e);
    l->left = lefts;
    c->cap = cap;
  }
  if (matching(l, node, &matches) != PYR_OK) return l->e->status;
  l->left[c->count] = left;
  c->cells[c->count++] = (pyr_cell){node, from, to, level, matches};
  return PYR_OK;
}

static uint32_t column (const layout *l, double at) {
  double whole = l->c->whole;
  double x = whole > 0 ? floor(at / whole * l->o->width + 0.5) : 0;
  return x <= 0 ? 0 : x >= l->o->width ? l->o->width : (uint32_t)x;
}

/* Puts the children of a box beside each other, the largest first. */
static pyr_status spread (layout *l, uint32_t cell) {
  uint32_t node = l->c->cells[cell].node, level = l->c->cells[cell].level + 1, k;
  uint32_t first = l->p->nodes[node].first_child,
           n = l->p->nodes[node + 1].first_child - first;
  double at = l->left[cell];
  if (n > l->child_cap) {
    child *children = realloc(l->children, n * sizeof *children);
    if (children == NULL) return pyr_nomemory(l->e);
    l->children = children;
    l->child_cap = n;
  }
  for (k = 0; k < n; k++)
    l->children[k] =
        (child){first + k, pyr_profile_is_other(l->p, first + k), valueof(l, first + k),
                ordinal(l, first + k), nameof(l, first + k)};
  if (n > 1) qsort(l->children, n, sizeof *l->children, order);
  for (k = 0; k < n; k++) {
    double value = l->children[k].value;
    uint32_t from = column(l, at), to = column(l, at + value);
    if (from == to)
      l->c->hidden += value;
    else if (l->o->levels != 0 && level >= l->o->levels)
      l->c->deep += value;
    else if (addcell(l, l->children[k].node, from, to, level, at) != PYR_OK)
      return l->e->status;
    at += value;
  }
  return PYR_OK;
}

/* Equal names match alike: a function counts once, whatever frames it has. */
static pyr_status functions (layout *l) {
  const pyr_profile *p = l->p;
  bool *seen = calloc(p->string_count + 1u, sizeof *seen);
  uint32_t f;
  if (seen == NULL) return pyr_nomemory(l->e);
  for (f = 1; f < p->frame_count; f++)
    if (l->known[f] == 2 && !seen[p->frames[f].name]) {
      seen[p->frames[f].name] = true;
      l->c->functions++;
    }
  free(seen);
  return PYR_OK;
}

/* From the top down: topmost matches count once per stack, whatever is drawn. */
static pyr_status count (layout *l) {
  const pyr_profile *p = l->p;
  uint32_t i = l->o->top, next, depth = p->nodes[i].level;
  while (i != UINT32_MAX) {
    bool matches = false;
    if (matching(l, i, &matches) != PYR_OK) return l->e->status;
    next = pyr_profile_next(p, i);
    if (matches) {
      uint32_t level = p->nodes[i].level;
      l->c->matched += valueof(l, i);
      /* what lies below it is counted as boxes, not as value */
      for (; next != UINT32_MAX && p->nodes[next].level > level;
           next = pyr_profile_next(p, next)) {
        if (matching(l, next, &matches) != PYR_OK) return l->e->status;
        l->c->boxes += matches;
      }
      l->c->boxes++;
    }
    if (next == UINT32_MAX || p->nodes[next].level <= depth) break;
    i = next;
  }
  return functions(l);
}

/* What fails leaves its blocks to 'finish', which every caller ends with. */
static pyr_status begin (layout *l, pyr_cells *c, const pyr_profile *p,
                         const pyr_union *u, const pyr_celloptions *o, pyr_error *e) {
  memset(c, 0, sizeof *c);
  memset(l, 0, sizeof *l);
  l->c = c;
  l->p = p;
  l->u = u;
  l->o = o;
  l->e = e;
  l->known = calloc(p->frame_count + 1u, 1);
  if (l->known == NULL) return pyr_nomemory(e);
  if (u != NULL && o->by == PYR_CELL_LARGER) {
    pyr_status status = widen(l);
    if (status != PYR_OK) return status;
  }
  c->whole = valueof(l, o->top);
  return PYR_OK;
}

static void finish (layout *l) {
  free(l->children);
  free(l->left);
  free(l->larger);
  free(l->known);
}

pyr_status pyr_render_cells (pyr_cells *c, const pyr_profile *p, const pyr_union *u,
                             const pyr_celloptions *o, pyr_error *e) {
  layout l;
  uint32_t i;
  pyr_status status = begin(&l, c, p, u, o, e);
  if (status == PYR_OK && o->pattern != NULL) status = count(&l);
  if (status == PYR_OK) status = addcell(&l, o->top, 0, o->width, 0, 0);
  for (i = 0; status == PYR_OK && i < c->count; i++)
    status = spread(&l, i);
  finish(&l);
  if (status != PYR_OK) pyr_cells_free(c);
  return status;
}

/* A place among the matches: the larger first, then the earlier. */
typedef struct ranked {
  double value;
  uint32_t node; /* UINT32_MAX: none */
} ranked;

static bool before (ranked a, ranked b) {
  return a.value != b.value ? a.value > b.value : a.node < b.node;
}

static pyr_status search (layout *l, uint32_t after, bool back, uint32_t *hit) {
  const pyr_profile *p = l->p;
  uint32_t i = l->o->top, depth = p->nodes[i].level;
  ranked here = {0, UINT32_MAX}, best = here, first = here; /* first: after a turn */
  bool matches = false;
  if (after < p->count && matching(l, after, &matches) != PYR_OK) return l->e->status;
  if (matches) here = (ranked){valueof(l, after), after};
  do {
    ranked r = {valueof(l, i), i};
    if (matching(l, i, &matches) != PYR_OK) return l->e->status;
    if (!matches) continue;
    if (first.node == UINT32_MAX || before(r, first) != back) first = r;
    if (here.node == UINT32_MAX || i == here.node || before(here, r) == back) continue;
    if (best.node == UINT32_MAX || before(r, best) != back) best = r;
  } while ((i = pyr_profile_next(p, i)) != UINT32_MAX && p->nodes[i].level > depth);
  *hit = best.node != UINT32_MAX ? best.node : first.node;
  return PYR_OK;
}

pyr_status pyr_render_hit (const pyr_profile *p, const pyr_union *u,
                           const pyr_celloptions *o, uint32_t after, bool back,
                           uint32_t *hit, uint32_t *view, pyr_error *e) {
  layout l;
  pyr_cells c;
  pyr_status status = begin(&l, &c, p, u, o, e);
  *hit = *view = UINT32_MAX;
  if (status == PYR_OK) status = search(&l, after, back, hit);
  if (status == PYR_OK && *hit != UINT32_MAX) {
    double least = valueof(&l, *hit) * o->width;
    uint32_t i = *hit;
    for (*view = i; i != o->top; *view = i) {
      if (valueof(&l, p->nodes[i].parent) > least) break;
      i = p->nodes[i].parent;
    }
  }
  finish(&l);
  return status;
}

void pyr_cells_free (pyr_cells *c) {
  free(c->cells);
  memset(c, 0, sizeof *c);
}
