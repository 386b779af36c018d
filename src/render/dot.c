#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/ops.h"
#include "render/picture.h"
#include "render/render.h"

#define NODES 100 /* functions drawn when nobody says how many */

/* Between two drawn functions: value, whether others lie between them somewhere. */
typedef struct edge {
  uint32_t from, to; /* places among the drawn */
  int64_t value;
  uint32_t open; /* on the current stack */
  bool residual;
} edge;

typedef struct drawing {
  pyr_buffer *out;
  const pyr_profile *p;
  const pyr_renderoptions *o;
  pyr_grouping g;
  pyr_weight *w;
  uint32_t *rows, count, all; /* drawn groups, by total */
  uint32_t *place;            /* [groups] place among the drawn + 1, or 0 */
  edge *edges;
  uint32_t edge_count, edge_cap;
  uint32_t *slots, mask; /* edge + 1 by hash of (from, to) */
  pyr_error *e;
} drawing;

static pyr_status grow (drawing *d) {
  uint32_t cap = d->edge_cap == 0 ? 256 : d->edge_cap * 2, mask = cap * 2 - 1, i;
  edge *edges = realloc(d->edges, cap * sizeof *edges);
  uint32_t *slots;
  if (edges == NULL) return pyr_nomemory(d->e);
  d->edges = edges;
  slots = calloc((size_t)mask + 1, sizeof *slots);
  if (slots == NULL) return pyr_nomemory(d->e);
  for (i = 0; i < d->edge_count; i++) {
    uint32_t at = (uint32_t)pyr_mix((uint64_t)edges[i].from << 32 | edges[i].to) & mask;
    while (slots[at] != 0)
      at = (at + 1) & mask;
    slots[at] = i + 1;
  }
  free(d->slots);
  d->slots = slots;
  d->mask = mask;
  d->edge_cap = cap;
  return PYR_OK;
}

static pyr_status findedge (drawing *d, uint32_t from, uint32_t to, uint32_t *found) {
  uint32_t at;
  if (d->edge_count == d->edge_cap && grow(d) != PYR_OK) return d->e->status;
  at = (uint32_t)pyr_mix((uint64_t)from << 32 | to) & d->mask;
  for (; d->slots[at] != 0; at = (at + 1) & d->mask) {
    const edge *known = d->edges + d->slots[at] - 1;
    if (known->from == from && known->to == to) {
      *found = d->slots[at] - 1;
      return PYR_OK;
    }
  }
  *found = d->edge_count;
  d->edges[d->edge_count++] = (edge){.from = from, .to = to};
  d->slots[at] = d->edge_count;
  return PYR_OK;
}

/* What is open on each level: the nearest drawn function (place + 1), whether functions that
   are not drawn came after it, and the edge that was entered (index + 1). */
typedef struct step {
  uint32_t near, edge;
  bool skipped;
} step;

/* One walk; an edge counts once per stack however often it is on it, a function's call of
   itself is none (as pprof draws). */
static pyr_status connect (drawing *d, step *steps) {
  const pyr_profile *p = d->p;
  uint32_t i = 0, last = 0;
  steps[0] = (step){0, 0, false};
  for (i = pyr_profile_next(p, 0); i != UINT32_MAX; i = pyr_profile_next(p, i)) {
    const pyr_node *n = p->nodes + i;
    uint32_t group = d->g.of[n->frame], level;
    step *up = steps + n->level - 1, *here = steps + n->level;
    for (level = last; level >= n->level && level > 0; level--)
      if (steps[level].edge != 0) d->edges[steps[level].edge - 1].open--;
    last = n->level;
    *here = (step){up->near, 0, true};
    if (pyr_profile_is_other(p, i) || (group & PYR_GROUP_OTHER) != 0)
      group = UINT32_MAX;
    if (group == UINT32_MAX || d->place[group] == 0) continue;
    here->near = d->place[group];
    here->skipped = false;
    if (up->near != 0 && up->near != here->near) {
      uint32_t at;
      if (findedge(d, up->near - 1, here->near - 1, &at) != PYR_OK) return d->e->status;
      if (d->edges[at].open++ == 0 &&
          __builtin_add_overflow(d->edges[at].value, n->total, &d->edges[at].value))
        return pyr_fail(d->e, PYR_ELIMIT, "an edge's value exceeds 64 bits",
                        PYR_NOWHERE);
      d->edges[at].residual |= up->skipped;
      here->edge = at + 1;
    }
  }
  return PYR_OK;
}

/* Text inside of quotes; what would end the line or is no UTF-8 is replaced. */
static void text (pyr_buffer *out, const char *bytes, size_t n) {
  size_t i = 0;
  while (i < n) {
    unsigned char c = (unsigned char)bytes[i];
    unsigned length = c < 0x80 ? 1 : pyr_utf8_length(bytes + i, n - i);
    if (length == 0 || (length == 1 && (c < 0x20 || c == 0x7f))) {
      pyr_buffer_text(out, "\xef\xbf\xbd");
      length = 1;
    } else if (c == '"' || c == '\\') {
      pyr_buffer_char(out, '\\');
      pyr_buffer_char(out, (char)c);
    } else
      pyr_buffer_add(out, bytes + i, length);
    i += length;
  }
}

static void quantity (drawing *d, int64_t v) {
  pyr_buffer words = {NULL, 0, 0, 0, PYR_OK};
  pyr_render_quantity(&words, v, d->o->unit);
  if (words.data != NULL) text(d->out, words.data, words.len);
  if (words.status != PYR_OK) d->out->status = words.status;
  pyr_buffer_free(&words);
}

static double share (const drawing *d, int64_t v) {
  int64_t whole = d->p->nodes[0].total;
  return whole <= 0 ? 0 : (double)v / (double)whole;
}

static void percent (drawing *d, int64_t v) {
  pyr_buffer_text(d->out, " (");
  pyr_buffer_fixed(d->out, 100 * share(d, v), 2);
  pyr_buffer_text(d->out, "%)");
}

/* From light grey to orange: the more, the warmer. Black text is readable on all of it. */
static void colour (pyr_buffer *out, double part) {
  char code[8];
  pyr_picture_change(part <= 0 ? 0 : sqrt(part), code);
  pyr_buffer_text(out, code);
}

/* Graphviz refuses a text of 16 KiB. */
static void nametext (pyr_buffer *out, pyr_string name) {
  size_t n = name.length, most = 4096;
  if (n > most) {
    n = most;
    while (n > 0 && ((unsigned char)name.bytes[n] & 0xc0) == 0x80)
      n--;
  }
  text(out, name.bytes, n);
  if (n < name.length) pyr_buffer_text(out, "\xe2\x80\xa6");
}

static void node (drawing *d, uint32_t place, int64_t most) {
  uint32_t group = d->rows[place];
  const pyr_weight *w = d->w + group;
  double size = most <= 0 ? 8 : 8 + ceil(16 * sqrt((double)w->self / (double)most));
  pyr_string name = d->g.names[group];
  pyr_buffer_text(d->out, "N");
  pyr_buffer_uint(d->out, place + 1);
  pyr_buffer_text(d->out, " [label=\"");
  nametext(d->out, name);
  pyr_buffer_text(d->out, "\\n");
  quantity(d, w->self);
  percent(d, w->self);
  if (w->total != w->self) {
    pyr_buffer_text(d->out, "\\nof ");
    quantity(d, w->total);
    percent(d, w->total);
  }
  pyr_buffer_text(d->out, "\" id=\"node");
  pyr_buffer_uint(d->out, place + 1);
  pyr_buffer_text(d->out, "\" fontsize=");
  pyr_buffer_uint(d->out, (uint64_t)size);
  pyr_buffer_text(d->out, " shape=box tooltip=\"");
  nametext(d->out, name);
  pyr_buffer_text(d->out, "\" style=filled color=\"#7f7f7f\" fillcolor=\"");
  colour(d->out, share(d, w->total));
  pyr_buffer_text(d->out, "\"]\n");
}

static int heavier (const void *a, const void *b) {
  const edge *x = a, *y = b;
  if (x->value != y->value) return x->value > y->value ? -1 : 1;
  if (x->from != y->from) return x->from < y->from ? -1 : 1;
  return x->to < y->to ? -1 : x->to > y->to;
}

static void drawedge (drawing *d, const edge *x) {
  double part = share(d, x->value);
  pyr_buffer_text(d->out, "N");
  pyr_buffer_uint(d->out, x->from + 1);
  pyr_buffer_text(d->out, " -> N");
  pyr_buffer_uint(d->out, x->to + 1);
  pyr_buffer_text(d->out, " [label=\" ");
  quantity(d, x->value);
  pyr_buffer_text(d->out, "\" weight=");
  pyr_buffer_uint(d->out, 1 + (uint64_t)(100 * part));
  pyr_buffer_text(d->out, " penwidth=");
  pyr_buffer_uint(d->out, 1 + (uint64_t)(5 * part));
  pyr_buffer_text(d->out, x->residual ? " style=dotted]\n" : "]\n");
}

static void legend (drawing *d, int64_t other) {
  int64_t shown = 0;
  uint32_t i;
  const char *title = d->o->title != NULL          ? d->o->title
                      : d->o->profile_type != NULL ? d->o->profile_type
                                                   : "profile";
  for (i = 0; i < d->count; i++)
    shown += d->w[d->rows[i]].self;
  pyr_buffer_text(d->out, "subgraph cluster_L { \"L\" [shape=box fontsize=16 label=\"");
  text(d->out, title, strlen(title));
  pyr_buffer_text(d->out, "\\lTotal: ");
  quantity(d, d->p->nodes[0].total);
  pyr_buffer_text(d->out, "\\lShowing nodes accounting for ");
  quantity(d, shown);
  percent(d, shown);
  pyr_buffer_text(d->out, "\\lShowing ");
  pyr_buffer_uint(d->out, d->count);
  pyr_buffer_text(d->out, " of ");
  pyr_buffer_uint(d->out, d->all);
  pyr_buffer_text(d->out, " functions\\l");
  if (other != 0) {
    pyr_buffer_text(d->out, "In truncated stacks: ");
    quantity(d, other);
    percent(d, other);
    pyr_buffer_text(d->out, "\\l");
  }
  pyr_buffer_text(d->out, "\"] }\n");
}

static pyr_status draw (drawing *d) {
  uint32_t i;
  int64_t other = 0, most = 0;
  const char *title = d->o->title != NULL ? d->o->title : "profile";
  step *steps;
  pyr_status status;
  d->w = calloc(d->g.count + 1u, sizeof *d->w);
  d->place = calloc(d->g.count + 1u, sizeof *d->place);
  steps = calloc(d->p->levels + 1u, sizeof *steps);
  if (d->w == NULL || d->place == NULL || steps == NULL) {
    free(steps);
    return pyr_nomemory(d->e);
  }
  status = pyr_profile_weigh(d->p, d->g.of, d->w, &other, d->e);
  if (status == PYR_OK)
    status = pyr_profile_top(&d->g, d->w, true, &d->rows, &d->count, &d->all, d->e);
  for (i = 0; status == PYR_OK && i < d->count; i++) {
    d->place[d->rows[i]] = i + 1;
    if (d->w[d->rows[i]].self > most) most = d->w[d->rows[i]].self;
  }
  if (status == PYR_OK) status = connect(d, steps);
  free(steps);
  if (status != PYR_OK) return status;
  pyr_buffer_text(d->out, "digraph \"");
  text(d->out, title, strlen(title));
  pyr_buffer_text(d->out, "\" {\nnode [style=filled fillcolor=\"#f8f8f8\"]\n");
  legend(d, other);
  for (i = 0; i < d->count; i++)
    node(d, i, most);
  if (d->edge_count != 0) qsort(d->edges, d->edge_count, sizeof *d->edges, heavier);
  for (i = 0; i < d->edge_count; i++)
    drawedge(d, d->edges + i);
  pyr_buffer_text(d->out, "}\n");
  return pyr_rendered(d->out, d->e);
}

pyr_status pyr_render_dot (pyr_buffer *out, const pyr_profile *p,
                           const pyr_renderoptions *o, pyr_error *e) {
  drawing d;
  pyr_status status;
  memset(&d, 0, sizeof d);
  d.out = out;
  d.p = p;
  d.o = o;
  d.e = e;
  d.count = o->nodes < 0 ? 0 : o->nodes == 0 ? NODES : (uint32_t)o->nodes;
  status = pyr_grouping_init(&d.g, p, PYR_BY_FUNCTION, e);
  if (status != PYR_OK) return status;
  status = draw(&d);
  pyr_grouping_free(&d.g);
  free(d.w);
  free(d.rows);
  free(d.place);
  free(d.edges);
  free(d.slots);
  return status;
}
