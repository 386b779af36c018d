#include "base/json.h"

#include <string.h>

void pyr_json_init (pyr_json *j, const char *bytes, size_t length, pyr_error *e) {
  j->p = j->start = bytes;
  j->end = bytes + length;
  j->e = e;
  if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) j->p += 3;
}

bool pyr_json_fail (pyr_json *j, const char *message) {
  pyr_fail(j->e, PYR_EDECODE, j->p == j->end ? "the JSON text ends too early" : message,
           (size_t)(j->p - j->start));
  return false;
}

char pyr_json_peek (pyr_json *j) {
  while (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t') j->p++;
  return *j->p;
}

bool pyr_json_take (pyr_json *j, char c) {
  if (pyr_json_peek(j) != c || j->p == j->end) return false;
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

bool pyr_json_string (pyr_json *j, pyr_jsonstring *s) {
  const char *q, *open = j->p;
  if (pyr_json_peek(j) != '"') return pyr_json_fail(j, "a string was expected");
  open = ++j->p;
  s->bytes = open;
  q = memchr(open, '"', (size_t)(j->end - open));
  s->escaped = memchr(open, '\\', (size_t)((q == NULL ? j->end : q) - open)) != NULL;
  if (q != NULL && s->escaped) {
    for (q = open; q < j->end && *q != '"'; q++)
      if (*q == '\\' && ++q == j->end) break;
    if (q == j->end) q = NULL;
  }
  if (q == NULL) {
    j->p = j->end;
    return pyr_json_fail(j, "a string does not end");
  }
  s->length = (size_t)(q - open);
  q = memchr(open, '\0', s->length);
  if (q != NULL) {
    j->p = q;
    return pyr_json_fail(j, "a string holds a NUL byte");
  }
  j->p = open + s->length + 1;
  return true;
}

int pyr_json_member (pyr_json *j, bool *first, pyr_jsonstring *key) {
  if (pyr_json_take(j, '}')) return 0;
  if (!*first && !pyr_json_take(j, ',')) {
    pyr_json_fail(j, "',' or '}' was expected");
    return -1;
  }
  if (pyr_json_peek(j) != '"') {
    pyr_json_fail(j, "a key in quotes was expected");
    return -1;
  }
  if (!pyr_json_string(j, key)) return -1;
  if (!pyr_json_take(j, ':')) {
    pyr_json_fail(j, "':' was expected");
    return -1;
  }
  *first = false;
  return 1;
}

int pyr_json_element (pyr_json *j, bool *first) {
  if (pyr_json_take(j, ']')) return 0;
  if (!*first) {
    if (!pyr_json_take(j, ',')) {
      pyr_json_fail(j, "',' or ']' was expected");
      return -1;
    }
    if (pyr_json_peek(j) == ']') {
      pyr_json_fail(j, "a value was expected after ','");
      return -1;
    }
  }
  *first = false;
  return 1;
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

/* The escape whose backslash is at 'p': its length in the text, 0 if there is none such. */
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

bool pyr_json_is (const pyr_jsonstring *s, const char *text) {
  size_t n = strlen(text);
  const char *p = s->bytes, *end = p + s->length;
  if (!s->escaped) return s->length == n && memcmp(p, text, n) == 0;
  while (p < end) {
    char wanted[4];
    uint32_t c;
    size_t used = 1, bytes = 1;
    if (*p == '\\') {
      used = escape(p, end, &c);
      if (used == 0) return false;
      bytes = encode(wanted, c);
    } else
      wanted[0] = *p;
    if (n < bytes || memcmp(wanted, text, bytes) != 0) return false;
    text += bytes;
    n -= bytes;
    p += used;
  }
  return n == 0;
}

bool pyr_json_unescape (pyr_json *j, const pyr_jsonstring *s, pyr_buffer *out) {
  const char *p = s->bytes, *end = p + s->length;
  while (p < end) {
    const char *stop = memchr(p, '\\', (size_t)(end - p));
    char bytes[4];
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
    pyr_buffer_add(out, bytes, encode(bytes, c));
    p += used;
  }
  if (out->status == PYR_OK) return true;
  pyr_fail(j->e, out->status, "a string is too long", (size_t)(p - j->start));
  return false;
}

bool pyr_json_decimal (pyr_json *j, int shift, pyr_decimal *d) {
  const char *from;
  pyr_jsonstring s;
  if (pyr_json_peek(j) == '"') {
    from = j->p + 1;
    if (!pyr_json_string(j, &s)) return false;
  } else {
    from = s.bytes = j->p;
    while (*j->p != '\0' && strchr("+-.0123456789Ee", *j->p) != NULL) j->p++;
    s.length = (size_t)(j->p - from);
  }
  switch (pyr_decimal_read(d, s.bytes, s.length, shift)) {
  case PYR_DECIMAL_OK:
    return true;
  case PYR_DECIMAL_HUGE:
    j->p = from;
    return pyr_json_fail(j, "a number exceeds 64 bits");
  default:
    j->p = from;
    return pyr_json_fail(j, "a number was expected");
  }
}

bool pyr_json_int (pyr_json *j, int64_t *value) {
  pyr_decimal d;
  const char *from;
  pyr_json_peek(j);
  from = j->p;
  if (!pyr_json_decimal(j, 0, &d)) return false;
  switch (pyr_decimal_int(&d, value)) {
  case PYR_DECIMAL_OK:
    return true;
  case PYR_DECIMAL_HUGE:
    j->p = from;
    return pyr_json_fail(j, "a number exceeds 64 bits");
  default:
    j->p = from;
    return pyr_json_fail(j, "an integer was expected");
  }
}

static bool scalar (pyr_json *j) {
  pyr_jsonstring s;
  pyr_decimal d;
  const char *from;
  switch (pyr_json_peek(j)) {
  case '"':
    return pyr_json_string(j, &s);
  case 't':
    return literal(j, "true") || pyr_json_fail(j, "a value was expected");
  case 'f':
    return literal(j, "false") || pyr_json_fail(j, "a value was expected");
  case 'n':
    return literal(j, "null") || pyr_json_fail(j, "a value was expected");
  default:
    /* a number that nobody reads may be as large as it likes */
    from = j->p;
    while (*j->p != '\0' && strchr("+-.0123456789Ee", *j->p) != NULL) j->p++;
    if (pyr_decimal_read(&d, from, (size_t)(j->p - from), 0) != PYR_DECIMAL_MALFORMED)
      return true;
    j->p = from;
    return pyr_json_fail(j, "a value was expected");
  }
}

/*
** One bit for each open bracket, the innermost lowest: is it an object. Only the value that
** follows a bracket directly is the first one, so one flag serves all levels.
*/
bool pyr_json_skip (pyr_json *j) {
  uint64_t objects = 0;
  unsigned depth = 0;
  bool first = true;
  pyr_jsonstring key;
  do {
    int step = 1;
    if (depth != 0) {
      step = objects & 1 ? pyr_json_member(j, &first, &key) : pyr_json_element(j, &first);
      if (step < 0) return false;
    }
    if (step == 0) {
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
  if (j->p == j->end) return true;
  return pyr_json_fail(j, "something follows the JSON text");
}
