/*
** libFuzzer over pprof files: what is accepted is walked over in every way there is,
** becomes trees whose totals agree with the samples, and is written and read again as
** the same tree.
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/pprof.h"
#include "render/render.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void require (int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "violated: %s\n", what);
  abort();
}

static int collect (const pyr_pprof *h, pyr_pprofselection *s, pyr_granularity by,
                    pyr_profile *p) {
  pyr_stacks b;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  memset(p, 0, sizeof *p);
  require(pyr_stacks_init(&b, by, &e) == PYR_OK, "a builder is made");
  if (pyr_pprof_stacks(h, s, &b, &e) != PYR_OK) {
    require(e.status == PYR_EDECODE && e.message != NULL, "only sums can fail");
    pyr_stacks_free(&b);
    return 0;
  }
  require(pyr_stacks_finish(&b, p, &e) == PYR_OK, "a tree is made");
  return 1;
}

/* Sum of the positive values of the samples with these sets, walked over by hand. */
static int64_t sum (const pyr_pprof *h, uint32_t type, uint32_t *locations) {
  int64_t total = 0;
  uint32_t i, k, depth;
  for (i = 0; i < h->sample_count; i++) {
    int64_t value = pyr_pprof_sample(h, i, type, locations, &depth);
    require(depth <= h->depth, "depth is bounded");
    for (k = 0; k < depth; k++)
      require(locations[k] < h->location_count, "known locations");
    if (value > 0) total += value;
  }
  return total;
}

static void labels (const pyr_pprof *h) {
  uint32_t i, k;
  for (i = 0; i < h->sample_count; i++) {
    const uint8_t *at = NULL;
    pyr_pproflabel l;
    while (pyr_pprof_label(h, i, &at, &l)) {
      require(l.key < h->string_count && l.value < h->string_count, "known strings");
      pyr_pprof_kind(h, l.key);
    }
    require(h->sample_sets == NULL || h->sample_sets[i] < h->set_count, "known sets");
  }
  require(h->set_count > 0 && h->sets[0] == 0 && h->sets[1] == 0,
          "set 0 is the empty one");
  for (i = 0; i < h->set_count; i++)
    for (k = h->sets[i] + 1; k < h->sets[i + 1]; k++)
      require(pyr_string_compare(h->strings[h->labels[k - 1].key],
                                 h->strings[h->labels[k].key]) < 0,
              "labels are sorted and there once");
}

static void again (const pyr_profile *p, pyr_granularity by) {
  pyr_buffer out = {NULL, 0, 0, 0, PYR_OK}, twice = {NULL, 0, 0, 0, PYR_OK};
  pyr_renderoptions o;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_pprofselection s;
  pyr_pprof h;
  pyr_profile q;
  memset(&o, 0, sizeof o);
  memset(&s, 0, sizeof s);
  o.raw = true;
  require(pyr_render_pprof(&out, p, &o, &e) == PYR_OK, "a tree is written");
  require(pyr_pprof_parse(&h, out.data, out.len, 0, &e) == PYR_OK, "and read again");
  require(collect(&h, &s, by, &q), "and collected again");
  require(q.nodes[0].total == p->nodes[0].total, "with the same total");
  require(q.count <= p->count, "and no more nodes");
  require(pyr_render_pprof(&twice, &q, &o, &e) == PYR_OK, "written once more");
  require(twice.len == out.len && memcmp(twice.data, out.data, out.len) == 0,
          "with the same bytes");
  pyr_buffer_free(&out);
  pyr_buffer_free(&twice);
  pyr_pprof_free(&h);
  pyr_profile_free(&q);
}

/* Rows without a tree: all functions and the empty stacks are the whole. */
static void rows (const pyr_pprof *h, pyr_pprofselection *s, int64_t total) {
  pyr_stacks b;
  pyr_pprofrows r = {NULL, 0};
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  int64_t sum = 0;
  uint32_t f;
  require(pyr_stacks_init(&b, PYR_BY_FUNCTION, &e) == PYR_OK, "a builder is made");
  require(pyr_pprof_weigh(h, s, &b, &r, &e) == PYR_OK, "rows are made");
  require(b.total == total, "rows have the total of the tree");
  for (f = 0; f < r.cap; f++) {
    require(r.weights[f].open == 0, "every level was left");
    require(r.weights[f].self <= r.weights[f].total, "self is part of the total");
    require(r.weights[f].total <= total, "recursion counts once");
    sum += r.weights[f].self;
  }
  require(sum + b.nodes[0].self == total, "no value is lost");
  pyr_stacks_free(&b);
  pyr_pprofrows_free(&r);
}

static void trees (const pyr_pprof *h, uint32_t type) {
  static const pyr_string site[] = {{"main", 4}};
  uint32_t *locations = malloc((h->depth + 1u) * sizeof *locations);
  uint32_t way;
  require(locations != NULL, "memory");
  for (way = 0; way < 8; way++) {
    pyr_granularity by = (way & 1) != 0 ? PYR_BY_LINE : PYR_BY_FUNCTION;
    pyr_pprofselection s;
    pyr_profile p;
    memset(&s, 0, sizeof s);
    s.type = type;
    s.named_only = (way & 2) != 0;
    if ((way & 4) != 0) {
      s.call_site = site;
      s.call_site_depth = 1;
      s.max_depth = 3;
    }
    if (!collect(h, &s, by, &p)) continue;
    if (way < 2)
      require(p.nodes[0].total == sum(h, type, locations),
              "the tree holds every sample");
    if (by == PYR_BY_FUNCTION) rows(h, &s, p.nodes[0].total);
    if (way < 6) again(&p, by);
    pyr_profile_free(&p);
  }
  free(locations);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  pyr_pprof h, empty;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t type;
  char *bytes = malloc(size + 1);
  if (bytes == NULL) return 0;
  if (size != 0) memcpy(bytes, data, size);
  bytes[size] = '\0';
  memset(&empty, 0, sizeof empty);
  if (pyr_pprof_parse(&h, bytes, size, 1 << 22, &e) != PYR_OK) {
    require(memcmp(&h, &empty, sizeof h) == 0, "a failure leaves nothing");
    require(e.message != NULL && e.format != NULL, "an error says what and in what");
    require(e.status != PYR_EDECODE || e.where <= 1 << 22, "a decode error says where");
    free(bytes);
    return 0;
  }
  free(bytes); /* the handle keeps nothing of it */
  labels(&h);
  for (type = 0; type < h.type_count && type < 2; type++)
    trees(&h, type);
  pyr_pprof_free(&h);
  return 0;
}
