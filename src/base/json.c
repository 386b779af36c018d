#include "base/json.h"

#include <string.h>

void pyr_json_init (pyr_json *j, const char *bytes, size_t length) {
  j->p = j->begin = bytes;
  j->end = bytes + length;
  j->wrong = NULL;
  if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) j->p += 3;
}

size_t pyr_json_where (const pyr_json *j) {
  return (size_t)(j->p - j->begin);
}

bool pyr_json_fail (pyr_json *j, const char *message) {
  if (j->wrong == NULL)
    j->wrong = j->p == j->end ? "the JSON text ends too early" : message;
  return false;
}

char pyr_json_peek (pyr_json *j) {
  while (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t')
    j->p++;
  return *j->p;
}

static const char *expected (char c) {
  switch (c) {
  case '{':
    return "an object was expected";
  case '[':
    return "an array was expected";
  case ':':
    return "':' was expected";
  default:
    return "',' or a closing bracket was expected";
  }
}

bool pyr_json_take (pyr_json *j, char c) {
  if (pyr_json_peek(j) != c || j->p == j->end) return pyr_json_fail(j, expected(c));
  j->p++;
  return true;
}

static bool literal (pyr_json *j, const char *text) {
  size_t n = strlen(text);
  if ((size_t)(j->end - j->p) < n || memcmp(j->p, text, n) != 0) return false;
  j->p += n;
  return true;
}

bool pyr_json_null (pyr_json *j) {
  return pyr_json_peek(j) == 'n' && literal(j, "null");
}

bool pyr_json_string (pyr_json *j, const char **bytes, size_t *length, bool *escaped) {
  const char *q, *open;
  if (pyr_json_peek(j) != '"') return pyr_json_fail(j, "a string was expected");
  open = *bytes = ++j->p;
  q = memchr(open, '"', (size_t)(j->end - open));
  *escaped = memchr(open, '\\', (size_t)((q == NULL ? j->end : q) - open)) != NULL;
  if (q != NULL && *escaped) {
    for (q = open; q < j->end && *q != '"'; q++)
      if (*q == '\\' && ++q == j->end) break;
    if (q == j->end) q = NULL;
  }
  if (q == NULL) {
    j->p = j->end;
    return pyr_json_fail(j, "a string does not end");
  }
  *length = (size_t)(q - open);
  q = memchr(open, '\0', *length);
  if (q != NULL) {
    j->p = q;
    return pyr_json_fail(j, "a string holds a NUL byte");
  }
  j->p = open + *length + 1;
  return true;
}

/* Consumes what stands before the next member, or the closing bracket: false then. */
static bool step (pyr_json *j, bool *first, char close) {
  if (j->wrong != NULL) return false;
  if (pyr_json_peek(j) == close) {
    j->p++;
    return false;
  }
  if (!*first) {
    if (!pyr_json_take(j, ',')) return false;
    if (pyr_json_peek(j) == close)
      return pyr_json_fail(j, "a value was expected after ','");
  }
  *first = false;
  return true;
}

bool pyr_json_key (pyr_json *j, bool *first, const char **key, size_t *length) {
  bool escaped;
  return step(j, first, '}') && pyr_json_string(j, key, length, &escaped) &&
         pyr_json_take(j, ':');
}

bool pyr_json_item (pyr_json *j, bool *first) {
  return step(j, first, ']');
}

static int hexdigit (char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits of \u at 'p', or -1. */
static int32_t hexfour (const char *p, const char *end) {
  int32_t v = 0;
  int i;
  if (end - p < 4) return -1;
  for (i = 0; i < 4; i++) {
    int d = hexdigit(p[i]);
    if (d < 0) return -1;
    v = v * 16 + d;
  }
  return v;
}

static size_t encode (char *out, uint32_t c) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xE0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3F));
    out[2] = (char)(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 0x3F));
  out[2] = (char)(0x80 | (c >> 6 & 0x3F));
  out[3] = (char)(0x80 | (c & 0x3F));
  return 4;
}

/* The escape whose backslash is at 'p': its length in the text, 0 if there is none
   such. */
static size_t escape (const char *p, const char *end, uint32_t *meaning) {
  static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
  const char *at;
  int32_t c, low;
  if (end - p < 2) return 0;
  if (p[1] != 'u') {
    at = p[1] == '\0' ? NULL : strchr(letters, p[1]);
    if (at == NULL) return 0;
    *meaning = (unsigned char)means[at - letters];
    return 2;
  }
  c = hexfour(p + 2, end);
  if (c < 0) return 0;
  *meaning = (uint32_t)c;
  if (c < 0xD800 || c > 0xDFFF) return 6;
  *meaning = 0xFFFD;
  if (c > 0xDBFF || end - p < 12 || p[6] != '\\' || p[7] != 'u') return 6;
  low = hexfour(p + 8, end);
  if (low < 0xDC00 || low > 0xDFFF) return 6; /* what is wrong there is seen there */
  *meaning = 0x10000 + ((uint32_t)(c - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
  return 12;
}

bool pyr_json_is (const char *bytes, size_t length, const char *text) {
  size_t n = strlen(text);
  const char *p = bytes, *end = p + length;
  if (memchr(p, '\\', length) == NULL) return length == n && memcmp(p, text, n) == 0;
  while (p < end) {
    char wanted[4] = {*p, 0, 0, 0};
    uint32_t c;
    size_t used = 1, size = 1;
    if (*p == '\\') {
      used = escape(p, end, &c);
      if (used == 0) return false;
      size = encode(wanted, c);
    }
    if (n < size || memcmp(wanted, text, size) != 0) return false;
    text += size;
    n -= size;
    p += used;
  }
  return n == 0;
}

bool pyr_json_unescape (pyr_json *j, const char *bytes, size_t length,
                        pyr_buffer *out) {
  const char *p = bytes, *end = p + length;
  while (p < end) {
    const char *stop = memchr(p, '\\', (size_t)(end - p));
    char utf8[4];
    uint32_t c = 0;
    size_t used;
    if (stop == NULL) stop = end;
    pyr_buffer_add(out, p, (size_t)(stop - p));
    p = stop;
    if (p == end) break;
    used = escape(p, end, &c);
    if (used == 0) {
      j->p = p;
      return pyr_json_fail(j, "an escape in a string is not one of JSON's");
    }
    pyr_buffer_add(out, utf8, encode(utf8, c));
    p += used;
  }
  return true;
}

static pyr_decimalstatus number (pyr_json *j, int shift, pyr_decimal *d) {
  const char *from, *bytes;
  size_t length;
  bool escaped;
  if (pyr_json_peek(j) == '"') {
    if (!pyr_json_string(j, &bytes, &length, &escaped)) return PYR_DECIMAL_MALFORMED;
    return pyr_decimal_read(d, bytes, length, shift);
  }
  from = j->p;
  while (*j->p != '\0' && strchr("+-.0123456789Ee", *j->p) != NULL)
    j->p++;
  return pyr_decimal_read(d, from, (size_t)(j->p - from), shift);
}

static bool wrongnumber (pyr_json *j, const char *from, pyr_decimalstatus status,
                         const char *message) {
  if (j->wrong == NULL) j->p = from;
  return pyr_json_fail(j, status == PYR_DECIMAL_HUGE ? "a number exceeds 64 bits"
                                                     : message);
}

bool pyr_json_decimal (pyr_json *j, int shift, pyr_decimal *d) {
  pyr_decimalstatus status;
  const char *from;
  pyr_json_peek(j);
  from = j->p;
  status = number(j, shift, d);
  return status == PYR_DECIMAL_OK ||
         wrongnumber(j, from, status, "a number was expected");
}

bool pyr_json_int (pyr_json *j, int64_t *value) {
  pyr_decimal d;
  pyr_decimalstatus status;
  const char *from;
  pyr_json_peek(j);
  from = j->p;
  status = number(j, 0, &d);
  if (status == PYR_DECIMAL_OK) status = pyr_decimal_int(&d, value);
  return status == PYR_DECIMAL_OK ||
         wrongnumber(j, from, status, "an integer was expected");
}

static bool scalar (pyr_json *j) {
  pyr_decimal d;
  const char *from, *bytes;
  size_t length;
  bool escaped;
  switch (pyr_json_peek(j)) {
  case '"':
    return pyr_json_string(j, &bytes, &length, &escaped);
  case 't':
    return literal(j, "true") || pyr_json_fail(j, "a value was expected");
  case 'f':
    return literal(j, "false") || pyr_json_fail(j, "a value was expected");
  case 'n':
    return literal(j, "null") || pyr_json_fail(j, "a value was expected");
  default:
    from = j->p;
    if (number(j, 0, &d) != PYR_DECIMAL_MALFORMED) return true; /* of any size */
    j->p = from;
    return pyr_json_fail(j, "a value was expected");
  }
}

/*
** One bit for each open bracket, the innermost lowest: is it an object. Only the value
** that follows a bracket directly is the first one, so one flag serves all levels.
*/
bool pyr_json_skip (pyr_json *j) {
  uint64_t objects = 0;
  unsigned depth = 0;
  bool first = true, more = true;
  const char *key;
  size_t length;
  do {
    if (depth != 0)
      more = objects & 1 ? pyr_json_key(j, &first, &key, &length)
                         : pyr_json_item(j, &first);
    if (j->wrong != NULL) return false;
    if (!more) {
      objects >>= 1;
      depth--;
      first = false;
    } else if (pyr_json_peek(j) == '{' || *j->p == '[') {
      if (depth == PYR_JSON_DEPTH)
        return pyr_json_fail(j, "the JSON text nests more than 64 deep");
      objects = objects << 1 | (*j->p == '{');
      depth++;
      j->p++;
      first = true;
    } else if (!scalar(j))
      return false;
  } while (depth != 0);
  return true;
}

bool pyr_json_end (pyr_json *j) {
  pyr_json_peek(j);
  return j->p == j->end || pyr_json_fail(j, "something follows the JSON text");
}

pyr_status pyr_json_error (const pyr_json *j, pyr_error *e) {
  return pyr_fail(e, PYR_EDECODE, j->wrong, pyr_json_where(j));
}
