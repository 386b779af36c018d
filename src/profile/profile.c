#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "profile/sorted.h"

void pyr_profile_free (pyr_profile *p) {
  free(p->nodes);
  free(p->frames);
  free(p->strings);
  free(p->text);
  memset(p, 0, sizeof *p);
}

size_t pyr_profile_bytes (const pyr_profile *p) {
  return ((size_t)p->count + 1) * sizeof *p->nodes +
         p->frame_count * sizeof *p->frames + p->string_count * sizeof *p->strings +
         p->text_length;
}

static const char OTHER[] = "other";

bool pyr_profile_is_other (const pyr_profile *p, uint32_t node) {
  const pyr_node *n = p->nodes + node;
  const pyr_string *name;
  if (!p->cut || node == 0 || n[1].first_child != n->first_child) return false;
  name = p->strings + p->frames[n->frame].name;
  return name->length == sizeof OTHER - 1 &&
         memcmp(name->bytes, OTHER, sizeof OTHER - 1) == 0;
}

int64_t pyr_profile_other (const pyr_profile *p) {
  int64_t sum = 0;
  uint32_t i;
  if (!p->cut || pyr_profile_other_name(p) == UINT32_MAX) return 0;
  for (i = 1; i < p->count; i++)
    if (pyr_profile_is_other(p, i)) sum += p->nodes[i].self;
  return sum;
}

uint32_t pyr_profile_next (const pyr_profile *p, uint32_t i) {
  const pyr_node *nodes = p->nodes;
  if (nodes[i + 1].first_child != nodes[i].first_child) return nodes[i].first_child;
  while (i != 0) {
    uint32_t parent = nodes[i].parent;
    if (i + 1 < nodes[parent + 1].first_child) return i + 1;
    i = parent;
  }
  return UINT32_MAX;
}

pyr_status pyr_profile_take_names (pyr_profile *p, const pyr_names *names,
                                   pyr_error *e) {
  size_t length = 0, at = 0;
  uint32_t i;
  for (i = 0; i < names->count; i++)
    length += names->strings[i].length;
  p->text = malloc(length + 1);
  p->strings = malloc(names->count * sizeof *p->strings);
  if (p->text == NULL || p->strings == NULL) return pyr_nomemory(e);
  for (i = 0; i < names->count; i++) {
    uint32_t n = names->strings[i].length;
    if (n != 0) memcpy(p->text + at, names->strings[i].bytes, n);
    p->strings[i].bytes = p->text + at;
    p->strings[i].length = n;
    at += n;
  }
  p->text[at] = '\0';
  p->text_length = length;
  p->string_count = names->count;
  return PYR_OK;
}
