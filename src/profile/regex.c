#include "profile/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/buffer.h"

#define MATCH_LIMIT 100000
#define COUNT_MAX 1000

typedef struct translator {
  const char *begin, *p, *end;
  pyr_buffer out;
  pyr_error *e;
  bool quantifiable; /* the last thing may be repeated */
  bool repeated;     /* the last thing was a repetition */
} translator;

static bool refuse (translator *t, const char *at, const char *why) {
  pyr_fail(t->e, PYR_EUSAGE, why, (size_t)(at - t->begin));
  return false;
}

static void copy (translator *t, size_t n) {
  pyr_buffer_add(&t->out, t->p, n);
  t->p += n;
}

static bool isoctal (const char *p, const char *end) {
  return p < end && *p >= '0' && *p <= '7';
}

static void octal (translator *t) {
  unsigned v = 0;
  int i;
  char text[12];
  static const char hex[] = "0123456789abcdef";
  t->p++;
  for (i = 0; i < 3 && isoctal(t->p, t->end); i++) v = v * 8 + (unsigned)(*t->p++ - '0');
  memcpy(text, "\\x{000}", 7);
  text[3] = hex[v >> 8 & 15];
  text[4] = hex[v >> 4 & 15];
  text[5] = hex[v & 15];
  pyr_buffer_add(&t->out, text, 7);
}

/* \Q...\E: what is between is literal in both languages. */
static void quoted (translator *t) {
  const char *q = t->p + 2;
  while (q < t->end && !(q[0] == '\\' && q + 1 < t->end && q[1] == 'E')) q++;
  copy(t, (size_t)(q - t->p));
  if (t->p < t->end)
    copy(t, 2);
  else
    pyr_buffer_text(&t->out, "\\E");
}

static bool escape (translator *t, bool inclass) {
  const char *at = t->p;
  char c;
  if (t->end - at < 2) return refuse(t, at, "the pattern ends with a backslash");
  c = at[1];
  if (c == '0' || (c >= '1' && c <= '7' && isoctal(at + 2, t->end))) {
    octal(t);
    return true;
  }
  if (c >= '1' && c <= '9') return refuse(t, at, "RE2 has no back references");
  if (c == 's' || c == 'S') { /* Perl's has the vertical tab in it */
    pyr_buffer_text(&t->out, c == 's' ? (inclass ? "\\t\\n\\f\\r\\x20" : "[\\t\\n\\f\\r\\x20]")
                                      : (inclass ? "\\S\\x0b" : "[^\\t\\n\\f\\r\\x20]"));
    t->p += 2;
    return true;
  }
  if (c == 'v') {
    pyr_buffer_text(&t->out, "\\x0b");
    t->p += 2;
    return true;
  }
  if (c == 'Q' && !inclass) {
    quoted(t);
    return true;
  }
  if (strchr("dDwWafntrxpP", c) != NULL || (!inclass && strchr("bBAz", c) != NULL)) {
    copy(t, 2);
    return true;
  }
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
    return refuse(t, at, "RE2 does not know this escape");
  copy(t, 2);
  return true;
}

static bool class (translator *t) {
  const char *at = t->p;
  copy(t, 1);
  if (t->p < t->end && *t->p == '^') copy(t, 1);
  if (t->p < t->end && *t->p == ']') { /* first: itself */
    pyr_buffer_text(&t->out, "\\]");
    t->p++;
  }
  while (t->p < t->end && *t->p != ']') {
    if (*t->p == '\\') {
      if (!escape(t, true)) return false;
    } else if (*t->p == '[' && t->end - t->p > 1 && t->p[1] == ':') {
      const char *q = t->p + 2;
      while (t->end - q > 1 && !(q[0] == ':' && q[1] == ']')) q++;
      if (t->end - q > 1)
        copy(t, (size_t)(q + 2 - t->p));
      else {
        pyr_buffer_text(&t->out, "\\[");
        t->p++;
      }
    } else if (*t->p == '[') { /* "[." and "[=" are literal in RE2 */
      pyr_buffer_text(&t->out, "\\[");
      t->p++;
    } else
      copy(t, 1);
  }
  if (t->p == t->end) return refuse(t, at, "missing closing ]");
  copy(t, 1);
  return true;
}

/* {n}, {n,} and {n,m} are counts; every other brace is a brace. */
static bool braces (translator *t) {
  const char *at = t->p, *q = at + 1;
  long n = 0, m = 0;
  int digits = 0;
  for (; q < t->end && *q >= '0' && *q <= '9'; q++, digits++)
    if (n <= COUNT_MAX) n = n * 10 + (*q - '0');
  if (digits != 0 && q < t->end && *q == ',')
    for (q++; q < t->end && *q >= '0' && *q <= '9'; q++)
      if (m <= COUNT_MAX) m = m * 10 + (*q - '0');
  if (digits == 0 || q == t->end || *q != '}') {
    pyr_buffer_text(&t->out, "\\{");
    t->p++;
    t->quantifiable = true;
    t->repeated = false;
    return true;
  }
  if (n > COUNT_MAX || m > COUNT_MAX) return refuse(t, at, "a count above 1000");
  if (!t->quantifiable) return refuse(t, at, "nothing to repeat");
  if (t->repeated) return refuse(t, at, "a repetition of a repetition");
  copy(t, (size_t)(q + 1 - at));
  if (t->p < t->end && *t->p == '?') copy(t, 1);
  t->repeated = true;
  return true;
}

static bool repetition (translator *t) {
  if (!t->quantifiable) return refuse(t, t->p, "nothing to repeat");
  if (t->repeated) return refuse(t, t->p, "a repetition of a repetition");
  copy(t, 1);
  if (t->p < t->end && *t->p == '?') copy(t, 1);
  t->repeated = true;
  return true;
}

/* Behind "(": plain, (?flags), (?flags:, (?:, (?P<name>, (?<name>. */
static bool group (translator *t) {
  const char *at = t->p, *q = at + 1;
  t->quantifiable = t->repeated = false;
  if (q < t->end && *q == '*') return refuse(t, at, "RE2 has no verbs");
  if (q == t->end || *q != '?') {
    copy(t, 1);
    return true;
  }
  q++;
  if (q < t->end && *q == 'P') q++;
  if (q < t->end && *q == '<' && !(t->end - q > 1 && (q[1] == '=' || q[1] == '!'))) {
    while (q < t->end && *q != '>') q++;
    if (q == t->end) return refuse(t, at, "missing > of a group name");
    copy(t, (size_t)(q + 1 - at));
    return true;
  }
  if (q[-1] == 'P') return refuse(t, at, "RE2 does not know this group");
  while (q < t->end && strchr("imsU-", *q) != NULL) q++;
  if (q == t->end || (*q != ':' && *q != ')'))
    return refuse(t, at, "RE2 does not know this group (look-around, flags other than imsU)");
  copy(t, (size_t)(q + 1 - at));
  return true;
}

static bool translate (translator *t) {
  while (t->p < t->end) {
    char c = *t->p;
    bool good = true;
    switch (c) {
    case '\\':
      good = escape(t, false);
      break;
    case '[':
      good = class(t);
      break;
    case '(':
      if (!group(t)) return false;
      continue;
    case '{':
      if (!braces(t)) return false;
      continue;
    case '*':
    case '+':
    case '?':
      if (!repetition(t)) return false;
      continue;
    case '|':
      copy(t, 1);
      t->quantifiable = t->repeated = false;
      continue;
    default:
      copy(t, 1);
    }
    if (!good) return false;
    t->quantifiable = true;
    t->repeated = false;
  }
  return true;
}

void pyr_regex_free (pyr_regex *r) {
  pcre2_match_data_free(r->match);
  pcre2_match_context_free(r->context);
  pcre2_code_free(r->code);
  memset(r, 0, sizeof *r);
}

static pyr_status compile (pyr_regex *r, translator *t, bool anchored, pyr_error *e) {
  uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
  int code;
  PCRE2_SIZE where;
  pcre2_compile_context *c = pcre2_compile_context_create(NULL);
  if (c == NULL || t->out.status != PYR_OK) {
    pcre2_compile_context_free(c);
    return pyr_nomemory(e);
  }
  pcre2_set_newline(c, PCRE2_NEWLINE_LF);
  if (anchored) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL;
  r->code = pcre2_compile((PCRE2_SPTR)(t->out.data == NULL ? "" : t->out.data), t->out.len,
                          options, &code, &where, c);
  pcre2_compile_context_free(c);
  if (r->code == NULL)
    return pyr_fail(e, PYR_EUSAGE, "the pattern is malformed",
                    where < (size_t)(t->end - t->begin) ? where
                                                        : (size_t)(t->end - t->begin));
  r->match = pcre2_match_data_create(1, NULL);
  r->context = pcre2_match_context_create(NULL);
  if (r->match == NULL || r->context == NULL) return pyr_nomemory(e);
  pcre2_set_match_limit(r->context, MATCH_LIMIT);
  pcre2_set_depth_limit(r->context, MATCH_LIMIT);
  pcre2_set_heap_limit(r->context, 20000);
  return PYR_OK;
}

pyr_status pyr_regex_compile (pyr_regex *r, const char *pattern, size_t len, bool anchored,
                              pyr_error *e) {
  translator t = {pattern, pattern, pattern + len, {NULL, 0, 0, 0, PYR_OK}, e, false, false};
  const char *q;
  memset(r, 0, sizeof *r);
  e->status = PYR_OK;
  for (q = pattern; q < t.end;) {
    unsigned n = pyr_utf8_length(q, (size_t)(t.end - q));
    if (n == 0)
      return pyr_fail(e, PYR_EUSAGE, "the pattern is not UTF-8", (size_t)(q - pattern));
    q += n;
  }
  if (translate(&t)) compile(r, &t, anchored, e);
  pyr_buffer_free(&t.out);
  if (e->status != PYR_OK) pyr_regex_free(r);
  return e->status;
}

pyr_status pyr_regex_test (const pyr_regex *r, const char *text, size_t len, bool *matches,
                           pyr_error *e) {
  size_t i = 0;
  int result;
  *matches = false;
  while (i < len) {
    unsigned n = (unsigned char)text[i] < 0x80 ? 1 : pyr_utf8_length(text + i, len - i);
    if (n == 0) return PYR_OK;
    i += n;
  }
  result = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, r->match,
                       r->context);
  if (result == PCRE2_ERROR_NOMATCH) return PYR_OK;
  if (result == PCRE2_ERROR_NOMEMORY) return pyr_nomemory(e);
  if (result < 0)
    return pyr_fail(e, PYR_ELIMIT, "the pattern takes too many steps on one name",
                    PYR_NOWHERE);
  *matches = true;
  return PYR_OK;
}
