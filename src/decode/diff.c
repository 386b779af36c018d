#include <stdlib.h>

#include "decode/decode.h"
#include "decode/flamegraph.h"

/*
** One side of a comparison as a profile of its own, with nodes that are zero where the
** other side is not. It borrows everything but the nodes.
*/
static bool oneside (pyr_profile *p, const pyr_union *u, unsigned side) {
  uint32_t i;
  *p = u->tree;
  p->nodes = malloc(((size_t)p->count + 1) * sizeof *p->nodes);
  if (p->nodes == NULL) return false;
  memcpy(p->nodes, u->tree.nodes, ((size_t)p->count + 1) * sizeof *p->nodes);
  for (i = 0; i < p->count; i++) {
    p->nodes[i].self = u->selfs[2 * (size_t)i + side];
    p->nodes[i].total = u->totals[2 * (size_t)i + side];
  }
  return true;
}

/* Does a function occur twice below the same caller? 'mark' is by frame, all 0. */
static bool repeats (const pyr_profile *p, uint32_t *mark) {
  uint32_t i;
  for (i = 1; i < p->count; i++) {
    uint32_t stamp = p->nodes[i].parent + 1;
    if (mark[p->nodes[i].frame] == stamp) return true;
    mark[p->nodes[i].frame] = stamp;
  }
  return false;
}

/*
** A server writes truncated stacks as one more sibling "other" beside a function of
** that name. In an alignment a path occurs once, so such siblings are added up.
*/
static pyr_status unite (pyr_union *u, pyr_error *e) {
  pyr_profile sides[2];
  const pyr_profile *inputs[2] = {sides, sides + 1};
  pyr_union united;
  pyr_status status = PYR_OK;
  uint32_t *mark = calloc(u->tree.frame_count, sizeof *mark);
  bool repeated;
  if (mark == NULL) return pyr_nomemory(e);
  repeated = repeats(&u->tree, mark);
  free(mark);
  if (!repeated) return PYR_OK;
  sides[1].nodes = NULL;
  if (!oneside(sides, u, 0) || !oneside(sides + 1, u, 1))
    status = pyr_nomemory(e);
  else
    status = pyr_profile_align(&united, inputs, 2, e);
  free(sides[0].nodes);
  free(sides[1].nodes);
  if (status != PYR_OK) return status;
  pyr_union_free(u);
  *u = united;
  return PYR_OK;
}

static pyr_status finish (pyr_levels *l, pyr_union *u, size_t len) {
  if (pyr_levels_finish(l, &u->tree, len) != PYR_OK) return l->e->status;
  u->k = 2;
  u->selfs = l->selfs;
  u->totals = l->totals;
  l->selfs = l->totals = NULL;
  return unite(u, l->e);
}

static pyr_status decode (pyr_union *u, const char *bytes, size_t len, bool json,
                          pyr_error *e) {
  pyr_levels l;
  size_t tree;
  pyr_status status;
  memset(u, 0, sizeof *u);
  status = pyr_levels_init(&l, true, e);
  if (status == PYR_OK)
    status = json ? pyr_flamegraph_json(&l, bytes, len, NULL, &tree)
                  : pyr_flamegraph_proto(&l, bytes, len);
  if (status == PYR_OK) status = finish(&l, u, len);
  e->format = "diff";
  pyr_levels_free(&l);
  if (status != PYR_OK) pyr_union_free(u);
  return status;
}

pyr_status pyr_decode_diff_proto (pyr_union *u, const char *bytes, size_t len,
                                  pyr_error *e) {
  return decode(u, bytes, len, false, e);
}

pyr_status pyr_decode_diff_json (pyr_union *u, const char *bytes, size_t len,
                                 pyr_error *e) {
  return decode(u, bytes, len, true, e);
}
