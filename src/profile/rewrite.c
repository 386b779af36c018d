#include <string.h>

#include "profile/rewrite.h"

/*
** RE2's grammar, read once from left to right. Everything that means something else to PCRE2,
** or nothing to RE2, is refused or spelled so that there is one reading: single characters
** come out as themselves or as \x{..}, groups as (?:..), assertions in groups of their own.
*/
#define MOST_REPEATS 1000 /* also of nested ones, multiplied */
/* A name of a group; nothing refers to it, but it must be well formed. */
static bool groupname (pyr_rewriter *r, size_t start, size_t skip) {
  size_t from = r->i + skip, end = from;
  while (end < r->n && pyr_re_isword((unsigned char)r->p[end]))
    end++;
  if (end == from || end == r->n || r->p[end] != '>')
    return pyr_re_refuse(r, start,
                         "a group's name has letters, digits and _, and ends with >");
  r->i = end + 1;
  return true;
}

/* 'fold' is the flag i outside of it. */
static bool opengroup (pyr_rewriter *r, size_t start, bool fold) {
  if (r->depth == PYR_GROUPS_MAX) {
    pyr_fail(r->e, PYR_ELIMIT, "groups are nested too deeply", PYR_NOWHERE);
    return false;
  }
  r->groups[r->depth++] = (pyr_rewritergroup){start, r->repeats, fold};
  r->repeats = 1;
  r->atom = r->repeated = false;
  return true;
}

static const char *unknowngroup (const pyr_rewriter *r) {
  int c = pyr_re_look(r, 0), d = pyr_re_look(r, 1);
  if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!')))
    return "look-ahead and look-behind are not part of RE2's syntax";
  if (c == '>') return "atomic groups are not part of RE2's syntax";
  if (c == '#') return "comments are not part of RE2's syntax";
  if (c == '(') return "conditions are not part of RE2's syntax";
  if (c == '|') return "branch reset is not part of RE2's syntax";
  if (c == 'R' || c == '&' || c == '+' || pyr_re_isdigit(c) || (c == 'P' && d == '>'))
    return "recursion is not part of RE2's syntax";
  if (c == 'P' && d == '=') return "back references are not part of RE2's syntax";
  return "the flags of a group are i, m, s and U";
}

/* "(?i)", "(?i-s:"; r->i is behind the question mark. */
static bool flags (pyr_rewriter *r, size_t start) {
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
      return pyr_re_refuse(r, start, unknowngroup(r));
  }
  if (k == r->n) return pyr_re_refuse(r, start, "missing )");
  if (minus && !any)
    return pyr_re_refuse(r, start, "the flags of a group are i, m, s and U");
  pyr_buffer_text(r->out, "(?");
  pyr_buffer_add(r->out, r->p + from, k - from);
  pyr_buffer_char(r->out, r->p[k]);
  r->i = k + 1;
  if (r->p[k] == ':' && !opengroup(r, start, r->fold)) return false;
  r->fold = fold;
  return true; /* "a(?i)*" repeats a, so what came last stays */
}

static bool parenthesis (pyr_rewriter *r) {
  size_t start = r->i++;
  if (pyr_re_look(r, 0) == '?') {
    r->i++;
    if (pyr_re_look(r, 0) == 'P' && pyr_re_look(r, 1) == '<') {
      if (!groupname(r, start, 2)) return false;
    } else if (pyr_re_look(r, 0) == '<' && pyr_re_look(r, 1) != '=' &&
               pyr_re_look(r, 1) != '!') {
      if (!groupname(r, start, 1)) return false;
    } else
      return flags(r, start);
  }
  pyr_buffer_text(r->out, "(?:");
  return opengroup(r, start, r->fold);
}

static bool closegroup (pyr_rewriter *r) {
  pyr_rewritergroup *g;
  if (r->depth == 0) return pyr_re_refuse(r, r->i, "unexpected )");
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

static bool count (const pyr_rewriter *r, size_t *at, uint32_t *value) {
  size_t from = *at;
  uint32_t v = 0;
  for (; *at < r->n && pyr_re_isdigit((unsigned char)r->p[*at]); (*at)++)
    if (v <= MOST_REPEATS) v = v * 10 + (uint32_t)(r->p[*at] - '0');
  *value = v;
  return *at > from && !(*at - from > 1 && r->p[from] == '0');
}

/* "{2}", "{2,}", "{2,3}"; anything else is a brace: false, and nothing was read. */
static bool counted (const pyr_rewriter *r, size_t *end, uint32_t *low,
                     uint32_t *high) {
  size_t at = r->i + 1;
  if (!count(r, &at, low)) return false;
  *high = *low;
  if (at < r->n && r->p[at] == ',') {
    at++;
    if (at < r->n && r->p[at] == '}')
      *high = UINT32_MAX;
    else if (!count(r, &at, high))
      return false;
  }
  if (at >= r->n || r->p[at] != '}') return false;
  *end = at + 1;
  return true;
}

/* Puts a repetition behind the last atom: flags may stand between them. */
static void insert (pyr_rewriter *r, const char *text, size_t n) {
  size_t behind = r->out->len - r->atom_end;
  pyr_buffer_add(r->out, text, n);
  if (behind == 0 || r->out->status != PYR_OK) return;
  memmove(r->out->data + r->atom_end + n, r->out->data + r->atom_end, behind);
  memcpy(r->out->data + r->atom_end, text, n);
}

static bool repeat (pyr_rewriter *r, size_t end, uint32_t low, uint32_t high) {
  size_t start = r->i;
  uint32_t most = high == UINT32_MAX ? low : high;
  if (low > MOST_REPEATS || most > MOST_REPEATS)
    return pyr_re_refuse(r, start, "a count is at most 1000");
  if (high < low) return pyr_re_refuse(r, start, "the count is backwards");
  if (!r->atom)
    return pyr_re_refuse(r, start,
                         r->repeated
                             ? "a repetition of a repetition; put the inner one "
                               "into a group (there are no possessive ones)"
                             : "nothing to repeat");
  if (r->p[start] == '{' && most >= 2) {
    if (r->inside * most > MOST_REPEATS)
      return pyr_re_refuse(r, start, "nested counts multiply to more than 1000");
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

static bool atom (pyr_rewriter *r) {
  r->atom = true;
  r->atom_end = r->out->len;
  r->repeated = false;
  r->inside = 1;
  return true;
}

static bool quoted (pyr_rewriter *r) {
  r->i++;
  while (r->i < r->n && !(pyr_re_look(r, 0) == '\\' && pyr_re_look(r, 1) == 'E')) {
    uint32_t code;
    if (!pyr_re_character(r, &code)) return false;
    pyr_re_emit(r, code);
    atom(r);
  }
  if (r->i < r->n) r->i += 2;
  return true;
}

static bool backslash (pyr_rewriter *r) {
  int c = pyr_re_look(r, 1);
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
    return pyr_re_property(r) && atom(r);
  default:
    if (pyr_re_perlclass(r, c, false)) return atom(r);
    if (!pyr_re_escape(r, &code)) return false;
    pyr_re_emit(r, code);
    return atom(r);
  }
}

static bool item (pyr_rewriter *r) {
  size_t end;
  uint32_t low, high;
  switch (pyr_re_look(r, 0)) {
  case '(':
    return parenthesis(r);
  case ')':
    return closegroup(r);
  case '[':
    return pyr_re_brackets(r) && atom(r);
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
  if (!pyr_re_character(r, &low)) return false;
  pyr_re_emit(r, low);
  return atom(r);
}

pyr_status pyr_regex_translate (pyr_buffer *out, const char *pattern, size_t length,
                                pyr_error *e) {
  pyr_rewriter r = {
      .p = pattern, .n = length, .out = out, .e = e, .inside = 1, .repeats = 1};
  if (length > 65536)
    return pyr_fail(e, PYR_ELIMIT, "a pattern has at most 65,536 bytes", PYR_NOWHERE);
  while (r.i < r.n)
    if (!item(&r)) return e->status;
  if (r.depth != 0) {
    pyr_re_refuse(&r, r.groups[r.depth - 1].at, "missing )");
    return e->status;
  }
  if (out->status == PYR_EMEMORY) return pyr_nomemory(e);
  if (out->status != PYR_OK)
    return pyr_fail(e, PYR_ELIMIT, "the regular expression is too large", PYR_NOWHERE);
  return PYR_OK;
}
