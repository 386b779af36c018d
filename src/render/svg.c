#include <stdlib.h>
#include <string.h>

#include "render/picture.h"

#define ROW 17.0
#define MARGIN 10.0
#define TOP 58.0
#define BOTTOM 24.0
#define POINTED 0.5 /* px */

/* Characters that turn the direction of what follows: marks, embeddings, isolates. */
static bool turns (const char *p) {
  unsigned char b = (unsigned char)p[1], c = (unsigned char)p[2];
  return (b == 0x80 && (c == 0x8e || c == 0x8f || (c >= 0xaa && c <= 0xae))) ||
         (b == 0x81 && c >= 0xa6 && c <= 0xa9);
}

void pyr_picture_text (pyr_buffer *out, const char *bytes, size_t n) {
  size_t i, start = 0;
  for (i = 0; i < n; i++) {
    unsigned char c = (unsigned char)bytes[i];
    char instead[3] = {(char)0xe2, (char)0x90, 0};
    size_t length = 1;
    if (c < 0x20)
      instead[2] = (char)(0x80 + c);
    else if (c == 0x7f)
      instead[2] = (char)0xa1;
    else if (c == 0xe2 && n - i > 2 && turns(bytes + i)) {
      memcpy(instead, "\xef\xbf\xbd", 3);
      length = 3;
    } else
      continue;
    pyr_buffer_xml(out, bytes + start, i - start);
    pyr_buffer_add(out, instead, 3);
    start = i + length;
    i = start - 1;
  }
  pyr_buffer_xml(out, bytes + start, n - start);
}

static void share (pyr_buffer *out, double part, double whole) {
  pyr_buffer_fixed(out, whole > 0 ? 100.0 * part / whole : 0, 2);
  pyr_buffer_char(out, '%');
}

/* Units come from files, so they are escaped as names are. */
static void quantity (pyr_buffer *out, int64_t v, const char *unit) {
  size_t from = out->len;
  pyr_render_quantity(out, v, unit);
  if (unit != NULL && out->status == PYR_OK && strpbrk(unit, "<>&\"'") != NULL) {
    pyr_buffer raw = {NULL, 0, 0, 0, PYR_OK};
    pyr_buffer_add(&raw, out->data + from, out->len - from);
    out->len = from;
    pyr_buffer_xml(out, raw.data, raw.len);
    if (raw.status != PYR_OK) out->status = raw.status;
    pyr_buffer_free(&raw);
  }
}

/* As much of the end of a name as fits; nothing below three letters. */
static void label (pyr_picture *g, pyr_string name, double x, double y, double width) {
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
  pyr_picture_text(g->out, name.bytes + from, name.length - from);
  pyr_buffer_text(g->out, "</text>");
}

/* The whole name is in the data, once; a box has as much as a reader can use. */
#define LONGEST 400

static void name (pyr_buffer *out, pyr_string s) {
  uint32_t n = s.length;
  if (n > LONGEST)
    for (n = LONGEST; n > 0 && ((unsigned char)s.bytes[n] & 0xc0) == 0x80;)
      n--;
  pyr_picture_text(out, s.bytes, n);
  if (n < s.length) pyr_buffer_text(out, "\xe2\x80\xa6");
}

/* Room for a piece of known length is asked for once, and written to without a look at it. */
static char *put (char *at, const char *text, size_t n) {
  memcpy(at, text, n);
  return at + n;
}

#define PUT(at, text) put(at, text, sizeof(text) - 1)

/* Two places, rounded half up; 0 <= v < 1e15 */
static char *hundredths (char *at, double v) {
  uint64_t scaled = (uint64_t)(v * 100 + 0.5);
  at = pyr_put_decimal(at, scaled / 100);
  *at++ = '.';
  *at++ = (char)('0' + scaled / 10 % 10);
  *at++ = (char)('0' + scaled % 10);
  return at;
}

static void part (pyr_picture *g, int64_t v, double all) {
  char *room, *at;
  quantity(g->out, v, g->o->unit);
  room = pyr_buffer_room(g->out, 32);
  if (room == NULL) return;
  at = PUT(room, ", ");
  at = hundredths(at, all > 0 ? 100.0 * (double)v / all : 0);
  *at++ = '%';
  g->out->len += (size_t)(at - room);
}

/* Of a leaf, which most boxes are, both values are written alike. */
static void values (pyr_picture *g, uint32_t i) {
  const pyr_node *n = g->p->nodes + i;
  double all = (double)g->p->nodes[0].total;
  size_t from, length;
  pyr_buffer_add(g->out, "\ntotal ", 7);
  from = g->out->len;
  part(g, n->total, all);
  length = g->out->len - from;
  pyr_buffer_add(g->out, "\nself ", 6);
  if (n->self != n->total)
    part(g, n->self, all);
  else if (pyr_buffer_room(g->out, length) != NULL)
    pyr_buffer_add(g->out, g->out->data + from, length);
}

/* The change of a box: part of the larger side, 0 under the noise. */
static double change (const pyr_picture *g, uint32_t i, double *before, double *after) {
  double a = (double)g->u->totals[2 * (size_t)i] * g->o->sides[0].scale;
  double b = (double)g->u->totals[2 * (size_t)i + 1] * g->o->sides[1].scale;
  double wa = (double)g->u->totals[0] * g->o->sides[0].scale;
  double wb = (double)g->u->totals[1] * g->o->sides[1].scale;
  double larger = a > b ? a : b, whole = wa > wb ? wa : wb;
  *before = wa > 0 ? a / wa : 0;
  *after = wb > 0 ? b / wb : 0;
  if (larger <= 0 || (b > a ? b - a : a - b) < g->o->noise * whole) return 0;
  return (b - a) / larger;
}

static void sides (pyr_picture *g, uint32_t i, double t, double before, double after) {
  pyr_buffer_text(g->out, "\nbefore ");
  quantity(g->out, g->u->totals[2 * (size_t)i], g->o->unit);
  pyr_buffer_text(g->out, ", ");
  share(g->out, before, 1);
  pyr_buffer_text(g->out, "\nafter ");
  quantity(g->out, g->u->totals[2 * (size_t)i + 1], g->o->unit);
  pyr_buffer_text(g->out, ", ");
  share(g->out, after, 1);
  if (t > 0) pyr_buffer_text(g->out, "\n\xe2\x96\xb2 more");
  if (t < 0) pyr_buffer_text(g->out, "\n\xe2\x96\xbc less");
}

/* Behind an id: several parts of a page have patterns of their own. */
static void part_number (pyr_picture *g) {
  if (g->o->part > 0) pyr_buffer_uint(g->out, (uint64_t)g->o->part);
}

static void fill (pyr_picture *g, uint32_t i, double t) {
  const pyr_node *n = g->p->nodes + i;
  char colour[8];
  if (i == 0 && g->u == NULL)
    pyr_buffer_text(g->out, "#c8ccd4");
  else if (pyr_profile_is_other(g->p, i)) {
    pyr_buffer_text(g->out, "url(#cut");
    part_number(g);
    pyr_buffer_char(g->out, ')');
  } else if (g->u != NULL) {
    if (g->u->totals[2 * (size_t)i] == 0) {
      pyr_buffer_text(g->out, "#f0e442\" stroke=\"#6b6500\" stroke-dasharray=\"3 2");
      return;
    }
    pyr_picture_change(t, colour);
    pyr_buffer_text(g->out, colour);
  } else if (g->o->colours == PYR_COLOUR_PLAIN)
    pyr_buffer_text(g->out, "#f0c9a0");
  else if (g->o->colours == PYR_COLOUR_CLASS)
    pyr_buffer_text(g->out,
                    pyr_picture_classhue(pyr_picture_class(pyr_picture_name(g, i))));
  else if (g->o->colours == PYR_COLOUR_VALUE) {
    pyr_picture_heat(n->total > 0 ? (double)n->self / (double)n->total : 0, colour);
    pyr_buffer_text(g->out, colour);
  } else
    pyr_buffer_text(
        g->out, pyr_picture_hue(
                    g->packages.names[g->packages.of[n->frame] & ~PYR_GROUP_OTHER]));
}

/* What all boxes of a frame share: the escaped name in 'texts', and the colour where that does
   not depend on values. */
typedef struct pyr_pictureframe {
  size_t at, length;
  const char *hue;
} pyr_pictureframe;

/* Colours by package are looked up once. */
static const char *hueof (pyr_picture *g, uint32_t frame) {
  uint32_t package = g->packages.of[frame] & ~PYR_GROUP_OTHER;
  if (g->hues[package] == NULL)
    g->hues[package] = pyr_picture_hue(g->packages.names[package]);
  return g->hues[package];
}

static const pyr_pictureframe *look (pyr_picture *g, uint32_t i) {
  uint32_t f = g->p->nodes[i].frame;
  pyr_pictureframe *l = g->looks + f;
  if (l->length == 0) {
    pyr_string shown = pyr_picture_name(g, i);
    l->at = g->texts.len;
    pyr_buffer_text(&g->texts, "<g><title>");
    name(&g->texts, shown);
    l->length = g->texts.len - l->at;
    if (g->u == NULL && i != 0 && g->o->colours == PYR_COLOUR_PACKAGE)
      l->hue = hueof(g, f);
  }
  return l;
}

static void box (pyr_picture *g, uint32_t i, double x, double width) {
  const pyr_node *n = g->p->nodes + i;
  const pyr_pictureframe *l = look(g, i);
  uint32_t row = g->o->icicle ? n->level : g->levels - 1 - n->level;
  double y = (g->o->html ? 4.0 : TOP) + (double)row * ROW;
  double t = 0, before = 0, after = 0;
  bool other = g->p->cut && pyr_profile_is_other(g->p, i), bare;
  pyr_buffer *out = g->out;
  char *room, *at;
  if (g->texts.status != PYR_OK) {
    out->status = g->texts.status;
    return;
  }
  /* Nobody can point at what is narrower: no title, no group around it. */
  bare = width < POINTED && g->u == NULL && i != 0;
  if (!bare) {
    pyr_buffer_add(out, g->texts.data + l->at, l->length);
    if (other) pyr_buffer_text(out, " (cut off by the server; ask with more nodes)");
    if (g->u == NULL)
      values(g, i);
    else {
      t = change(g, i, &before, &after);
      sides(g, i, t, before, after);
    }
    pyr_buffer_add(out, "</title>", 8);
  }
  if ((room = at = pyr_buffer_room(out, 200)) == NULL) return;
  at = PUT(at, "<rect x=\"");
  at = hundredths(at, x);
  at = PUT(at, "\" y=\"");
  at = pyr_put_decimal(at, (uint64_t)y); /* rows are whole pixels */
  at = PUT(at, ".0\" width=\"");
  at = hundredths(at, width > 0.4 ? width - 0.3 : width);
  at = bare ? PUT(at, "\" height=\"16\" fill=\"")
            : PUT(at, "\" height=\"16\" rx=\"1\" fill=\"");
  out->len += (size_t)(at - room);
  if (l->hue != NULL && !other)
    pyr_buffer_add(out, l->hue, 7);
  else
    fill(g, i, t);
  pyr_buffer_add(out, "\"/>\n", bare ? 4 : 3);
  if (bare) return;
  if (width >= 4 * 6.6) label(g, pyr_picture_name(g, i), x, y, width);
  pyr_buffer_add(out, "</g>\n", 5);
}

double pyr_picture_height (const pyr_picture *g) {
  return g->o->html ? 8 + g->levels * ROW : TOP + g->levels * ROW + BOTTOM;
}

void pyr_picture_boxes (pyr_picture *g) {
  uint32_t i;
  g->looks = calloc(g->p->frame_count + 1u, sizeof *g->looks);
  g->hues = calloc(g->packages.count + 1u, sizeof *g->hues);
  if (g->looks == NULL || g->hues == NULL) {
    g->out->status = PYR_EMEMORY;
    return;
  }
  for (i = 0; i < g->p->count; i++) {
    uint32_t node = g->order[i];
    if (g->drawn[node])
      box(g, node, MARGIN + g->left[node] * g->scale,
          pyr_picture_value(g, node) * g->scale);
  }
}

void pyr_picture_defs (pyr_picture *g) {
  pyr_buffer_text(g->out, "<defs><pattern id=\"cut");
  part_number(g);
  pyr_buffer_text(
      g->out, "\" width=\"6\" height=\"6\" "
              "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
              "<rect width=\"6\" height=\"6\" fill=\"#d8dadf\"/>"
              "<rect width=\"2\" height=\"6\" fill=\"#b4b8c0\"/></pattern></defs>\n");
}

void pyr_picture_subtitle (const pyr_picture *g, pyr_buffer *out, bool hidden) {
  static const char dot[] = " \xc2\xb7 ";
  int64_t total = g->p->nodes[0].total, other = pyr_profile_other(g->p);
  double whole = pyr_picture_value(g, 0);
  unsigned i;
  if (g->o->subtitle != NULL && g->o->subtitle[0] != '\0') {
    pyr_buffer_text(out, g->o->subtitle);
    if (g->u != NULL) pyr_buffer_text(out, dot);
  } else if (g->u == NULL) {
    if (g->o->seconds > 0) {
      pyr_buffer_fixed(out, (double)total / 1e9 / g->o->seconds, 2);
      pyr_buffer_text(out, " cores, ");
    }
    pyr_render_quantity(out, total, g->o->unit);
  }
  if (g->u != NULL)
    for (i = 0; i < 2; i++) {
      if (i == 1) pyr_buffer_text(out, dot);
      pyr_buffer_text(out, i == 0 ? "A (before) " : "B (after) ");
      if (g->o->sides[i].label != NULL) {
        pyr_buffer_text(out, g->o->sides[i].label);
        pyr_buffer_char(out, ' ');
      }
      if (g->o->sides[i].text != NULL)
        pyr_buffer_text(out, g->o->sides[i].text);
      else
        pyr_render_quantity(out, g->u->totals[i], g->o->unit);
    }
  if (other != 0) {
    pyr_buffer_text(out, dot);
    share(out, (double)other, (double)total);
    pyr_buffer_text(out, " in truncated stacks (\"other\")");
  }
  if (!hidden) return;
  pyr_buffer_text(out, dot);
  pyr_buffer_text(out, "boxes under ");
  pyr_buffer_fixed(out, g->min_width, 1);
  pyr_buffer_text(out, " px hidden: ");
  pyr_buffer_fixed(out, whole > 0 ? 100 * g->hidden / whole : 0, 1);
  pyr_buffer_char(out, '%');
}
