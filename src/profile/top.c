#include "profile/top.h"

#include <stdlib.h>
#include <string.h>

void pyr_rows_free (pyr_rows *r) {
  free(r->rows);
  pyr_grouping_free(&r->groups);
  memset(r, 0, sizeof *r);
}

/* What decides between rows with equal values. */
static int comparenames (const pyr_profile *p, const pyr_row *a, const pyr_row *b) {
  const pyr_frame *x, *y;
  int order = pyr_string_compare(a->name, b->name);
  if (order != 0 || a->frame == UINT32_MAX || b->frame == UINT32_MAX) return order;
  x = p->frames + a->frame;
  y = p->frames + b->frame;
  order = pyr_string_compare(p->strings[x->file], p->strings[y->file]);
  if (order != 0) return order;
  return x->line < y->line ? -1 : x->line > y->line;
}

typedef enum rankby { BY_SELF, BY_TOTAL, BY_PLACE } rankby;

typedef struct ranking {
  const pyr_profile *p;
  rankby by;
} ranking;

/* Negative if 'a' goes before 'b'. */
static int comparerows (const pyr_row *a, const pyr_row *b, const ranking *k) {
  if (k->by == BY_PLACE) {
    uint32_t x = k->p->frames[a->frame].line, y = k->p->frames[b->frame].line;
    if (x != y) return x < y ? -1 : 1;
  } else {
    int64_t v = k->by == BY_TOTAL ? a->total : a->self;
    int64_t w = k->by == BY_TOTAL ? b->total : b->self;
    if (v != w) return v > w ? -1 : 1;
  }
  return comparenames(k->p, a, b);
}

/* Bottom-up heap sort: qsort has no context, and input must not choose its worst case. */
static void sift (pyr_row *rows, uint32_t root, uint32_t count, const ranking *k) {
  pyr_row moved = rows[root];
  for (;;) {
    uint32_t child = 2 * root + 1;
    if (child >= count) break;
    if (child + 1 < count && comparerows(rows + child, rows + child + 1, k) < 0) child++;
    if (comparerows(&moved, rows + child, k) >= 0) break;
    rows[root] = rows[child];
    root = child;
  }
  rows[root] = moved;
}

static void sortrows (pyr_row *rows, uint32_t count, const ranking *k) {
  uint32_t i;
  for (i = count / 2; i > 0; i--) sift(rows, i - 1, count, k);
  for (i = count; i > 1; i--) {
    pyr_row last = rows[i - 1];
    rows[i - 1] = rows[0];
    rows[0] = last;
    sift(rows, 0, i - 1, k);
  }
}

static void insertrow (pyr_rows *r, uint32_t n, const pyr_row *row, const ranking *k) {
  uint32_t i = r->count;
  if (i == n) {
    if (comparerows(row, r->rows + i - 1, k) >= 0) return;
    i--;
  } else
    r->count++;
  for (; i > 0 && comparerows(row, r->rows + i - 1, k) < 0; i--) r->rows[i] = r->rows[i - 1];
  r->rows[i] = *row;
}

#define FEW 64 /* above, insertion costs more than sorting everything */

static void pickrows (pyr_rows *r, uint32_t n, const pyr_weight *w, const uint8_t *wanted,
                      bool lines, const ranking *k) {
  uint32_t g;
  bool all = n > FEW;
  for (g = 0; g < r->groups.count; g++) {
    pyr_row row = {r->groups.names[g], g, lines ? g : UINT32_MAX, w[g].self, w[g].total};
    if (w[g].seen == 0) continue;
    r->functions++;
    r->rest += w[g].self;
    if (wanted != NULL && !wanted[g]) continue;
    if (all)
      r->rows[r->count++] = row;
    else if (n != 0)
      insertrow(r, n, &row, k);
  }
  if (!all) return;
  sortrows(r->rows, r->count, k);
  if (r->count > n) r->count = n;
}

/* Groups that have a matching frame. */
static pyr_status wantedgroups (const pyr_grouping *g, const uint8_t *matches,
                                uint8_t **wanted, pyr_error *e) {
  uint32_t f;
  if (matches == NULL) return PYR_OK;
  *wanted = calloc((size_t)g->count + 1, 1);
  if (*wanted == NULL) return pyr_nomemory(e);
  for (f = 1; f < g->p->frame_count; f++)
    if (matches[f]) (*wanted)[g->of[f] & ~PYR_GROUP_OTHER] = 1;
  return PYR_OK;
}

static pyr_status fillrows (pyr_rows *r, const pyr_profile *p, const pyr_topquery *q,
                            pyr_weight *w, pyr_error *e) {
  ranking k = {p, q->by_total ? BY_TOTAL : BY_SELF};
  uint32_t n = q->n == 0 ? r->groups.count : q->n, i, *frames = NULL;
  uint8_t *wanted = NULL;
  pyr_status status = wantedgroups(&r->groups, q->matches, &wanted, e);
  if (status == PYR_OK) {
    r->rows = malloc(((size_t)(n > FEW ? r->groups.count : n) + 1) * sizeof *r->rows);
    if (r->rows == NULL) status = pyr_nomemory(e);
  }
  if (status == PYR_OK) {
    pickrows(r, n, w, wanted, q->group == PYR_BY_LINE, &k);
    status = pyr_grouping_frames(&r->groups, &frames, e);
  }
  for (i = 0; status == PYR_OK && i < r->count; i++) {
    r->rows[i].frame = frames[r->rows[i].group];
    r->shown += r->rows[i].self;
    r->rest -= r->rows[i].self;
  }
  free(frames);
  free(wanted);
  return status;
}

pyr_status pyr_profile_top (pyr_rows *r, const pyr_profile *p, const pyr_topquery *q,
                            pyr_error *e) {
  pyr_weight *w;
  pyr_status status;
  memset(r, 0, sizeof *r);
  status = pyr_grouping_init(&r->groups, p, q->group, e);
  if (status != PYR_OK) return status;
  w = calloc((size_t)r->groups.count + 1, sizeof *w);
  if (w == NULL) status = pyr_nomemory(e);
  if (status == PYR_OK) status = pyr_profile_weigh(p, r->groups.of, w, &r->other, e);
  if (status == PYR_OK) status = fillrows(r, p, q, w, e);
  r->empty = p->nodes[0].self;
  free(w);
  if (status != PYR_OK) pyr_rows_free(r);
  return status;
}

static bool samestring (pyr_string a, pyr_string b) {
  return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

pyr_status pyr_profile_lines (pyr_rows *r, const pyr_profile *p, pyr_string file,
                              const pyr_string *name, pyr_error *e) {
  pyr_topquery q = {0, false, PYR_BY_LINE, NULL};
  ranking places = {p, BY_PLACE};
  uint32_t i, kept = 0;
  if (p->granularity != PYR_BY_LINE)
    return pyr_fail(e, PYR_EUNSUPPORTED, "the profile has no lines", PYR_NOWHERE);
  if (pyr_profile_top(r, p, &q, e) != PYR_OK) return e->status;
  for (i = 0; i < r->count; i++) {
    const pyr_frame *f = p->frames + r->rows[i].frame;
    if (f->line == 0 || !samestring(p->strings[f->file], file)) continue;
    if (name != NULL && !samestring(r->rows[i].name, *name)) continue;
    r->rows[kept++] = r->rows[i];
  }
  r->count = kept;
  sortrows(r->rows, kept, &places);
  return PYR_OK;
}
