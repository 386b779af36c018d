#include <string.h>

#include "profile/regex.h"

/*
** RE2's grammar, read once from left to right. Everything that means something else to PCRE2,
** or nothing to RE2, is refused or spelled so that there is one reading: single characters
** come out as themselves or as \x{..}, groups as (?:..), assertions in groups of their own.
*/
#define MOST_REPEATS 1000 /* also of nested ones, multiplied */
#define MOST_GROUPS 400   /* RE2 takes 1000, PCRE2 not always 600 */

typedef struct group {
  size_t at;        /* where it begins */
  uint32_t repeats; /* largest product of counts in what encloses it */
  bool fold;        /* the flag i outside */
} group;

typedef struct reader {
  const char *p; /* the pattern */
  size_t n, i;   /* its length, where we are */
  pyr_buffer *out;
  pyr_error *e;
  bool fold;        /* the flag i is set */
  bool atom;        /* what came last can be repeated */
  size_t atom_end;  /* where it ends in 'out' */
  bool repeated;    /* it was a repetition */
  uint32_t inside;  /* product of counts in the last atom */
  uint32_t repeats; /* largest product in the open group */
  uint32_t depth;
  group groups[MOST_GROUPS];
} reader;

static bool refuse (reader *r, size_t at, const char *message) {
  pyr_fail(r->e, PYR_EUSAGE, message, at);
  return false;
}

static int look (const reader *r, size_t ahead) {
  return r->n - r->i > ahead ? (unsigned char)r->p[r->i + ahead] : -1;
}

static bool isdigit_ (int c) {
  return c >= '0' && c <= '9';
}

static bool isword (int c) {
  return isdigit_(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hexvalue (int c) {
  if (isdigit_(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static void emitcode (reader *r, uint32_t c) {
  static const char hex[] = "0123456789abcdef";
  char digits[8];
  size_t k = sizeof digits;
  if (c < 0x80 && isword((int)c)) {
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

/* One character of the pattern, taken literally. */
static bool character (reader *r, uint32_t *code) {
  unsigned length = pyr_utf8_length(r->p + r->i, r->n - r->i), k;
  uint32_t c = (unsigned char)r->p[r->i];
  if (length == 0) return refuse(r, r->i, "the pattern is not valid UTF-8");
  if (length > 1) c &= 0x7fu >> length;
  for (k = 1; k < length; k++)
    c = c << 6 | ((unsigned char)r->p[r->i + k] & 0x3f);
  r->i += length;
  *code = c;
  return true;
}

static bool hexescape (reader *r, size_t start, uint32_t *code) {
  uint32_t c = 0;
  size_t digits = 0;
  if (look(r, 0) == '{') {
    for (r->i++; hexvalue(look(r, 0)) >= 0 && c <= 0x10ffff; r->i++, digits++)
      c = c << 4 | (uint32_t)hexvalue(look(r, 0));
    if (digits == 0 || c > 0x10ffff || look(r, 0) != '}')
      return refuse(r, start, "\\x{..} needs hexadecimal digits up to 10FFFF");
    r->i++;
  } else {
    if (hexvalue(look(r, 0)) < 0 || hexvalue(look(r, 1)) < 0)
      return refuse(r, start, "\\x needs two hexadecimal digits");
    c = (uint32_t)(hexvalue(look(r, 0)) << 4 | hexvalue(look(r, 1)));
    r->i += 2;
  }
  if (c >= 0xd800 && c <= 0xdfff)
    return refuse(r, start, "surrogates are no characters");
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

/* What follows a backslash and stands for one character. r->i is at the letter. */
static bool escape (reader *r, uint32_t *code) {
  size_t start = r->i - 1;
  int c = look(r, 0), k;
  static const char letters[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
  const char *known;
  if (c < 0) return refuse(r, start, "a backslash at the end");
  if (c >= '1' && c <= '7' && !(look(r, 1) >= '0' && look(r, 1) <= '7'))
    return refuse(r, start, "back references are not part of RE2's syntax");
  if (c >= '0' && c <= '7') {
    uint32_t octal = 0;
    for (k = 0; k < 3 && look(r, 0) >= '0' && look(r, 0) <= '7'; k++, r->i++)
      octal = octal << 3 | (uint32_t)(look(r, 0) - '0');
    *code = octal;
    return true;
  }
  if (c == '8' || c == '9')
    return refuse(r, start, "back references are not part of RE2's syntax");
  r->i++;
  if (c == 'x') return hexescape(r, start, code);
  known = strchr(letters, c);
  if (known != NULL && c != 0) {
    *code = (uint32_t)codes[known - letters];
    return true;
  }
  if (c >= 0x80 || (isword(c) && c != '_')) return refuse(r, start, unknownescape(c));
  *code = (uint32_t)c;
  return true;
}

/* \pL, \p{Greek}, \P{^Lu}. r->i is at the p. */
static bool property (reader *r) {
  size_t start = r->i - 1, from, length;
  bool negative = look(r, 0) == 'P';
  r->i++;
  if (look(r, 0) == '{') {
    const char *end = memchr(r->p + r->i, '}', r->n - r->i);
    if (end == NULL) return refuse(r, start, "missing } after \\p{");
    r->i++;
    if (look(r, 0) == '^') {
      negative = !negative;
      r->i++;
    }
    from = r->i;
    length = (size_t)(end - r->p) - from;
    r->i = from + length + 1;
  } else {
    from = r->i;
    length = 1;
    if (look(r, 0) < 0) return refuse(r, start, "\\p needs the name of a property");
    r->i++;
  }
  for (size_t k = 0; k < length; k++)
    if (!isword((unsigned char)r->p[from + k]))
      return refuse(r, start, "unknown Unicode property");
  /* X: properties that PCRE2 made up */
  if (length == 0 || (length == 3 && (r->p[from] | 0x20) == 'x') ||
      !pyr_regex_property(r->p + from, length))
    return refuse(r, start, "unknown Unicode property");
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

static void emitrange (reader *r, uint32_t low, uint32_t high) {
  if (low > high) return;
  emitcode(r, low);
  if (low == high) return;
  pyr_buffer_char(r->out, '-');
  emitcode(r, high);
}

static void emitset (reader *r, const set *s, bool negative) {
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
    emitcode(r, LONG_S);
    emitcode(r, KELVIN);
  } else if (negative && folds) {
    emitrange(r, 128, LONG_S - 1);
    emitrange(r, LONG_S + 1, KELVIN - 1);
    emitrange(r, KELVIN + 1, 0x10ffff);
  } else if (negative)
    emitrange(r, 128, 0x10ffff);
}

/* \d \D \s \S \w \W. False if it is none of them. */
static bool perlclass (reader *r, int c, bool bracketed) {
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
static int posixclass (reader *r) {
  size_t start = r->i, k, length = 0, from;
  bool negative;
  if (look(r, 0) != '[' || look(r, 1) != ':') return 0;
  negative = look(r, 2) == '^';
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
    refuse(r, start, "unknown character class");
    return -1;
  }
  emitset(r, sets + k, negative);
  r->i = from + length + 2;
  return 1;
}

static bool classcharacter (reader *r, size_t start, uint32_t *code) {
  if (look(r, 0) < 0) return refuse(r, start, "missing ]");
  if (look(r, 0) != '\\') return character(r, code);
  r->i++;
  return escape(r, code);
}

/* An escape in brackets that stands for several characters: 1 done, 0 none, -1 refused. */
static int classescape (reader *r) {
  int c = look(r, 1);
  if (look(r, 0) != '\\') return 0;
  r->i++;
  if (c == 'p' || c == 'P') return property(r) ? 1 : -1;
  if (perlclass(r, c, true)) return 1;
  r->i--;
  return 0;
}

static bool brackets (reader *r) {
  size_t start = r->i++;
  bool first = true;
  pyr_buffer_char(r->out, '[');
  if (look(r, 0) == '^') {
    pyr_buffer_char(r->out, '^');
    r->i++;
  }
  for (; first || look(r, 0) != ']'; first = false) {
    size_t from = r->i;
    uint32_t low, high;
    int done = posixclass(r);
    if (done == 0) done = classescape(r);
    if (done < 0) return false;
    if (done > 0) continue;
    if (!classcharacter(r, start, &low)) return false;
    high = low;
    if (look(r, 0) == '-' && look(r, 1) >= 0 && look(r, 1) != ']') {
      r->i++;
      if (!classcharacter(r, start, &high)) return false;
      if (high < low) return refuse(r, from, "the range is backwards");
    }
    emitrange(r, low, high);
  }
  r->i++;
  pyr_buffer_char(r->out, ']');
  return true;
}

/* A name of a group; nothing refers to it, but it must be well formed. */
static bool groupname (reader *r, size_t start, size_t skip) {
  size_t from = r->i + skip, end = from;
  while (end < r->n && isword((unsigned char)r->p[end]))
    end++;
  if (end == from || end == r->n || r->p[end] != '>')
    return refuse(r, start,
                  "a group's name has letters, digits and _, and ends with >");
  r->i = end + 1;
  return true;
}

/* 'fold' is the flag i outside of it. */
static bool opengroup (reader *r, size_t start, bool fold) {
  if (r->depth == MOST_GROUPS) {
    pyr_fail(r->e, PYR_ELIMIT, "groups are nested too deeply", PYR_NOWHERE);
    return false;
  }
  r->groups[r->depth++] = (group){start, r->repeats, fold};
  r->repeats = 1;
  r->atom = r->repeated = false;
  return true;
}

static const char *unknowngroup (const reader *r) {
  int c = look(r, 0), d = look(r, 1);
  if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!')))
    return "look-ahead and look-behind are not part of RE2's syntax";
  if (c == '>') return "atomic groups are not part of RE2's syntax";
  if (c == '#') return "comments are not part of RE2's syntax";
  if (c == '(') return "conditions are not part of RE2's syntax";
  if (c == '|') return "branch reset is not part of RE2's syntax";
  if (c == 'R' || c == '&' || c == '+' || isdigit_(c) || (c == 'P' && d == '>'))
    return "recursion is not part of RE2's syntax";
  if (c == 'P' && d == '=') return "back references are not part of RE2's syntax";
  return "the flags of a group are i, m, s and U";
}

/* "(?i)", "(?i-s:"; r->i is behind the question mark. */
static bool flags (reader *r, size_t start) {
  size_t from = r->i, k = from;
  bool minus = false, any = false, fold = r->fold;
  for (; k < r->n && r->p[k] != ')' && r->p[k] != ':'; k++) {
    if (r->p[k] == '-' && !minus) {
      minus = true;
      any = false;
    } else if (strchr("imsU", r->p[k]) != NULL && r->p[k] != '\0') {
      any = true;
      if (r->p[k] == 'i') fold = !minus;
    } else
      return refuse(r, start, unknowngroup(r));
  }
  if (k == r->n) return refuse(r, start, "missing )");
  if (minus && !any) return refuse(r, start, "the flags of a group are i, m, s and U");
  pyr_buffer_text(r->out, "(?");
  pyr_buffer_add(r->out, r->p + from, k - from);
  pyr_buffer_char(r->out, r->p[k]);
  r->i = k + 1;
  if (r->p[k] == ':' && !opengroup(r, start, r->fold)) return false;
  r->fold = fold;
  return true; /* "a(?i)*" repeats a, so what came last stays */
}

static bool parenthesis (reader *r) {
  size_t start = r->i++;
  if (look(r, 0) == '?') {
    r->i++;
    if (look(r, 0) == 'P' && look(r, 1) == '<') {
      if (!groupname(r, start, 2)) return false;
    } else if (look(r, 0) == '<' && look(r, 1) != '=' && look(r, 1) != '!') {
      if (!groupname(r, start, 1)) return false;
    } else
      return flags(r, start);
  }
  pyr_buffer_text(r->out, "(?:");
  return opengroup(r, start, r->fold);
}

static bool closegroup (reader *r) {
  group *g;
  if (r->depth == 0) return refuse(r, r->i, "unexpected )");
  g = r->groups + --r->depth;
  pyr_buffer_char(r->out, ')');
  r->i++;
  r->inside = r->repeats;
  if (g->repeats > r->repeats) r->repeats = g->repeats;
  r->fold = g->fold;
  r->atom = true;
  r->atom_end = r->out->len;
  r->repeated = false;
  return true;
}

static bool count (reader *r, size_t *at, uint32_t *value) {
  size_t from = *at;
  uint32_t v = 0;
  for (; *at < r->n && isdigit_((unsigned char)r->p[*at]); (*at)++)
    if (v <= MOST_REPEATS) v = v * 10 + (uint32_t)(r->p[*at] - '0');
  *value = v;
  return *at > from && !(*at - from > 1 && r->p[from] == '0');
}

/* "{2}", "{2,}", "{2,3}"; anything else is a brace: false, and nothing was read. */
static bool counted (const reader *r, size_t *end, uint32_t *low, uint32_t *high) {
  size_t at = r->i + 1;
  if (!count((reader *)(uintptr_t)r, &at, low)) return false;
  *high = *low;
  if (at < r->n && r->p[at] == ',') {
    at++;
    if (at < r->n && r->p[at] == '}')
      *high = UINT32_MAX;
    else if (!count((reader *)(uintptr_t)r, &at, high))
      return false;
  }
  if (at >= r->n || r->p[at] != '}') return false;
  *end = at + 1;
  return true;
}

/* Puts a repetition behind the last atom: flags may stand between them. */
static void insert (reader *r, const char *text, size_t n) {
  size_t behind = r->out->len - r->atom_end;
  pyr_buffer_add(r->out, text, n);
  if (behind == 0 || r->out->status != PYR_OK) return;
  memmove(r->out->data + r->atom_end + n, r->out->data + r->atom_end, behind);
  memcpy(r->out->data + r->atom_end, text, n);
}

static bool repeat (reader *r, size_t end, uint32_t low, uint32_t high) {
  size_t start = r->i;
  uint32_t most = high == UINT32_MAX ? low : high;
  if (low > MOST_REPEATS || most > MOST_REPEATS)
    return refuse(r, start, "a count is at most 1000");
  if (high < low) return refuse(r, start, "the count is backwards");
  if (!r->atom)
    return refuse(r, start,
                  r->repeated ? "a repetition of a repetition; put the inner one "
                                "into a group (there are no possessive ones)"
                              : "nothing to repeat");
  if (r->p[start] == '{' && most >= 2) {
    if (r->inside * most > MOST_REPEATS)
      return refuse(r, start, "nested counts multiply to more than 1000");
    r->inside *= most;
    if (r->inside > r->repeats) r->repeats = r->inside;
  }
  if (end < r->n && r->p[end] == '?') end++;
  insert(r, r->p + start, end - start);
  r->i = end;
  r->atom = false;
  r->repeated = true;
  return true;
}

static bool atom (reader *r) {
  r->atom = true;
  r->atom_end = r->out->len;
  r->repeated = false;
  r->inside = 1;
  return true;
}

static bool quoted (reader *r) {
  r->i++;
  while (r->i < r->n && !(look(r, 0) == '\\' && look(r, 1) == 'E')) {
    uint32_t code;
    if (!character(r, &code)) return false;
    emitcode(r, code);
    atom(r);
  }
  if (r->i < r->n) r->i += 2;
  return true;
}

static bool backslash (reader *r) {
  int c = look(r, 1);
  uint32_t code;
  r->i++;
  switch (c) {
  case 'A':
  case 'b':
  case 'B':
  case 'z':
    pyr_buffer_text(r->out, "(?:\\");
    pyr_buffer_char(r->out, (char)c);
    pyr_buffer_char(r->out, ')');
    r->i++;
    return atom(r);
  case 'Q':
    return quoted(r);
  case 'p':
  case 'P':
    return property(r) && atom(r);
  default:
    if (perlclass(r, c, false)) return atom(r);
    if (!escape(r, &code)) return false;
    emitcode(r, code);
    return atom(r);
  }
}

static bool item (reader *r) {
  size_t end;
  uint32_t low, high;
  switch (look(r, 0)) {
  case '(':
    return parenthesis(r);
  case ')':
    return closegroup(r);
  case '[':
    return brackets(r) && atom(r);
  case '\\':
    return backslash(r);
  case '|':
    pyr_buffer_char(r->out, '|');
    r->i++;
    r->atom = r->repeated = false;
    return true;
  case '^':
  case '$':
    pyr_buffer_text(r->out, "(?:");
    pyr_buffer_char(r->out, r->p[r->i++]);
    pyr_buffer_char(r->out, ')');
    return atom(r);
  case '.':
    pyr_buffer_char(r->out, '.');
    r->i++;
    return atom(r);
  case '*':
    return repeat(r, r->i + 1, 0, UINT32_MAX);
  case '+':
    return repeat(r, r->i + 1, 1, UINT32_MAX);
  case '?':
    return repeat(r, r->i + 1, 0, 1);
  case '{':
    if (counted(r, &end, &low, &high)) return repeat(r, end, low, high);
    break;
  default:
    break;
  }
  if (!character(r, &low)) return false;
  emitcode(r, low);
  return atom(r);
}

pyr_status pyr_regex_translate (pyr_buffer *out, const char *pattern, size_t length,
                                pyr_error *e) {
  reader r = {.p = pattern, .n = length, .out = out, .e = e, .inside = 1, .repeats = 1};
  if (length > 65536)
    return pyr_fail(e, PYR_ELIMIT, "a pattern has at most 65,536 bytes", PYR_NOWHERE);
  while (r.i < r.n)
    if (!item(&r)) return e->status;
  if (r.depth != 0) {
    refuse(&r, r.groups[r.depth - 1].at, "missing )");
    return e->status;
  }
  if (out->status == PYR_EMEMORY) return pyr_nomemory(e);
  if (out->status != PYR_OK)
    return pyr_fail(e, PYR_ELIMIT, "the regular expression is too large", PYR_NOWHERE);
  return PYR_OK;
}
