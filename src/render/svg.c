#include <stdlib.h>
#include <string.h>

#include "profile/package.h"
#include "profile/sorted.h"
#include "render/render.h"

#define ROW 17.0
#define MARGIN 10.0
#define TOP 58.0

/* Hue by package, so that a function has one colour in every picture; lightness varies a little
   by function. FNV-1a: the same on every machine and in every process. */
static uint32_t hash (pyr_string s) {
  uint32_t h = 2166136261u, i;
  for (i = 0; i < s.length; i++)
    h = (h ^ (unsigned char)s.bytes[i]) * 16777619u;
  return h;
}

static void colour (pyr_buffer *out, pyr_string name) {
  uint32_t package = hash(pyr_package(name)), own = hash(name);
  pyr_buffer_text(out, "hsl(");
  pyr_buffer_uint(out, (package % 24) * 15);
  pyr_buffer_char(out, ',');
  pyr_buffer_uint(out, 45 + package / 24 % 3 * 10);
  pyr_buffer_text(out, "%,");
  pyr_buffer_uint(out, 66 + own % 9);
  pyr_buffer_text(out, "%)");
}

typedef struct picture {
  pyr_buffer *out;
  const pyr_profile *p;
  double width, min_width;
  double scale; /* px a unit */
  double hidden;
  uint32_t levels; /* drawn */
} picture;

static void share (pyr_buffer *out, int64_t part, int64_t whole) {
  pyr_buffer_fixed(out, whole == 0 ? 0 : 100.0 * (double)part / (double)whole, 2);
  pyr_buffer_char(out, '%');
}

/* Units come from files, so they are escaped as names are. */
static void quantity (pyr_buffer *out, int64_t v, const char *unit) {
  pyr_buffer text = {NULL, 0, 0, 0, PYR_OK};
  pyr_render_quantity(&text, v, unit);
  if (text.data != NULL) pyr_buffer_xml(out, text.data, text.len);
  if (text.status != PYR_OK) out->status = text.status;
  pyr_buffer_free(&text);
}

/* As much of the end of a name as fits; nothing below three letters. */
static void label (picture *g, pyr_string name, double x, double y, double width) {
  uint32_t fits = (uint32_t)(width / 6.6), from = 0;
  if (fits < 4) return;
  if (name.length > fits) {
    from = name.length - (fits - 1);
    while (from < name.length && ((unsigned char)name.bytes[from] & 0xc0) == 0x80)
      from++;
  }
  pyr_buffer_text(g->out, "<text x=\"");
  pyr_buffer_fixed(g->out, x + 3, 1);
  pyr_buffer_text(g->out, "\" y=\"");
  pyr_buffer_fixed(g->out, y + 12.5, 1);
  pyr_buffer_text(g->out, "\">");
  if (from != 0) pyr_buffer_char(g->out, '~');
  pyr_buffer_xml(g->out, name.bytes + from, name.length - from);
  pyr_buffer_text(g->out, "</text>");
}

static void box (picture *g, uint32_t i, double x, double width, const char *unit) {
  const pyr_node *n = g->p->nodes + i;
  pyr_string name = g->p->strings[g->p->frames[n->frame].name];
  double y = TOP + (double)(g->levels - 1 - n->level) * ROW;
  pyr_buffer *out = g->out;
  bool other = pyr_profile_is_other(g->p, i);
  if (i == 0) name = (pyr_string){"total", 5};
  pyr_buffer_text(out, "<g><title>");
  pyr_buffer_xml(out, name.bytes, name.length);
  if (other) pyr_buffer_text(out, " (cut off by the server; ask with more nodes)");
  pyr_buffer_text(out, "\ntotal ");
  quantity(out, n->total, unit);
  pyr_buffer_text(out, ", ");
  share(out, n->total, g->p->nodes[0].total);
  pyr_buffer_text(out, "\nself ");
  quantity(out, n->self, unit);
  pyr_buffer_text(out, ", ");
  share(out, n->self, g->p->nodes[0].total);
  pyr_buffer_text(out, "</title><rect x=\"");
  pyr_buffer_fixed(out, x, 2);
  pyr_buffer_text(out, "\" y=\"");
  pyr_buffer_fixed(out, y, 1);
  pyr_buffer_text(out, "\" width=\"");
  pyr_buffer_fixed(out, width > 0.4 ? width - 0.3 : width, 2);
  pyr_buffer_text(out, "\" height=\"16\" rx=\"1\" fill=\"");
  if (other)
    pyr_buffer_text(out, "url(#cut)");
  else if (i == 0)
    pyr_buffer_text(out, "#c8ccd4");
  else
    colour(out, name);
  pyr_buffer_text(out, "\"/>");
  label(g, name, x, y, width);
  pyr_buffer_text(out, "</g>\n");
}

/* The widest sibling first; the order by name, which the tree was put into, breaks ties. */
typedef struct ordered {
  int64_t total;
  uint32_t place, node;
} ordered;

static int wider (const void *a, const void *b) {
  const ordered *x = a, *y = b;
  if (x->total != y->total) return x->total > y->total ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

/* Left edges of all nodes, in units, and the order in which they are drawn: level by level, from
   left to right, whatever order the profile stores siblings in. */
static pyr_status place (const pyr_profile *p, double *left, uint32_t *order,
                         pyr_error *e) {
  pyr_sorted s;
  ordered *row = malloc((p->count + 1u) * sizeof *row);
  uint32_t i, c, count = 1;
  if (row == NULL) return pyr_nomemory(e);
  if (pyr_sorted_init(&s, p, e) != PYR_OK) {
    free(row);
    return e->status;
  }
  left[0] = 0;
  order[0] = 0;
  for (i = 0; i < count; i++) { /* the order is its own queue */
    const pyr_node *node = p->nodes + order[i];
    uint32_t first = node->first_child, n = node[1].first_child - first;
    double x = left[order[i]];
    for (c = 0; c < n; c++)
      row[c] = (ordered){p->nodes[s.order[first + c]].total, c, s.order[first + c]};
    qsort(row, n, sizeof *row, wider);
    for (c = 0; c < n; c++) {
      left[row[c].node] = x;
      x += (double)row[c].total;
      order[count++] = row[c].node;
    }
  }
  pyr_sorted_free(&s);
  free(row);
  return PYR_OK;
}

static void line (pyr_buffer *out, const char *class, double y, const char *text,
                  const char *instead) {
  pyr_buffer_text(out, "<text class=\"");
  pyr_buffer_text(out, class);
  pyr_buffer_text(out, "\" x=\"10\" y=\"");
  pyr_buffer_fixed(out, y, 0);
  pyr_buffer_text(out, "\">");
  if (text == NULL || text[0] == '\0') text = instead;
  pyr_buffer_xml(out, text, strlen(text));
  pyr_buffer_text(out, "</text>\n");
}

static void head (picture *g, const pyr_renderoptions *o) {
  static const char style[] =
      "<style>text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1d2129;"
      "pointer-events:none}.t{font-size:15px;font-weight:bold}.s{fill:#59616e}"
      "rect.bg{fill:#fff}g:hover rect{stroke:#1d2129}</style>\n"
      "<defs><pattern id=\"cut\" width=\"6\" height=\"6\" "
      "patternUnits=\"userSpaceOnUse\" "
      "patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" "
      "fill=\"#d8dadf\"/>"
      "<rect width=\"2\" height=\"6\" fill=\"#b4b8c0\"/></pattern></defs>\n";
  pyr_buffer *out = g->out;
  double height = TOP + g->levels * ROW + 14;
  pyr_buffer_text(
      out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org"
           "/2000/svg\" role=\"img\" viewBox=\"0 0 ");
  pyr_buffer_fixed(out, g->width, 0);
  pyr_buffer_char(out, ' ');
  pyr_buffer_fixed(out, height, 0);
  pyr_buffer_text(out, "\" width=\"");
  pyr_buffer_fixed(out, g->width, 0);
  pyr_buffer_text(out, "\" height=\"");
  pyr_buffer_fixed(out, height, 0);
  pyr_buffer_text(out, "\">\n");
  pyr_buffer_text(out, style);
  pyr_buffer_text(out, "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n");
  line(out, "t", 22, o->title != NULL ? o->title : o->profile_type, "Flame graph");
}

static void subtitle (picture *g, const pyr_renderoptions *o) {
  pyr_buffer text = {NULL, 0, 0, 0, PYR_OK};
  int64_t total = g->p->nodes[0].total, other = pyr_profile_other(g->p);
  if (o->subtitle != NULL && o->subtitle[0] != '\0') {
    pyr_buffer_text(&text, o->subtitle);
    pyr_buffer_text(&text, " \xc2\xb7 ");
  }
  pyr_render_quantity(&text, total, o->unit);
  pyr_buffer_text(&text, " \xc2\xb7 ");
  if (other != 0) {
    share(&text, other, total);
    pyr_buffer_text(&text, " in truncated stacks (\"other\") \xc2\xb7 ");
  }
  pyr_buffer_text(&text, "boxes under ");
  pyr_buffer_fixed(&text, g->min_width, 1);
  pyr_buffer_text(&text, " px hidden: ");
  pyr_buffer_fixed(&text, total == 0 ? 0 : 100 * g->hidden / (double)total, 1);
  pyr_buffer_char(&text, '%');
  line(g->out, "s", 42, text.data, "");
  if (text.status != PYR_OK) g->out->status = text.status;
  pyr_buffer_free(&text);
}

pyr_status pyr_render_svg (pyr_buffer *out, const pyr_profile *p,
                           const pyr_renderoptions *o, pyr_error *e) {
  picture g = {
      out, p, o->width > 0 ? o->width : 1200, o->min_width > 0 ? o->min_width : 0.5, 0,
      0,   0};
  double *left = malloc((p->count + 1u) * sizeof *left);
  uint32_t *order = malloc((p->count + 1u) * sizeof *order), i;
  bool *drawn = calloc(p->count + 1u, 1);
  pyr_status status = left == NULL || order == NULL || drawn == NULL
                          ? pyr_nomemory(e)
                          : place(p, left, order, e);
  if (p->nodes[0].total > 0)
    g.scale = (g.width - 2 * MARGIN) / (double)p->nodes[0].total;
  for (i = 0; status == PYR_OK && i < p->count;
       i++) { /* a box needs the one it stands on */
    const pyr_node *n = p->nodes + i;
    drawn[i] =
        i == 0 || (drawn[n->parent] && (double)n->total * g.scale >= g.min_width);
    if (drawn[i] && n->level + 1 > g.levels) g.levels = n->level + 1;
    if (!drawn[i] && drawn[n->parent]) g.hidden += (double)n->total;
  }
  if (status == PYR_OK) {
    head(&g, o);
    subtitle(&g, o);
    for (i = 0; i < p->count; i++)
      if (drawn[order[i]])
        box(&g, order[i], MARGIN + left[order[i]] * g.scale,
            (double)p->nodes[order[i]].total * g.scale, o->unit);
    pyr_buffer_text(out, "</svg>\n");
    status = pyr_rendered(out, e);
  }
  free(left);
  free(order);
  free(drawn);
  return status;
}
