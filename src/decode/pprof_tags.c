#include "decode/pprof_tags.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/*
** Filters of samples by labels, with pprof's meaning (google/pprof, internal/driver/tagroot.go and
** driver_focus.go): KEY=VALUE looks at one key only. VALUE is a number with an optional unit, or a
** range of two (10:20, 1mb:, :5ms); else a list of expressions with commas in between. Without a key
** every expression has to match some "key:value"; with one, some expression some value of it.
*/

typedef struct unit {
  const char *name;
  double factor;
  char dimension; /* 'b' bytes, 't' time */
} unit;

static const unit units[] = {
    {"b", 1, 'b'},
    {"byte", 1, 'b'},
    {"kb", 1024, 'b'},
    {"kbyte", 1024, 'b'},
    {"kilobyte", 1024, 'b'},
    {"mb", 1048576, 'b'},
    {"mbyte", 1048576, 'b'},
    {"megabyte", 1048576, 'b'},
    {"gb", 1073741824, 'b'},
    {"gbyte", 1073741824, 'b'},
    {"gigabyte", 1073741824, 'b'},
    {"tb", 1099511627776.0, 'b'},
    {"tbyte", 1099511627776.0, 'b'},
    {"terabyte", 1099511627776.0, 'b'},
    {"pb", 1125899906842624.0, 'b'},
    {"pbyte", 1125899906842624.0, 'b'},
    {"petabyte", 1125899906842624.0, 'b'},
    {"ns", 1, 't'},
    {"nanosecond", 1, 't'},
    {"us", 1e3, 't'},
    {"\xce\xbcs", 1e3, 't'},
    {"microsecond", 1e3, 't'},
    {"ms", 1e6, 't'},
    {"millisecond", 1e6, 't'},
    {"s", 1e9, 't'},
    {"sec", 1e9, 't'},
    {"second", 1e9, 't'},
    {"hr", 3600e9, 't'},
    {"hour", 3600e9, 't'},
    {"day", 86400e9, 't'},
    {"week", 604800e9, 't'},
    {NULL, 0, 0},
};

static bool same (const char *name, const char *text, size_t len) {
  size_t i;
  if (strlen(name) != len) return false;
  for (i = 0; i < len; i++) {
    char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 'a' - 'A') : text[i];
    if (c != name[i]) return false;
  }
  return true;
}

/* A unit by its name, also in the plural; NULL if unknown. */
static const unit *findunit (const char *text, size_t len) {
  const unit *u;
  for (u = units; u->name != NULL; u++)
    if (same(u->name, text, len)) return u;
  if (len > 2 && (text[len - 1] == 's' || text[len - 1] == 'S')) {
    for (u = units; u->name != NULL; u++)
      if (same(u->name, text, len - 1)) return u;
  }
  return NULL;
}

typedef struct amount {
  int64_t number;
  const unit *unit; /* NULL: none, or an unknown one */
  size_t length;    /* of the text */
} amount;

/* "+12mb" at the beginning of a text: digits and letters. */
static bool readamount (const char *text, size_t len, amount *a) {
  size_t i = 0, letters;
  bool negative = false, any = false;
  int64_t v = 0;
  if (len != 0 && (text[0] == '+' || text[0] == '-')) negative = text[i++] == '-';
  for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
    if (__builtin_mul_overflow(v, 10, &v) ||
        __builtin_add_overflow(v, text[i] - '0', &v))
      return false;
    any = true;
  }
  if (!any) return false;
  letters = i;
  while (i < len &&
         ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z')))
    i++;
  a->number = negative ? -v : v;
  a->unit = findunit(text + letters, i - letters);
  a->length = i;
  return true;
}

/* True where the whole text is a number or a range of numbers. */
static bool readrange (pyr_tagfilter *f, const char *text, size_t len) {
  amount low, high;
  if (len != 0 && text[0] == ':') {
    if (!readamount(text + 1, len - 1, &high) || high.length != len - 1) return false;
    low = high;
    f->has_high = true;
  } else {
    if (!readamount(text, len, &low)) return false;
    high = low;
    f->has_low = true;
    if (low.length == len)
      f->has_high = true;
    else {
      if (text[low.length] != ':') return false;
      if (low.length + 1 < len) {
        size_t at = low.length + 1;
        if (!readamount(text + at, len - at, &high) || high.length != len - at)
          return false;
        if ((low.unit == NULL ? 0 : low.unit->dimension) !=
            (high.unit == NULL ? 0 : high.unit->dimension))
          return false;
        f->has_high = true;
      }
    }
  }
  f->low_raw = low.number;
  f->high_raw = high.number;
  f->dimension = low.unit == NULL ? 0 : low.unit->dimension;
  f->low = (double)low.number * (low.unit == NULL ? 1 : low.unit->factor);
  f->high = (double)high.number * (high.unit == NULL ? 1 : high.unit->factor);
  return true;
}

static pyr_status addpattern (pyr_tagfilter *f, const char *text, size_t len,
                              size_t where, pyr_error *e) {
  pyr_regex *grown = realloc(f->patterns, (f->count + 1u) * sizeof *grown);
  if (grown == NULL) return pyr_nomemory(e);
  f->patterns = grown;
  memset(grown + f->count, 0, sizeof *grown);
  if (pyr_regex_compile(grown + f->count, text, len, false, e) != PYR_OK) {
    if (e->where != PYR_NOWHERE) e->where += where;
    return e->status;
  }
  f->count++;
  return PYR_OK;
}

pyr_status pyr_tagfilter_init (pyr_tagfilter *f, const char *text, size_t len,
                               pyr_error *e) {
  const char *equal = memchr(text, '=', len), *value = text;
  size_t left = len, from = 0, i;
  memset(f, 0, sizeof *f);
  if (equal != NULL) {
    f->key = (pyr_string){text, (uint32_t)(equal - text)};
    f->keyed = true;
    value = equal + 1;
    left = len - (size_t)(value - text);
  }
  if (readrange(f, value, left)) {
    f->numeric = true;
    return PYR_OK;
  }
  f->has_low = f->has_high = false;
  for (i = 0; i <= left; i++)
    if (i == left || value[i] == ',') {
      if (addpattern(f, value + from, i - from, (size_t)(value - text) + from, e) !=
          PYR_OK) {
        pyr_tagfilter_free(f);
        return e->status;
      }
      from = i + 1;
    }
  return PYR_OK;
}

void pyr_tagfilter_free (pyr_tagfilter *f) {
  uint32_t i;
  for (i = 0; i < f->count; i++)
    pyr_regex_free(f->patterns + i);
  free(f->patterns);
  memset(f, 0, sizeof *f);
}

/* The unit of a numeric label: its own, else what its key means to pprof. */
static const unit *unitof (const pyr_pprof *h, const pyr_pproflabel *l) {
  bool own = l->unit != 0 && l->unit < h->string_count;
  pyr_string s = h->strings[own ? l->unit : l->key];
  if (!own &&
      (same("request", s.bytes, s.length) || same("alignment", s.bytes, s.length)))
    return findunit("byte", 4);
  return findunit(s.bytes, s.length);
}

static bool inrange (const pyr_tagfilter *f, const pyr_pprof *h,
                     const pyr_pproflabel *l) {
  const unit *u = unitof(h, l);
  double v;
  if (u == NULL)
    return (!f->has_low || l->number >= f->low_raw) &&
           (!f->has_high || l->number <= f->high_raw);
  if (u->dimension != f->dimension) return false;
  v = (double)l->number * u->factor;
  return (!f->has_low || v >= f->low) && (!f->has_high || v <= f->high);
}

static bool ofkey (const pyr_tagfilter *f, const pyr_pprof *h, uint32_t key) {
  return !f->keyed || pyr_string_compare(h->strings[key], f->key) == 0;
}

/* Does expression 'k' match some label of the sample? */
static pyr_status anylabel (const pyr_tagfilter *f, const pyr_pprof *h, uint32_t sample,
                            uint32_t k, bool *matches, pyr_error *e) {
  const uint8_t *at = NULL;
  pyr_pproflabel l;
  pyr_status status = PYR_OK;
  *matches = false;
  while (status == PYR_OK && !*matches && pyr_pprof_label(h, sample, &at, &l)) {
    pyr_string key = h->strings[l.key], value = h->strings[l.value];
    if (l.numeric || l.value == 0 || !ofkey(f, h, l.key)) continue;
    if (f->keyed)
      status = pyr_regex_test(f->patterns + k, value.bytes, value.length, matches, e);
    else {
      size_t length = (size_t)key.length + 1 + value.length;
      char small[256], *text = length <= sizeof small ? small : malloc(length);
      if (text == NULL) return pyr_nomemory(e);
      memcpy(text, key.bytes, key.length);
      text[key.length] = ':';
      memcpy(text + key.length + 1, value.bytes, value.length);
      status = pyr_regex_test(f->patterns + k, text, length, matches, e);
      if (text != small) free(text);
    }
  }
  return status;
}

pyr_status pyr_tagfilter_test (const pyr_tagfilter *f, const pyr_pprof *h,
                               uint32_t sample, bool *matches, pyr_error *e) {
  uint32_t k;
  *matches = false;
  if (f->numeric) {
    const uint8_t *at = NULL;
    pyr_pproflabel l;
    while (!*matches && pyr_pprof_label(h, sample, &at, &l))
      *matches = l.numeric && ofkey(f, h, l.key) && inrange(f, h, &l);
    return PYR_OK;
  }
  for (k = 0; k < f->count; k++) {
    pyr_status status = anylabel(f, h, sample, k, matches, e);
    if (status != PYR_OK) return status;
    if (*matches == f->keyed) return PYR_OK; /* any with a key, all without */
  }
  return PYR_OK;
}
