#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"
#include "render/render.h"

/*
** querier.v1.FlameGraph and FlameGraphDiff as a server lays them out: level by level, children
** of a node sorted by name with "other" last, the self part on the left of its node. Because
** nodes are stored in level order, one pass over the sorted order of every level is enough;
** 'left' has the left edge of every node, so that x deltas are differences. JSON is the same
** message as Connect spells it: 64-bit numbers as strings, zeros outside of lists absent.
*/
typedef struct graph {
  pyr_buffer *out;
  pyr_buffer part, level;
  const pyr_profile *p;
  const pyr_union *u; /* NULL: one profile */
  pyr_sorted sorted;
  uint32_t *position; /* [count] nodes in drawing order, level by level */
  uint32_t *names;    /* [string_count] index in the answer + 1 */
  int64_t *left;      /* [count * sides] */
  unsigned sides;
  bool json;
  uint32_t name_count;
} graph;

static void content (pyr_buffer *b, const pyr_buffer *from) {
  pyr_buffer_add(b, from->data == NULL ? "" : from->data, from->len);
}

static void field (pyr_buffer *b, uint32_t number, const pyr_buffer *from) {
  pyr_buffer_varint(b, (uint64_t)number << 3 | 2);
  pyr_buffer_varint(b, from->len);
  content(b, from);
}

static void string64 (pyr_buffer *b, int64_t v) {
  pyr_buffer_char(b, '"');
  pyr_buffer_int(b, v);
  pyr_buffer_char(b, '"');
}

/* One value of the level that is being written. */
static void value (graph *g, int64_t v) {
  if (!g->json)
    pyr_buffer_varint(&g->part, (uint64_t)v);
  else {
    if (g->part.len != 0) pyr_buffer_char(&g->part, ',');
    string64(&g->part, v);
  }
}

/* Adds the level to all of them. */
static void endlevel (graph *g, pyr_buffer *all) {
  if (!g->json) {
    g->level.len = 0;
    field(&g->level, 1, &g->part);
    field(all, 2, &g->level);
  } else {
    pyr_buffer_text(all, all->len == 0 ? "{\"values\":[" : ",{\"values\":[");
    content(all, &g->part);
    pyr_buffer_text(all, "]}");
  }
  g->part.len = 0;
}

static int64_t selfof (const graph *g, uint32_t i, unsigned s) {
  return g->sides == 1 ? g->p->nodes[i].self : g->u->selfs[2 * (size_t)i + s];
}

static int64_t totalof (const graph *g, uint32_t i, unsigned s) {
  return g->sides == 1 ? g->p->nodes[i].total : g->u->totals[2 * (size_t)i + s];
}

/* Left edges, and the order in which the nodes of each level are drawn. */
static void place (graph *g) {
  const pyr_node *nodes = g->p->nodes;
  uint32_t i, c, next = 1;
  unsigned s;
  g->position[0] = 0;
  for (s = 0; s < g->sides; s++)
    g->left[s] = 0;
  for (i = 0; i < g->p->count; i++) {
    uint32_t node = g->position[i];
    for (c = nodes[node].first_child; c < nodes[node + 1].first_child; c++) {
      uint32_t child = g->sorted.order[c];
      g->position[next++] = child;
      for (s = 0; s < g->sides; s++) {
        int64_t x;
        if (c == nodes[node].first_child)
          x = g->left[(size_t)node * g->sides + s] + selfof(g, node, s);
        else {
          uint32_t before = g->sorted.order[c - 1];
          x = g->left[(size_t)before * g->sides + s] + totalof(g, before, s);
        }
        g->left[(size_t)child * g->sides + s] = x;
      }
    }
  }
}

/* Index of a node's name among those of the answer: 0 is the root's. */
static uint32_t nameindex (graph *g, uint32_t node) {
  uint32_t name;
  if (node == 0) return 0;
  name = g->p->frames[g->p->nodes[node].frame].name;
  if (g->names[name] == 0) {
    const pyr_string *s = g->p->strings + name;
    g->names[name] = ++g->name_count;
    if (g->json) {
      pyr_buffer_char(g->out, ',');
      pyr_buffer_json(g->out, s->bytes, s->length);
    } else {
      pyr_buffer_varint(g->out, 1 << 3 | 2);
      pyr_buffer_varint(g->out, s->length);
      pyr_buffer_add(g->out, s->bytes, s->length);
    }
  }
  return g->names[name];
}

static void levels (graph *g, int64_t *max_self) {
  uint32_t i, depth = 0;
  int64_t end[2] = {0, 0};
  unsigned s;
  pyr_buffer all = {NULL, 0, 0, 0, PYR_OK};
  for (i = 0; i <= g->p->count; i++) {
    uint32_t node = i < g->p->count ? g->position[i] : 0;
    if (i == g->p->count || g->p->nodes[node].level != depth) {
      endlevel(g, &all);
      depth++;
      end[0] = end[1] = 0;
      if (i == g->p->count) break;
    }
    for (s = 0; s < g->sides; s++) {
      int64_t x = g->left[(size_t)node * g->sides + s];
      value(g, x - end[s]);
      value(g, totalof(g, node, s));
      value(g, selfof(g, node, s));
      end[s] = x + totalof(g, node, s);
      if (selfof(g, node, s) > *max_self) *max_self = selfof(g, node, s);
    }
    value(g, nameindex(g, node));
  }
  if (g->json) pyr_buffer_text(g->out, "],\"levels\":[");
  content(g->out, &all);
  if (g->json) pyr_buffer_char(g->out, ']');
  if (all.status != PYR_OK) g->out->status = all.status;
  pyr_buffer_free(&all);
}

static void integer (graph *g, uint32_t number, const char *key, int64_t v) {
  if (v == 0) return;
  if (g->json) {
    pyr_buffer_text(g->out, key);
    string64(g->out, v);
  } else {
    pyr_buffer_varint(g->out, (uint64_t)number << 3);
    pyr_buffer_varint(g->out, (uint64_t)v);
  }
}

static pyr_status write (graph *g, pyr_error *e) {
  static const char root[] = "\x0a\x05total";
  int64_t max_self = 0;
  size_t n = g->p->count;
  if (pyr_sorted_init(&g->sorted, g->p, e) != PYR_OK) return e->status;
  g->position = malloc(n * sizeof *g->position);
  g->names = calloc(g->p->string_count + 1u, sizeof *g->names);
  g->left = malloc(n * g->sides * sizeof *g->left);
  if (g->position == NULL || g->names == NULL || g->left == NULL)
    return pyr_nomemory(e);
  place(g);
  pyr_buffer_text(g->out, g->json ? "{\"flamegraph\":{\"names\":[\"total\"" : root);
  levels(g, &max_self);
  integer(g, 3, ",\"total\":", g->p->nodes[0].total);
  integer(g, 4, ",\"maxSelf\":", max_self);
  if (g->sides == 2) {
    integer(g, 5, ",\"leftTicks\":", totalof(g, 0, 0));
    integer(g, 6, ",\"rightTicks\":", totalof(g, 0, 1));
  }
  if (g->json) pyr_buffer_text(g->out, "}}");
  if (g->part.status != PYR_OK) g->out->status = g->part.status;
  if (g->level.status != PYR_OK) g->out->status = g->level.status;
  return pyr_rendered(g->out, e);
}

static pyr_status render (pyr_buffer *out, const pyr_profile *p, const pyr_union *u,
                          unsigned sides, bool json, pyr_error *e) {
  graph g;
  pyr_status status;
  memset(&g, 0, sizeof g);
  g.out = out;
  g.p = p;
  g.u = u;
  g.sides = sides;
  g.json = json;
  status = write(&g, e);
  pyr_sorted_free(&g.sorted);
  pyr_buffer_free(&g.part);
  pyr_buffer_free(&g.level);
  free(g.position);
  free(g.names);
  free(g.left);
  return status;
}

pyr_status pyr_render_flamegraph (pyr_buffer *out, const pyr_profile *p,
                                  const pyr_renderoptions *o, pyr_error *e) {
  (void)o;
  return render(out, p, NULL, 1, false, e);
}

pyr_status pyr_render_diff (pyr_buffer *out, const pyr_union *u, pyr_error *e) {
  return render(out, &u->tree, u, 2, false, e);
}

pyr_status pyr_render_json (pyr_buffer *out, const pyr_profile *p,
                            const pyr_renderoptions *o, pyr_error *e) {
  (void)o;
  return render(out, p, NULL, 1, true, e);
}

pyr_status pyr_render_diffjson (pyr_buffer *out, const pyr_union *u,
                                const pyr_renderoptions *o, pyr_error *e) {
  (void)o;
  return render(out, &u->tree, u, 2, true, e);
}
