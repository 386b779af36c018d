#include <string.h>

#include "profile/rewrite.h"

bool pyr_re_refuse (pyr_rewriter *r, size_t at, const char *message) {
  pyr_fail(r->e, PYR_EUSAGE, message, at);
  return false;
}

static int hexvalue (int c) {
  if (pyr_re_isdigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void pyr_re_emit (pyr_rewriter *r, uint32_t c) {
  static const char hex[] = "0123456789abcdef";
  char digits[8];
  size_t k = sizeof digits;
  if (c < 0x80 && pyr_re_isword((int)c)) {
    pyr_buffer_char(r->out, (char)c);
    return;
  }
  do
    digits[--k] = hex[c & 15];
  while ((c >>= 4) != 0);
  pyr_buffer_text(r->out, "\\x{");
  pyr_buffer_add(r->out, digits + k, sizeof digits - k);
  pyr_buffer_char(r->out, '}');
}

bool pyr_re_character (pyr_rewriter *r, uint32_t *code) {
  unsigned length = pyr_utf8_length(r->p + r->i, r->n - r->i), k;
  uint32_t c = (unsigned char)r->p[r->i];
  if (length == 0) return pyr_re_refuse(r, r->i, "the pattern is not valid UTF-8");
  if (length > 1) c &= 0x7fu >> length;
  for (k = 1; k < length; k++)
    c = c << 6 | ((unsigned char)r->p[r->i + k] & 0x3f);
  r->i += length;
  *code = c;
  return true;
}

static bool hexescape (pyr_rewriter *r, size_t start, uint32_t *code) {
  uint32_t c = 0;
  size_t digits = 0;
  if (pyr_re_look(r, 0) == '{') {
    for (r->i++; hexvalue(pyr_re_look(r, 0)) >= 0 && c <= 0x10ffff; r->i++, digits++)
      c = c << 4 | (uint32_t)hexvalue(pyr_re_look(r, 0));
    if (digits == 0 || c > 0x10ffff || pyr_re_look(r, 0) != '}')
      return pyr_re_refuse(r, start, "\\x{..} needs hexadecimal digits up to 10FFFF");
    r->i++;
  } else {
    if (hexvalue(pyr_re_look(r, 0)) < 0 || hexvalue(pyr_re_look(r, 1)) < 0)
      return pyr_re_refuse(r, start, "\\x needs two hexadecimal digits");
    c = (uint32_t)(hexvalue(pyr_re_look(r, 0)) << 4 | hexvalue(pyr_re_look(r, 1)));
    r->i += 2;
  }
  if (c >= 0xd800 && c <= 0xdfff)
    return pyr_re_refuse(r, start, "surrogates are no characters");
  *code = c;
  return true;
}

static const char *unknownescape (int c) {
  switch (c) {
  case 'C':
    return "\\C (a single byte) is not supported";
  case 'G':
  case 'K':
  case 'R':
  case 'X':
  case 'Z':
  case 'h':
  case 'H':
  case 'N':
  case 'V':
    return "this escape is not part of RE2's syntax";
  case 'g':
  case 'k':
    return "back references are not part of RE2's syntax";
  default:
    return "unknown escape";
  }
}

bool pyr_re_escape (pyr_rewriter *r, uint32_t *code) {
  size_t start = r->i - 1;
  int c = pyr_re_look(r, 0), k;
  static const char letters[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
  const char *known;
  if (c < 0) return pyr_re_refuse(r, start, "a backslash at the end");
  if (c >= '1' && c <= '7' && !(pyr_re_look(r, 1) >= '0' && pyr_re_look(r, 1) <= '7'))
    return pyr_re_refuse(r, start, "back references are not part of RE2's syntax");
  if (c >= '0' && c <= '7') {
    uint32_t octal = 0;
    for (k = 0; k < 3 && pyr_re_look(r, 0) >= '0' && pyr_re_look(r, 0) <= '7';
         k++, r->i++)
      octal = octal << 3 | (uint32_t)(pyr_re_look(r, 0) - '0');
    *code = octal;
    return true;
  }
  if (c == '8' || c == '9')
    return pyr_re_refuse(r, start, "back references are not part of RE2's syntax");
  r->i++;
  if (c == 'x') return hexescape(r, start, code);
  known = strchr(letters, c);
  if (known != NULL && c != 0) {
    *code = (uint32_t)codes[known - letters];
    return true;
  }
  if (c >= 0x80 || (pyr_re_isword(c) && c != '_'))
    return pyr_re_refuse(r, start, unknownescape(c));
  *code = (uint32_t)c;
  return true;
}

bool pyr_re_property (pyr_rewriter *r) {
  size_t start = r->i - 1, from, length;
  bool negative = pyr_re_look(r, 0) == 'P';
  r->i++;
  if (pyr_re_look(r, 0) == '{') {
    const char *end = memchr(r->p + r->i, '}', r->n - r->i);
    if (end == NULL) return pyr_re_refuse(r, start, "missing } after \\p{");
    r->i++;
    if (pyr_re_look(r, 0) == '^') {
      negative = !negative;
      r->i++;
    }
    from = r->i;
    length = (size_t)(end - r->p) - from;
    r->i = from + length + 1;
  } else {
    from = r->i;
    length = 1;
    if (pyr_re_look(r, 0) < 0)
      return pyr_re_refuse(r, start, "\\p needs the name of a property");
    r->i++;
  }
  for (size_t k = 0; k < length; k++)
    if (!pyr_re_isword((unsigned char)r->p[from + k]))
      return pyr_re_refuse(r, start, "unknown Unicode property");
  /* X: properties that PCRE2 made up */
  if (length == 0 || (length == 3 && (r->p[from] | 0x20) == 'x') ||
      !pyr_regex_property(r->p + from, length))
    return pyr_re_refuse(r, start, "unknown Unicode property");
  pyr_buffer_text(r->out, negative ? "\\P{" : "\\p{");
  if (r->fold && length == 2 && (r->p[from] | 0x20) == 'l' &&
      strchr("ultULT", r->p[from + 1]) != NULL) { /* RE2 folds them, PCRE2 does not */
    pyr_buffer_text(r->out, "L&}");
    return true;
  }
  /* without a prefix, scripts mean their extensions too in newer versions of PCRE2 */
  if (length > 3 || (length == 3 && memcmp(r->p + from, "Any", 3) != 0)) {
    char name[64] = "sc:";
    if (length < sizeof name - 3) {
      memcpy(name + 3, r->p + from, length);
      if (pyr_regex_property(name, length + 3)) pyr_buffer_text(r->out, "sc:");
    }
  }
  pyr_buffer_add(r->out, r->p + from, length);
  pyr_buffer_char(r->out, '}');
  return true;
}

/*
** Named sets of ASCII characters, as pairs of first and last. They are written out as ranges:
** PCRE2's own names do not fold, and mixing negative ones with properties in one bracket makes
** it forget characters.
*/
typedef struct set {
  const char *name;
  const char *pairs;
  size_t count;
} set;

#define SET(name, pairs)                                                               \
  { name, pairs, sizeof pairs / 2 }
static const set sets[] = {SET("alnum", "09AZaz"),
                           SET("alpha", "AZaz"),
                           SET("ascii", "\0\x7f"),
                           SET("blank", "\t\t  "),
                           SET("cntrl", "\0\x1f\x7f\x7f"),
                           SET("digit", "09"),
                           SET("graph", "!~"),
                           SET("lower", "az"),
                           SET("print", " ~"),
                           SET("punct", "!/:@[`{~"),
                           SET("space", "\t\r  "),
                           SET("upper", "AZ"),
                           SET("word", "09AZ__az"),
                           SET("xdigit", "09AFaf")};
static const set perlspace = SET("s", "\t\n\f\r  "); /* no vertical tab */

/* The two characters that fold into ASCII, and to what. */
#define LONG_S 0x17f
#define KELVIN 0x212a

static void emitrange (pyr_rewriter *r, uint32_t low, uint32_t high) {
  if (low > high) return;
  pyr_re_emit(r, low);
  if (low == high) return;
  pyr_buffer_char(r->out, '-');
  pyr_re_emit(r, high);
}

static void emitset (pyr_rewriter *r, const set *s, bool negative) {
  bool in[128] = {false}, folds = false;
  uint32_t c, start;
  size_t k;
  for (k = 0; k < s->count; k++)
    for (c = (unsigned char)s->pairs[2 * k]; c <= (unsigned char)s->pairs[2 * k + 1];
         c++)
      in[c] = true;
  for (c = 'a'; r->fold && c <= 'z'; c++) {
    in[c] = in[c - 32] = in[c] || in[c - 32];
    folds = folds || in[c];
  }
  for (c = 0; c < 128; c = start + 1) { /* runs of what is wanted */
    for (start = c; start < 128 && in[start] != !negative; start++) {
    }
    if (start == 128) break;
    for (c = start; c < 127 && in[c + 1] == !negative; c++) {
    }
    emitrange(r, start, c);
    start = c;
  }
  if (!negative && folds) {
    pyr_re_emit(r, LONG_S);
    pyr_re_emit(r, KELVIN);
  } else if (negative && folds) {
    emitrange(r, 128, LONG_S - 1);
    emitrange(r, LONG_S + 1, KELVIN - 1);
    emitrange(r, KELVIN + 1, 0x10ffff);
  } else if (negative)
    emitrange(r, 128, 0x10ffff);
}

bool pyr_re_perlclass (pyr_rewriter *r, int c, bool bracketed) {
  const set *s = &perlspace;
  int lower = c | 0x20;
  if (lower == 'd' || lower == 'w') {
    for (s = sets; s->name[0] != lower; s++) {
    }
  } else if (lower != 's')
    return false;
  if (!bracketed) pyr_buffer_char(r->out, '[');
  emitset(r, s, c != lower);
  if (!bracketed) pyr_buffer_char(r->out, ']');
  r->i++;
  return true;
}

/* "[:alpha:]" inside brackets: 1 done, 0 none, -1 refused. */
static int posixclass (pyr_rewriter *r) {
  size_t start = r->i, k, length = 0, from;
  bool negative;
  if (pyr_re_look(r, 0) != '[' || pyr_re_look(r, 1) != ':') return 0;
  negative = pyr_re_look(r, 2) == '^';
  from = r->i + 2 + negative;
  while (from + length + 1 < r->n &&
         !(r->p[from + length] == ':' && r->p[from + length + 1] == ']'))
    length++;
  if (from + length + 1 >= r->n) return 0; /* no ":]": a plain bracket */
  for (k = 0; k < sizeof sets / sizeof *sets; k++)
    if (strlen(sets[k].name) == length &&
        memcmp(sets[k].name, r->p + from, length) == 0)
      break;
  if (k == sizeof sets / sizeof *sets) {
    pyr_re_refuse(r, start, "unknown character class");
    return -1;
  }
  emitset(r, sets + k, negative);
  r->i = from + length + 2;
  return 1;
}

static bool classcharacter (pyr_rewriter *r, size_t start, uint32_t *code) {
  if (pyr_re_look(r, 0) < 0) return pyr_re_refuse(r, start, "missing ]");
  if (pyr_re_look(r, 0) != '\\') return pyr_re_character(r, code);
  r->i++;
  return pyr_re_escape(r, code);
}

/* An escape in brackets that stands for several characters: 1 done, 0 none, -1 refused. */
static int classescape (pyr_rewriter *r) {
  int c = pyr_re_look(r, 1);
  if (pyr_re_look(r, 0) != '\\') return 0;
  r->i++;
  if (c == 'p' || c == 'P') return pyr_re_property(r) ? 1 : -1;
  if (pyr_re_perlclass(r, c, true)) return 1;
  r->i--;
  return 0;
}

bool pyr_re_brackets (pyr_rewriter *r) {
  size_t start = r->i++;
  bool first = true;
  pyr_buffer_char(r->out, '[');
  if (pyr_re_look(r, 0) == '^') {
    pyr_buffer_char(r->out, '^');
    r->i++;
  }
  for (; first || pyr_re_look(r, 0) != ']'; first = false) {
    size_t from = r->i;
    uint32_t low, high;
    int done = posixclass(r);
    if (done == 0) done = classescape(r);
    if (done < 0) return false;
    if (done > 0) continue;
    if (!classcharacter(r, start, &low)) return false;
    high = low;
    if (pyr_re_look(r, 0) == '-' && pyr_re_look(r, 1) >= 0 &&
        pyr_re_look(r, 1) != ']') {
      r->i++;
      if (!classcharacter(r, start, &high)) return false;
      if (high < low) return pyr_re_refuse(r, from, "the range is backwards");
    }
    emitrange(r, low, high);
  }
  r->i++;
  pyr_buffer_char(r->out, ']');
  return true;
}
