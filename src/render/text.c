#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"
#include "render/render.h"

/* ---- folded ---- */

static void foldedname (pyr_buffer *out, const pyr_string *s) {
  uint32_t i;
  char *to = pyr_buffer_room(out, s->length);
  if (to == NULL) return;
  for (i = 0; i < s->length; i++) {
    unsigned char c = (unsigned char)s->bytes[i];
    to[i] = c == ';' ? ':' : c < 0x20 || c == 0x7f ? ' ' : (char)c;
  }
  to[s->length] = '\0';
  out->len += s->length;
}

/* Exact where the factor is 1; else with up to three decimals, which readers of folded stacks
   take. */
static void scaledvalue (pyr_buffer *out, int64_t v, double factor) {
  double x = (double)v * factor;
  if (factor == 1)
    pyr_buffer_int(out, v);
  else if (x >= 1e15)
    pyr_buffer_int(out, x < 9.2e18 ? (int64_t)x : INT64_MAX);
  else {
    pyr_buffer_fixed(out, x, 3);
    if (out->status != PYR_OK) return;
    while (out->data[out->len - 1] == '0')
      out->len--;
    if (out->data[out->len - 1] == '.') out->len--;
  }
}

/* 'u' NULL: one column, of 'p'; else that of each side, the first one times 'factor'. */
static pyr_status folded (pyr_buffer *out, const pyr_profile *p, const pyr_union *u,
                          double factor, pyr_error *e) {
  pyr_sorted s;
  pyr_buffer path = {NULL, 0, 0, 0, PYR_OK};
  size_t *ends = malloc((p->levels + 1u) * sizeof *ends); /* end of the path by level */
  uint32_t i;
  if (ends == NULL) return pyr_nomemory(e);
  if (pyr_sorted_init(&s, p, e) != PYR_OK) {
    free(ends);
    return e->status;
  }
  ends[0] = 0;
  for (i = pyr_sorted_next(&s, p, 0); i != UINT32_MAX; i = pyr_sorted_next(&s, p, i)) {
    const pyr_node *n = p->nodes + i;
    path.len = ends[n->level - 1];
    if (path.len != 0) pyr_buffer_char(&path, ';');
    foldedname(&path, p->strings + p->frames[n->frame].name);
    ends[n->level] = path.len;
    if (n->self == 0) continue;
    pyr_buffer_add(out, path.data, path.len);
    pyr_buffer_char(out, ' ');
    if (u != NULL) {
      scaledvalue(out, u->selfs[2 * (size_t)i], factor);
      pyr_buffer_char(out, ' ');
      pyr_buffer_int(out, u->selfs[2 * (size_t)i + 1]);
    } else
      pyr_buffer_int(out, n->self);
    pyr_buffer_char(out, '\n');
  }
  if (path.status != PYR_OK) out->status = path.status;
  pyr_buffer_free(&path);
  pyr_sorted_free(&s);
  free(ends);
  return pyr_rendered(out, e);
}

pyr_status pyr_render_folded (pyr_buffer *out, const pyr_profile *p,
                              const pyr_renderoptions *o, pyr_error *e) {
  (void)o;
  return folded(out, p, NULL, 1, e);
}

pyr_status pyr_render_difffolded (pyr_buffer *out, const pyr_union *u,
                                  const pyr_renderoptions *o, pyr_error *e) {
  return folded(out, &u->tree, u, o->sides[0].scale / o->sides[1].scale, e);
}

/* ---- TREE ---- */

pyr_status pyr_render_tree (pyr_buffer *out, const pyr_profile *p,
                            const pyr_renderoptions *o, pyr_error *e) {
  pyr_sorted s;
  uint32_t i;
  (void)o;
  if (p->count == 1 && p->nodes[0].self == 0) return PYR_OK; /* the empty tree */
  if (pyr_sorted_init(&s, p, e) != PYR_OK) return e->status;
  for (i = 0; i != UINT32_MAX; i = pyr_sorted_next(&s, p, i)) {
    const pyr_node *n = p->nodes + i;
    const pyr_string *name = p->strings + (i == 0 ? 0 : p->frames[n->frame].name);
    pyr_buffer_varint(out, name->length);
    pyr_buffer_add(out, name->bytes, name->length);
    pyr_buffer_varint(out, (uint64_t)n->self);
    pyr_buffer_varint(out, n[1].first_child - n->first_child);
  }
  pyr_sorted_free(&s);
  return pyr_rendered(out, e);
}
