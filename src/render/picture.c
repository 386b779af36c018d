#include "render/picture.h"

#include <stdlib.h>
#include <string.h>

#include "render/picture_assets.h"

double pyr_picture_value (const pyr_picture *g, uint32_t node) {
  if (g->u == NULL) return (double)g->p->nodes[node].total;
  return (double)g->u->totals[2 * (size_t)node + 1] * g->o->sides[1].scale;
}

pyr_string pyr_picture_name (const pyr_picture *g, uint32_t node) {
  if (node == 0) return (pyr_string){"total", 5};
  return g->p->strings[g->p->frames[g->p->nodes[node].frame].name];
}

/* The larger side: both widths of a diff have one order. */
static double size (const pyr_picture *g, uint32_t node) {
  double a, b;
  if (g->u == NULL) return (double)g->p->nodes[node].total;
  a = (double)g->u->totals[2 * (size_t)node] * g->o->sides[0].scale;
  b = (double)g->u->totals[2 * (size_t)node + 1] * g->o->sides[1].scale;
  return a > b ? a : b;
}

typedef struct ordered {
  double size;
  uint32_t node;
} ordered;

/* Names, files and lines decide between siblings of one size, as in a walk by name; what was
   truncated comes last. */
static int byname (const pyr_profile *p, uint32_t x, uint32_t y) {
  const pyr_frame *a = p->frames + p->nodes[x].frame;
  const pyr_frame *b = p->frames + p->nodes[y].frame;
  bool cut = pyr_profile_is_other(p, x);
  int order;
  if (cut != pyr_profile_is_other(p, y)) return cut ? 1 : -1;
  order = pyr_string_compare(p->strings[a->name], p->strings[b->name]);
  if (order == 0) order = pyr_string_compare(p->strings[a->file], p->strings[b->file]);
  if (order == 0 && a->line != b->line) order = a->line < b->line ? -1 : 1;
  return order != 0 ? order : x < y ? -1 : x > y;
}

static bool before (const pyr_picture *g, const ordered *x, const ordered *y) {
  if (!g->o->by_name && x->size != y->size) return x->size > y->size;
  return byname(g->p, x->node, y->node) < 0;
}

static int compare (const void *a, const void *b, void *picture) {
  return before(picture, a, b) ? -1 : before(picture, b, a);
}

/* Most nodes have few children: insertion, qsort only for what is wide. */
static void arrange_row (pyr_picture *g, ordered *row, uint32_t n) {
  uint32_t i, at;
  if (n > 24) {
    qsort_r(row, n, sizeof *row, compare, g);
    return;
  }
  for (i = 1; i < n; i++) {
    ordered one = row[i];
    for (at = i; at > 0 && before(g, &one, row + at - 1); at--)
      row[at] = row[at - 1];
    row[at] = one;
  }
}

static void place (pyr_picture *g, ordered *row) {
  uint32_t i, c, count = 1;
  g->left[0] = 0;
  g->order[0] = 0;
  for (i = 0; i < count; i++) { /* the order is its own queue */
    const pyr_node *node = g->p->nodes + g->order[i];
    uint32_t first = node->first_child, n = node[1].first_child - first;
    double x = g->left[g->order[i]];
    for (c = 0; c < n; c++)
      row[c] = (ordered){size(g, first + c), first + c};
    arrange_row(g, row, n);
    for (c = 0; c < n; c++) {
      g->left[row[c].node] = x;
      x += pyr_picture_value(g, row[c].node);
      g->order[count++] = row[c].node;
    }
  }
}

/* A page has boxes without a script for the widest nodes only; its data has all. */
#define STATIC_PAGE 20000

static void choose (pyr_picture *g) {
  double whole = pyr_picture_value(g, 0);
  uint32_t i;
  if (whole > 0) g->scale = (g->width - 20) / whole;
  for (i = 0; i < g->p->count; i++) { /* a box needs the one it stands on */
    uint32_t node = g->order[i];
    const pyr_node *n = g->p->nodes + node;
    double width = pyr_picture_value(g, node) * g->scale;
    bool base = i == 0 || g->drawn[n->parent];
    g->drawn[node] = i == 0 || (base && width >= g->min_width && width > 0 &&
                                !(g->o->html && g->boxes >= STATIC_PAGE));
    if (g->drawn[node]) {
      g->boxes++;
      if (n->level + 1 > g->levels) g->levels = n->level + 1;
    } else if (base)
      g->hidden += pyr_picture_value(g, node);
  }
}

/* The order of a profile's frames depends on its origin; what leaves it must not. */
static void number_frames (pyr_picture *g) {
  uint32_t i;
  for (i = 0; i < g->p->count; i++) {
    uint32_t f = g->p->nodes[g->order[i]].frame;
    if (g->slot[f] != 0) continue;
    g->frames[g->used] = f;
    g->slot[f] = ++g->used;
  }
}

static pyr_status arrange (pyr_picture *g, pyr_error *e) {
  size_t n = g->p->count;
  ordered *row = malloc((n + 1) * sizeof *row);
  g->order = malloc((n + 1) * sizeof *g->order);
  g->left = malloc((n + 1) * sizeof *g->left);
  g->drawn = calloc(n + 1, 1);
  g->frames = malloc((g->p->frame_count + 1u) * sizeof *g->frames);
  g->slot = calloc(g->p->frame_count + 1u, sizeof *g->slot);
  if (row == NULL || g->order == NULL || g->left == NULL || g->drawn == NULL ||
      g->frames == NULL || g->slot == NULL) {
    free(row);
    return pyr_nomemory(e);
  }
  place(g, row);
  free(row);
  choose(g);
  number_frames(g);
  return pyr_grouping_init(&g->packages, g->p, PYR_BY_PACKAGE, e);
}

static void asset (pyr_buffer *out, const char *const *lines) {
  for (; *lines != NULL; lines++)
    pyr_buffer_text(out, *lines);
}

static void number (pyr_buffer *out, const char *before, double v, const char *after) {
  pyr_buffer_text(out, before);
  pyr_buffer_fixed(out, v, 0);
  pyr_buffer_text(out, after);
}

static const char *title (const pyr_picture *g) {
  if (g->o->title != NULL && g->o->title[0] != '\0') return g->o->title;
  if (g->o->profile_type != NULL && g->o->profile_type[0] != '\0')
    return g->o->profile_type;
  return "Flame graph";
}

static void textline (pyr_picture *g, const char *class, double y, const char *text,
                      size_t n) {
  pyr_buffer_text(g->out, "<text class=\"");
  pyr_buffer_text(g->out, class);
  number(g->out, "\" x=\"10\" y=\"", y, "\">");
  pyr_picture_text(g->out, text, n);
  pyr_buffer_text(g->out, "</text>\n");
}

/* The static picture; 'root': the document is this element. */
static void drawing (pyr_picture *g, bool root) {
  static const char note[] = "interactive when opened in a browser";
  pyr_buffer sub = {NULL, 0, 0, 0, PYR_OK};
  double height = pyr_picture_height(g);
  pyr_buffer_text(g->out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pyr-static\" "
                  "role=\"img\"");
  number(g->out, " viewBox=\"0 0 ", g->width, " ");
  number(g->out, "", height, "\"");
  number(g->out, " width=\"", g->width, "\"");
  number(g->out, " height=\"", height, "\">\n");
  if (root) {
    pyr_buffer_text(g->out, "<style>");
    asset(g->out, pyr_picture_css);
    pyr_buffer_text(g->out, "</style>\n");
  }
  pyr_picture_defs(g);
  if (root) {
    pyr_buffer_text(g->out, "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n");
    textline(g, "t", 22, title(g), strlen(title(g)));
    pyr_picture_subtitle(g, &sub, true);
    if (sub.data != NULL) textline(g, "s", 42, sub.data, sub.len);
    if (sub.status != PYR_OK) g->out->status = sub.status;
    textline(g, "s note", height - 6, note, sizeof note - 1);
  }
  pyr_picture_boxes(g);
  pyr_buffer_free(&sub);
}

pyr_status pyr_picture_assets (pyr_buffer *out, pyr_asset which, pyr_error *e) {
  e->status = PYR_OK;
  if (which == PYR_ASSET_POLICY)
    pyr_buffer_text(out, PYR_PICTURE_POLICY);
  else
    asset(out, which == PYR_ASSET_STYLE ? pyr_picture_css : pyr_picture_js);
  return pyr_rendered(out, e);
}

static pyr_status svg (pyr_picture *g, pyr_error *e) {
  pyr_status status;
  pyr_buffer_text(g->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  drawing(g, true);
  pyr_buffer_text(g->out, "<script type=\"application/json\" class=\"pyr-data\">");
  status = pyr_picture_data(g, e);
  pyr_buffer_text(g->out, "</script>\n<script><![CDATA[");
  asset(g->out, pyr_picture_js);
  pyr_buffer_text(g->out, "]]></script>\n</svg>\n");
  return status;
}

static pyr_status html (pyr_picture *g, pyr_error *e) {
  pyr_buffer sub = {NULL, 0, 0, 0, PYR_OK};
  pyr_status status;
  bool page = !g->o->fragment && g->o->part == 0;
  if (page) {
    pyr_buffer_text(
        g->out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"" PYR_PICTURE_POLICY
        "\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    pyr_picture_text(g->out, title(g), strlen(title(g)));
    pyr_buffer_text(g->out, "</title>\n");
  }
  if (g->o->part == 0) {
    pyr_buffer_text(g->out, "<style>");
    asset(g->out, pyr_picture_css);
    pyr_buffer_text(g->out, "</style>\n");
  }
  if (page) pyr_buffer_text(g->out, "</head><body class=\"pyr-page\">\n");
  pyr_buffer_text(g->out, "<div class=\"pyr-root\">\n<h1>");
  pyr_picture_text(g->out, title(g), strlen(title(g)));
  pyr_buffer_text(g->out, "</h1>\n<p class=\"sub\">");
  pyr_picture_subtitle(g, &sub, true);
  pyr_picture_text(g->out, sub.data == NULL ? "" : sub.data, sub.len);
  if (sub.status != PYR_OK) g->out->status = sub.status;
  pyr_buffer_free(&sub);
  pyr_buffer_text(g->out, "</p>\n");
  drawing(g, false);
  pyr_buffer_text(g->out,
                  "</svg>\n<script type=\"application/json\" class=\"pyr-data\">");
  status = pyr_picture_data(g, e);
  pyr_buffer_text(g->out, "</script>\n</div>\n");
  if (g->o->sections != NULL) pyr_buffer_text(g->out, g->o->sections);
  if (g->o->part == 0) {
    pyr_buffer_text(g->out, "<script>");
    asset(g->out, pyr_picture_js);
    pyr_buffer_text(g->out, "</script>\n");
  }
  if (page) pyr_buffer_text(g->out, "</body></html>\n");
  return status;
}

static pyr_status render (pyr_buffer *out, const pyr_profile *p, const pyr_union *u,
                          const pyr_renderoptions *o, pyr_error *e) {
  pyr_picture g;
  pyr_status status;
  memset(&g, 0, sizeof g);
  g.out = out;
  g.p = p;
  g.u = u;
  g.o = o;
  g.width = o->width > 0 ? o->width : 1200;
  g.min_width = o->min_width > 0 ? o->min_width : 0.5;
  e->status = PYR_OK;
  status = arrange(&g, e);
  if (status == PYR_OK) /* about what will be written: no growing on the way */
    pyr_buffer_room(out, (size_t)g.boxes * 140 + (size_t)p->count * 12);
  if (status == PYR_OK) status = o->html ? html(&g, e) : svg(&g, e);
  if (status == PYR_OK) status = pyr_rendered(out, e);
  pyr_grouping_free(&g.packages);
  free(g.order);
  free(g.left);
  free(g.drawn);
  free(g.frames);
  free(g.slot);
  free(g.looks);
  free(g.hues);
  pyr_buffer_free(&g.texts);
  return status;
}

pyr_status pyr_render_picture (pyr_buffer *out, const pyr_profile *p,
                               const pyr_renderoptions *o, pyr_error *e) {
  return render(out, p, NULL, o, e);
}

pyr_status pyr_render_diffpicture (pyr_buffer *out, const pyr_union *u,
                                   const pyr_renderoptions *o, pyr_error *e) {
  return render(out, &u->tree, u, o, e);
}
