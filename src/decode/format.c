#include <string.h>
#include <strings.h>

#include "base/decimal.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/slice.h"
#include "decode/decode.h"

/*
** A guess must also be right for a file that is cut off or damaged further down, so
** that the decoder can say where. So the beginning decides, and only as much of it as
** is needed.
*/
#define RECORDS 64 /* records, fields or lines that are looked at */

static bool begins (const char *bytes, size_t len, const char *magic, size_t n) {
  return len >= n && memcmp(bytes, magic, n) == 0;
}

/* Control characters do not occur in names of functions that a format would carry as
   text. */
static bool istext (const uint8_t *p, const uint8_t *end) {
  for (; p < end; p++)
    if ((*p < 0x20 && *p != '\t') || *p == 0x7f) return false;
  return true;
}

/* The nameless root, and after it records that have a name and few enough children. */
static bool istree (const char *bytes, size_t len) {
  pyr_slice s = {(const uint8_t *)bytes, (const uint8_t *)bytes + len}, name;
  uint64_t self, children, open = 1;
  unsigned i;
  for (i = 0; i < RECORDS && open > 0; i++) {
    if (!pyr_slice_bytes(&s, &name) || !pyr_slice_varint(&s, &self) ||
        !pyr_slice_varint(&s, &children))
      return i > 1; /* cut off */
    if ((i == 0 && name.p != name.end) || self > INT64_MAX || children > len)
      return false;
    open += children - 1;
    if (open > len) return false;
  }
  return open > 0 || s.p == s.end;
}

/* Wire types of the fields of a pprof profile, by number: bits. */
static bool pproffield (uint32_t number, unsigned wire) {
  static const uint8_t wires[16] = {0, 4, 4, 4, 4, 4, 4, 1, 1, 1, 1, 4, 1, 5, 1, 1};
  return number < 16 && wire < 8 && (wires[number] >> wire & 1) != 0;
}

/* Submessages that only a pprof profile has in this place: numbers of fields 1 and 2
   for a value type, up to 10 for the others. */
static bool pprofmessage (uint32_t number, pyr_slice *s) {
  uint32_t field;
  unsigned wire;
  if (number == 6 || number == 13) return true;
  while (s->p < s->end) {
    if (!pyr_slice_tag(s, &field, &wire) || !pyr_slice_skip(s, wire)) return false;
    if (field > (number == 1 || number == 11 ? 2u : 10u)) return false;
    if ((number == 1 || number == 11) && wire != 0) return false;
  }
  return true;
}

static bool ispprof (const char *bytes, size_t len) {
  pyr_slice s = {(const uint8_t *)bytes, (const uint8_t *)bytes + len}, sub;
  uint32_t number;
  unsigned wire, i;
  bool telling = false; /* a field was there that is not just any text */
  for (i = 0; i < RECORDS && s.p < s.end; i++) {
    if (!pyr_slice_tag(&s, &number, &wire)) return false;
    if (!pproffield(number, wire)) return false;
    if (wire == 0) {
      if (!pyr_slice_skip(&s, wire)) return false;
    } else if (!pyr_slice_bytes(&s, &sub))
      return telling; /* cut off */
    else if (!pprofmessage(number, &sub))
      return false;
    else
      telling |= number <= 5 || number == 11;
  }
  return telling;
}

/* How many numbers the root has: 7 in a comparison. */
static bool istwosided (pyr_json *j) {
  bool first = true, inner = true;
  unsigned n = 0;
  const char *key;
  size_t length;
  if (!pyr_json_take(j, '[') || !pyr_json_item(j, &first)) return false;
  if (pyr_json_peek(j) == '{') {
    first = true;
    pyr_json_take(j, '{');
    while (pyr_json_key(j, &first, &key, &length) &&
           !pyr_json_is(key, length, "values"))
      if (!pyr_json_skip(j)) return false;
  }
  if (pyr_json_peek(j) != '[') return false;
  pyr_json_take(j, '[');
  while (n < 8 && pyr_json_item(j, &inner) && pyr_json_skip(j))
    n++;
  return n == 7;
}

/* Inside the object that holds names and levels; the scanner is left anywhere. */
static pyr_format graphkind (pyr_json *j) {
  const char *key;
  size_t length;
  bool first = true;
  if (pyr_json_peek(j) != '{') return PYR_FORMAT_FLAMEGRAPH_JSON;
  pyr_json_take(j, '{');
  while (pyr_json_key(j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "levels"))
      return istwosided(j) ? PYR_FORMAT_DIFF_JSON : PYR_FORMAT_FLAMEGRAPH_JSON;
    if (pyr_json_is(key, length, "leftTicks") || pyr_json_is(key, length, "rightTicks"))
      return PYR_FORMAT_DIFF_JSON;
    if (!pyr_json_skip(j)) break;
  }
  return PYR_FORMAT_FLAMEGRAPH_JSON;
}

/* Keys of the outermost object that were seen, for formats known by more than one. */
enum {
  NAMES = 1,
  LEVELS = 2,
  SHARED = 4,
  PROFILES = 8,
  TREE = 16,
  NODES = 32,
  DELTAS = 64
};

static unsigned keybit (const char *key, size_t length) {
  static const char *const keys[] = {"names", "levels", "shared",    "profiles",
                                     "tree",  "nodes",  "timeDeltas"};
  unsigned i;
  for (i = 0; i < sizeof keys / sizeof *keys; i++)
    if (pyr_json_is(key, length, keys[i])) return 1u << i;
  return 0;
}

/* Without a key that decides alone: what the ones that were seen make of it. */
static pyr_format byseen (unsigned seen) {
  if ((seen & (SHARED | PROFILES)) == (SHARED | PROFILES)) return PYR_FORMAT_SPEEDSCOPE;
  if ((seen & (NODES | DELTAS)) == (NODES | DELTAS)) return PYR_FORMAT_CHROME_TRACE;
  return seen & (NAMES | LEVELS | TREE) ? PYR_FORMAT_FLAMEGRAPH_JSON
                                        : PYR_FORMAT_UNKNOWN;
}

static pyr_format objectkind (pyr_json *j) {
  const char *key, *value;
  size_t length;
  bool first = true, escaped;
  unsigned seen = 0;
  pyr_json_take(j, '{');
  while (pyr_json_key(j, &first, &key, &length)) {
    if (pyr_json_is(key, length, "flamegraph") ||
        pyr_json_is(key, length, "flamebearer"))
      return graphkind(j);
    if (pyr_json_is(key, length, "traceEvents")) return PYR_FORMAT_CHROME_TRACE;
    if (pyr_json_is(key, length, "levels") &&
        istwosided(&(pyr_json){j->p, j->p, j->end, 0}))
      return PYR_FORMAT_DIFF_JSON;
    seen |= keybit(key, length);
    if (pyr_json_is(key, length, "$schema") && pyr_json_peek(j) == '"') {
      if (!pyr_json_string(j, &value, &length, &escaped)) break;
      if (memmem(value, length, "speedscope", 10) != NULL) return PYR_FORMAT_SPEEDSCOPE;
    } else if (!pyr_json_skip(j))
      break;
  }
  return byseen(seen);
}

/* The other form of a Chrome trace: events with a phase. */
static pyr_format arraykind (pyr_json *j) {
  const char *key;
  size_t length;
  bool first = true, inner = true;
  pyr_json_take(j, '[');
  if (!pyr_json_item(j, &first) || pyr_json_peek(j) != '{') return PYR_FORMAT_UNKNOWN;
  pyr_json_take(j, '{');
  while (pyr_json_key(j, &inner, &key, &length)) {
    if (pyr_json_is(key, length, "ph")) return PYR_FORMAT_CHROME_TRACE;
    if (!pyr_json_skip(j)) break;
  }
  return PYR_FORMAT_UNKNOWN;
}

static bool ishtml (const char *p, size_t left) {
  static const char *const tags[] = {"<!doctype html", "<html", "<head", "<body",
                                     "<!--"};
  size_t i, n;
  for (i = 0; i < sizeof tags / sizeof *tags; i++) {
    n = strlen(tags[i]);
    if (left >= n && strncasecmp(p, tags[i], n) == 0) return true;
  }
  return false;
}

static bool isspace_ (char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Does the line end in a number after a blank, or is it nothing else? */
static bool endsinnumber (const char *text, size_t n) {
  size_t end;
  pyr_decimal d;
  while (n > 0 && isspace_(text[n - 1]))
    n--;
  for (end = n; n > 0 && !isspace_(text[n - 1]);)
    n--;
  return pyr_decimal_read(&d, text + n, end - n, 0) == PYR_DECIMAL_OK;
}

/* Text of perf script: a line about a sample, below it indented addresses with names.
 */
static bool isperfstack (const char *text, size_t n) {
  size_t i = 0, digits;
  while (i < n && (text[i] == ' ' || text[i] == '\t'))
    i++;
  for (digits = i; digits < n && strchr("0123456789abcdef", text[digits]) != NULL;)
    if (text[digits++] == '\0') return false;
  return i > 0 && digits - i >= 4 && digits < n && text[digits] == ' ';
}

static pyr_format textkind (const char *p, const char *end) {
  unsigned lines = 0;
  bool header = false; /* the last line has no value */
  for (; p < end && lines < RECORDS; p++) {
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    size_t n;
    bool cut = stop == NULL;
    if (cut) stop = end;
    n = (size_t)(stop - p);
    if (n > 0 && p[n - 1] == '\r') n--;
    if (!istext((const uint8_t *)p, (const uint8_t *)p + n)) return PYR_FORMAT_UNKNOWN;
    if (header) return isperfstack(p, n) ? PYR_FORMAT_PERF : PYR_FORMAT_UNKNOWN;
    if (n > 0 && *p != '#' && !endsinnumber(p, n)) {
      if (lines > 0) return PYR_FORMAT_FOLDED; /* the decoder says more */
      if (cut || p[n - 1] != ':') return PYR_FORMAT_UNKNOWN;
      header = true;
    } else if (n > 0 && *p != '#')
      lines++;
    p = stop;
    if (cut) break;
  }
  return lines > 0 ? PYR_FORMAT_FOLDED : PYR_FORMAT_UNKNOWN;
}

pyr_format pyr_format_guess (const char *bytes, size_t len) {
  const char *p = bytes, *end = bytes + len;
  pyr_json j;
  pyr_format kind = PYR_FORMAT_UNKNOWN;
  if (pyr_is_gzip(bytes, len)) return PYR_FORMAT_GZIP;
  if (begins(bytes, len, "FLR\0", 4)) return PYR_FORMAT_JFR;
  if (begins(bytes, len, "PERFILE2", 8) || begins(bytes, len, "2ELIFREP", 8))
    return PYR_FORMAT_PERF;
  if (len > 0 && *bytes == '\0')
    return istree(bytes, len) ? PYR_FORMAT_TREE : PYR_FORMAT_UNKNOWN;
  if (ispprof(bytes, len)) return PYR_FORMAT_PPROF;
  if (begins(bytes, len, "\xEF\xBB\xBF", 3)) p += 3;
  while (p < end && isspace_(*p))
    p++;
  if (p == end) return PYR_FORMAT_UNKNOWN;
  if (ishtml(p, (size_t)(end - p))) return PYR_FORMAT_HTML;
  pyr_json_init(&j, bytes, len);
  j.p = p;
  if (*p == '{') kind = objectkind(&j);
  if (*p == '[') kind = arraykind(&j);
  return kind != PYR_FORMAT_UNKNOWN ? kind : textkind(p, end);
}

const char *pyr_format_name (pyr_format f) {
  static const char *const names[] = {
      [PYR_FORMAT_UNKNOWN] = NULL,
      [PYR_FORMAT_GZIP] = "gzip",
      [PYR_FORMAT_PPROF] = "pprof",
      [PYR_FORMAT_FLAMEGRAPH_JSON] = "json",
      [PYR_FORMAT_DIFF_JSON] = "diff",
      [PYR_FORMAT_SPEEDSCOPE] = "speedscope",
      [PYR_FORMAT_CHROME_TRACE] = "chrome-trace",
      [PYR_FORMAT_FOLDED] = "folded",
      [PYR_FORMAT_TREE] = "tree",
      [PYR_FORMAT_JFR] = "jfr",
      [PYR_FORMAT_HTML] = "html",
      [PYR_FORMAT_PERF] = "perf",
  };
  return (unsigned)f < sizeof names / sizeof *names ? names[f] : NULL;
}
