/*
** libFuzzer over every decoder. The first byte of the input picks one, the rest is its
** bytes. What a decoder accepts must be a tree as profile.h describes it, and survive
** being written and read again; what it refuses must leave nothing behind and name an
** offset inside the input.
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "decode/pprof.h"
#include "render/render.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void require (int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "violated: %s\n", what);
  abort();
}

static void checktree (const pyr_profile *p) {
  uint32_t i, c, next = 1, levels = 0;
  require(p->count > 0 && p->nodes[0].frame == 0, "there is a root");
  for (i = 0; i < p->count; i++) {
    const pyr_node *n = p->nodes + i;
    int64_t sum = n->self;
    require(n->self >= 0 && n->frame < p->frame_count,
            "values and frames are in range");
    require(n->first_child == next && n[1].first_child >= next,
            "children are contiguous");
    require(n[1].first_child <= p->count, "children exist");
    for (c = next; c < n[1].first_child; c++) {
      require(p->nodes[c].parent == i && p->nodes[c].level == n->level + 1, "parents");
      require(!__builtin_add_overflow(sum, p->nodes[c].total, &sum), "sums fit");
    }
    require(sum == n->total, "total is self plus children");
    next = n[1].first_child;
    if (n->level + 1 > levels) levels = n->level + 1;
  }
  require(p->levels == levels, "levels");
  require(p->nodes[p->count].first_child == p->count, "sentinel");
  for (i = 0; i < p->frame_count; i++)
    require(p->frames[i].name < p->string_count && p->frames[i].file < p->string_count,
            "frames have names");
}

static void checkerror (const pyr_profile *p, const pyr_error *e, size_t size) {
  require(p->nodes == NULL && p->frames == NULL && p->text == NULL, "nothing is left");
  require(e->message != NULL && e->format != NULL,
          "an error says what and in which format");
  require(e->where == PYR_NOWHERE || e->where <= size, "an offset is inside the input");
  if (e->status == PYR_EDECODE)
    require(e->where <= size || strstr(e->message, "64 bits") != NULL,
            "a decode error has an offset");
}

/* Written and read again the value is the same, and the shape is where a format keeps
 * it. */
static void roundtrip (const pyr_profile *p, pyr_renderer *write, pyr_decoder *read,
                       int shape) {
  pyr_buffer out;
  pyr_renderoptions options;
  pyr_profile again;
  pyr_error e;
  memset(&out, 0, sizeof out);
  memset(&options, 0, sizeof options);
  require(write(&out, p, &options, &e) == PYR_OK, "what was read can be written");
  require(read(&again, out.data == NULL ? "" : out.data, out.len, &e) == PYR_OK,
          "what was written can be read");
  checktree(&again);
  require(again.nodes[0].total == p->nodes[0].total, "the value survives");
  if (shape) require(again.count == p->count, "the shape survives");
  pyr_profile_free(&again);
  pyr_buffer_free(&out);
}

static void accepted (pyr_profile *p) {
  checktree(p);
  if (p->granularity == PYR_BY_FUNCTION) {
    roundtrip(p, pyr_render_tree, pyr_decode_tree, 1);
    roundtrip(p, pyr_render_json, pyr_decode_flamegraph_json, 0);
    roundtrip(p, pyr_render_flamegraph, pyr_decode_flamegraph_proto, 0);
  }
  pyr_profile_free(p);
}

static void single (pyr_decoder *read, const char *bytes, size_t size) {
  pyr_profile p;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (read(&p, bytes, size, &e) == PYR_OK)
    accepted(&p);
  else
    checkerror(&p, &e, size);
}

static void speedscope (pyr_granularity by, const char *bytes, size_t size) {
  pyr_profile p;
  pyr_buffer name;
  pyr_speedscope about = {by, &name, NULL, 0, 0};
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  memset(&name, 0, sizeof name);
  if (pyr_decode_speedscope(&p, &about, bytes, size, &e) == PYR_OK) {
    require(about.unit != NULL && about.profiles > 0, "a file says what it holds");
    accepted(&p);
  } else
    checkerror(&p, &e, size);
  pyr_buffer_free(&name);
}

static void diff (int json, const char *bytes, size_t size) {
  pyr_union u;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  uint32_t i, c, s;
  if ((json ? pyr_decode_diff_json(&u, bytes, size, &e)
            : pyr_decode_diff_proto(&u, bytes, size, &e)) != PYR_OK) {
    require(u.selfs == NULL && u.totals == NULL, "no side is left");
    checkerror(&u.tree, &e, size);
    return;
  }
  checktree(&u.tree);
  require(u.k == 2, "two sides");
  for (i = 0; i < u.tree.count; i++)
    for (s = 0; s < 2; s++) {
      int64_t sum = u.selfs[2 * i + s];
      for (c = u.tree.nodes[i].first_child; c < u.tree.nodes[i + 1].first_child; c++)
        sum += u.totals[2 * c + s];
      require(sum == u.totals[2 * i + s], "total is self plus children on every side");
    }
  pyr_union_free(&u);
}

static void pprof (pyr_granularity by, const char *bytes, size_t size) {
  pyr_pprof h;
  pyr_stacks stacks;
  pyr_profile p;
  pyr_pprofselection selection;
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_pprof_parse(&h, bytes, size, (size_t)1 << 24, &e) != PYR_OK) return;
  memset(&selection, 0, sizeof selection);
  selection.type = h.default_type;
  if (pyr_stacks_init(&stacks, by, &e) == PYR_OK && h.type_count > 0 &&
      pyr_pprof_stacks(&h, &selection, &stacks, &e) == PYR_OK) {
    if (pyr_stacks_finish(&stacks, &p, &e) == PYR_OK) accepted(&p);
  } else
    pyr_stacks_free(&stacks);
  pyr_pprof_free(&h);
}

static void guess (const char *bytes, size_t size) {
  pyr_format f = pyr_format_guess(bytes, size);
  require((pyr_format_name(f) == NULL) == (f == PYR_FORMAT_UNKNOWN),
          "formats have names");
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  char *bytes;
  if (size == 0) return 0;
  size--;
  bytes = malloc(size + 1); /* exactly as long as it is, to see what reads beyond */
  if (bytes == NULL) return 0;
  memcpy(bytes, data + 1, size);
  bytes[size] = '\0';
  guess(bytes, size);
  switch (data[0] % 10) {
  case 0:
    single(pyr_decode_flamegraph_json, bytes, size);
    break;
  case 1:
    single(pyr_decode_flamegraph_proto, bytes, size);
    break;
  case 2:
    single(pyr_decode_tree, bytes, size);
    break;
  case 3:
    single(pyr_decode_folded, bytes, size);
    break;
  case 4:
    speedscope(PYR_BY_FUNCTION, bytes, size);
    break;
  case 5:
    speedscope(PYR_BY_LINE, bytes, size);
    break;
  case 6:
    diff(0, bytes, size);
    break;
  case 7:
    diff(1, bytes, size);
    break;
  case 8:
    pprof(PYR_BY_FUNCTION, bytes, size);
    break;
  default:
    pprof(PYR_BY_LINE, bytes, size);
  }
  free(bytes);
  return 0;
}
