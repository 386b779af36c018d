#include <stdlib.h>
#include <string.h>

#include "decode/pprof.h"

static bool is (const pyr_string *s, const char *text) {
  return s->length == strlen(text) && memcmp(s->bytes, text, s->length) == 0;
}

pyr_labelkind pyr_pprof_kind (const pyr_pprof *h, uint32_t key) {
  const pyr_string *s = h->strings + key;
  if (is(s, "span_id") || is(s, "profile_id")) return PYR_SPAN;
  return is(s, "trace_id") ? PYR_TRACE : PYR_LABEL;
}

/* The fields of one label; the message was checked before. */
static void readlabel (pyr_slice s, pyr_pproflabel *label) {
  uint32_t number;
  unsigned wire;
  uint64_t v = 0;
  *label = (pyr_pproflabel){0, 0, 0, 0, false};
  while (s.p < s.end && pyr_slice_tag(&s, &number, &wire)) {
    if (wire != 0) {
      if (!pyr_slice_skip(&s, wire)) return;
      continue;
    }
    if (!pyr_slice_varint(&s, &v)) return;
    if (number == 1) label->key = (uint32_t)v;
    if (number == 2) label->value = (uint32_t)v;
    if (number == 3) label->number = (int64_t)v;
    if (number == 4 && v <= UINT32_MAX) label->unit = (uint32_t)v;
    if (number == 3 || number == 4) label->numeric = true;
  }
  if (label->value != 0) label->numeric = false;
}

bool pyr_pprof_label (const pyr_pprof *h, uint32_t i, const uint8_t **place,
                      pyr_pproflabel *label) {
  pyr_slice s = pyr_pprof_message(h, i), sub;
  uint32_t number;
  unsigned wire;
  if (*place != NULL) s.p = *place;
  while (s.p < s.end && pyr_slice_tag(&s, &number, &wire)) {
    if (number != 3 || wire != 2) {
      if (!pyr_slice_skip(&s, wire)) return false;
      continue;
    }
    if (!pyr_slice_bytes(&s, &sub)) return false;
    readlabel(sub, label);
    *place = s.p;
    return true;
  }
  return false;
}

/*
** Sets are told apart by the bytes of their pairs, used as a name. For that equal
** texts need equal indexes, whatever the string table repeats: 'same' has the first
** index of a text + 1, 'first' that index by the id of the text.
*/
typedef struct found {
  pyr_string key;
  uint32_t key_index, value_index;
} found;

typedef struct labeller {
  pyr_pprof *h;
  pyr_names texts, known;
  uint32_t *same, *first; /* [string_count] */
  found *found;           /* labels of one sample */
  pyr_pprofpair *pairs;
  uint32_t room, sets_room, labels_room;
} labeller;

static bool canonical (labeller *l, uint32_t index, uint32_t *out) {
  if (l->same[index] == 0) {
    const pyr_string *s = l->h->strings + index;
    uint32_t id;
    if (pyr_names_intern(&l->texts, s->bytes, s->length, &id) != PYR_OK) return false;
    if (id != 0 && l->first[id] == 0) l->first[id] = index;
    l->same[index] = l->first[id] + 1;
  }
  *out = l->same[index] - 1;
  return true;
}

/* Of two values of one label the first of the string table counts, as for a server. */
static int compare (const void *a, const void *b) {
  const found *x = a, *y = b;
  int order = pyr_string_compare(x->key, y->key);
  if (order != 0) return order;
  return x->value_index < y->value_index ? -1 : x->value_index > y->value_index;
}

static bool growfound (labeller *l) {
  uint32_t room = l->room * 2 + 16;
  found *grown = realloc(l->found, room * sizeof *grown);
  pyr_pprofpair *pairs;
  if (grown == NULL) return false;
  l->found = grown;
  pairs = realloc(l->pairs, room * sizeof *pairs);
  if (pairs == NULL) return false;
  l->pairs = pairs;
  l->room = room;
  return true;
}

/* The labels of a sample go to l->pairs, sorted by key; their number to 'count'. */
static bool samplepairs (labeller *l, uint32_t i, uint32_t *count) {
  const pyr_pprof *h = l->h;
  const uint8_t *place = NULL;
  pyr_pproflabel label;
  uint32_t n = 0, k, kept = 0;
  while (pyr_pprof_label(h, i, &place, &label)) {
    if (h->strings[label.value].length == 0 || h->strings[label.key].length == 0 ||
        pyr_pprof_kind(h, label.key) != PYR_LABEL)
      continue;
    if (n == l->room && !growfound(l)) return false;
    l->found[n++] = (found){h->strings[label.key], label.key, label.value};
  }
  if (n > 1) qsort(l->found, n, sizeof *l->found, compare);
  for (k = 0; k < n; k++) {
    if (k > 0 && pyr_string_compare(l->found[k].key, l->found[k - 1].key) == 0)
      continue;
    if (!canonical(l, l->found[k].key_index, &l->pairs[kept].key) ||
        !canonical(l, l->found[k].value_index, &l->pairs[kept].value))
      return false;
    kept++;
  }
  *count = kept;
  return true;
}

static bool addset (labeller *l, uint32_t n) {
  pyr_pprof *h = l->h;
  if (h->set_count + 2 > l->sets_room) {
    uint32_t room = l->sets_room * 2 + 16;
    uint32_t *sets = realloc(h->sets, room * sizeof *sets);
    if (sets == NULL) return false;
    h->sets = sets;
    l->sets_room = room;
  }
  if (n > l->labels_room - h->label_count) {
    uint32_t room = (l->labels_room + n) * 2 + 16;
    pyr_pprofpair *labels = realloc(h->labels, room * sizeof *labels);
    if (labels == NULL) return false;
    h->labels = labels;
    l->labels_room = room;
  }
  h->sets[h->set_count++] = h->label_count;
  if (n != 0) memcpy(h->labels + h->label_count, l->pairs, n * sizeof *l->pairs);
  h->label_count += n;
  h->sets[h->set_count] = h->label_count;
  return true;
}

static bool labelsamples (labeller *l) {
  pyr_pprof *h = l->h;
  uint32_t i, n, set;
  h->sample_sets = malloc((h->sample_count + 1u) * sizeof *h->sample_sets);
  if (h->sample_sets == NULL) return false;
  for (i = 0; i < h->sample_count; i++) {
    if (!samplepairs(l, i, &n) ||
        pyr_names_intern(&l->known, (const char *)l->pairs,
                         n * (uint32_t)sizeof *l->pairs, &set) != PYR_OK ||
        (set == h->set_count && !addset(l, n)))
      return false;
    h->sample_sets[i] = set;
  }
  return true;
}

pyr_status pyr_pprof_sets (pyr_pprof *h, bool labelled, pyr_error *e) {
  labeller l;
  bool good;
  memset(&l, 0, sizeof l);
  l.h = h;
  good = addset(&l, 0);
  if (good && labelled) {
    l.same = calloc(h->string_count, sizeof *l.same);
    l.first = calloc(h->string_count + 1u, sizeof *l.first);
    good = l.same != NULL && l.first != NULL && pyr_names_init(&l.texts, 0) == PYR_OK &&
           pyr_names_init(&l.known, 1) == PYR_OK && labelsamples(&l);
  }
  pyr_names_free(&l.texts);
  pyr_names_free(&l.known);
  free(l.same);
  free(l.first);
  free(l.found);
  free(l.pairs);
  if (good && h->set_count == 1) { /* only numbers and ids: every sample is of set 0 */
    free(h->sample_sets);
    h->sample_sets = NULL;
  }
  return good ? PYR_OK : pyr_nomemory(e);
}
