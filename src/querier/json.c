#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "querier/wire.h"

static const char digits64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- message to JSON ---- */

static void putbase64 (pyr_buffer *out, const pyr_slice *s) {
  const uint8_t *p = s->p;
  size_t left = pyr_slice_left(s);
  pyr_buffer_char(out, '"');
  while (left > 0) {
    size_t n = left < 3 ? left : 3;
    uint32_t v =
        (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    char four[4];
    four[0] = digits64[v >> 18];
    four[1] = digits64[v >> 12 & 63];
    four[2] = n > 1 ? digits64[v >> 6 & 63] : '=';
    four[3] = n > 2 ? digits64[v & 63] : '=';
    pyr_buffer_add(out, four, 4);
    p += n;
    left -= n;
  }
  pyr_buffer_char(out, '"');
}

static void putdouble (pyr_buffer *out, double v) {
  char text[40];
  int precision;
  if (!isfinite(v)) {
    pyr_buffer_text(out, isnan(v) ? "\"NaN\""
                         : v > 0  ? "\"Infinity\""
                                  : "\"-Infinity\"");
    return;
  }
  if (fabs(v) < 9e15 && v == (double)(int64_t)v) {
    pyr_buffer_int(out, (int64_t)v);
    return;
  }
  for (precision = 15; precision <= 17;
       precision++) { /* the shortest that reads back */
    double back = 0;
    snprintf(text, sizeof text, "%.*g", precision, v);
    if (sscanf(text, "%lf", &back) == 1 && back == v) break;
  }
  pyr_buffer_text(out, text);
}

static void putenum (pyr_buffer *out, const pyr_field *f, int64_t v) {
  const pyr_enumvalue *known;
  for (known = f->values; known->name != NULL; known++)
    if (known->number == v) {
      pyr_buffer_json(out, known->name, strlen(known->name));
      return;
    }
  pyr_buffer_int(out, v);
}

static int tojson (pyr_buffer *out, const pyr_reader *from, pyr_error *e);

static int putvalue (pyr_buffer *out, const pyr_reader *r, const pyr_value *v,
                     pyr_error *e) {
  const pyr_field *f = v->field;
  pyr_reader sub;
  switch (f->type) {
  case PYR_TINT64:
    pyr_buffer_char(out, '"');
    pyr_buffer_int(out, v->integer);
    pyr_buffer_char(out, '"');
    break;
  case PYR_TUINT64:
    pyr_buffer_char(out, '"');
    pyr_buffer_uint(out, (uint64_t)v->integer);
    pyr_buffer_char(out, '"');
    break;
  case PYR_TINT32:
  case PYR_TUINT32:
    pyr_buffer_int(out, v->integer);
    break;
  case PYR_TDOUBLE:
    putdouble(out, v->number);
    break;
  case PYR_TBOOL:
    pyr_buffer_text(out, v->integer != 0 ? "true" : "false");
    break;
  case PYR_TSTRING:
    pyr_buffer_json(out, (const char *)v->bytes.p, pyr_slice_left(&v->bytes));
    break;
  case PYR_TBYTES:
    putbase64(out, &v->bytes);
    break;
  case PYR_TENUM:
    putenum(out, f, v->integer);
    break;
  case PYR_TMESSAGE:
    sub = pyr_reader_enter(r, v);
    return tojson(out, &sub, e);
  }
  return 0;
}

/* Fields in order of the schema; each is looked for in the whole message, since nothing says
   that the values of a repeated one stand together. */
static int tojson (pyr_buffer *out, const pyr_reader *from, pyr_error *e) {
  const pyr_field *f;
  bool first = true;
  pyr_buffer_char(out, '{');
  for (f = from->message->fields; f->name != NULL; f++) {
    pyr_reader r = *from;
    pyr_value v, last = {NULL, 0, 0, {NULL, NULL}};
    bool open = false;
    int more;
    while ((more = pyr_reader_next(&r, &v, e)) > 0) {
      if (v.field != f) continue;
      last = v;
      if (!f->repeated) continue;
      pyr_buffer_text(out, open ? "," : first ? "\"" : ",\"");
      if (!open) {
        pyr_buffer_text(out, f->name);
        pyr_buffer_text(out, "\":[");
        open = true;
        first = false;
      }
      if (putvalue(out, &r, &v, e) < 0) return -1;
    }
    if (more < 0) return -1;
    if (open) pyr_buffer_char(out, ']');
    if (f->repeated || last.field == NULL ||
        (pyr_value_isdefault(&last) && !f->optional))
      continue;
    pyr_buffer_text(out, first ? "\"" : ",\"");
    first = false;
    pyr_buffer_text(out, f->name);
    pyr_buffer_text(out, "\":");
    if (putvalue(out, from, &last, e) < 0) return -1;
  }
  pyr_buffer_char(out, '}');
  return 0;
}

static pyr_status bufferstatus (const pyr_buffer *out, pyr_error *e) {
  if (out->status == PYR_OK) return PYR_OK;
  return out->status == PYR_EMEMORY
             ? pyr_nomemory(e)
             : pyr_fail(e, PYR_ELIMIT, "larger than the limit", PYR_NOWHERE);
}

pyr_status pyr_to_json (pyr_buffer *out, const pyr_message *m, const char *bytes,
                        size_t len, pyr_error *e) {
  pyr_reader r;
  pyr_reader_init(&r, m, bytes, len);
  if (tojson(out, &r, e) < 0) return e->status;
  return bufferstatus(out, e);
}

/* ---- JSON to message ---- */

typedef struct jsonsource {
  pyr_json j;
  pyr_buffer *out;
  pyr_buffer text; /* a string without its escapes */
} jsonsource;

static int digit64 (char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/* A string value with its escapes resolved; valid until the next call. */
static bool text (jsonsource *s, const char **bytes, size_t *len) {
  bool escaped;
  if (!pyr_json_string(&s->j, bytes, len, &escaped)) return false;
  if (!escaped) return true;
  s->text.len = 0;
  if (!pyr_json_unescape(&s->j, *bytes, *len, &s->text)) return false;
  *bytes = s->text.data == NULL ? "" : s->text.data;
  *len = s->text.len;
  return true;
}

static bool takebytes (jsonsource *s, const pyr_field *f) {
  const char *bytes;
  size_t len, i, begin;
  uint32_t bits = 0;
  unsigned have = 0;
  if (!text(s, &bytes, &len)) return false;
  if (f->type == PYR_TSTRING) {
    pyr_put_bytes(s->out, f, bytes, len);
    return true;
  }
  begin = pyr_put_begin(s->out, f);
  for (i = 0; i < len && bytes[i] != '='; i++) {
    int d = digit64(bytes[i]);
    if (d < 0) return pyr_json_fail(&s->j, "expected base64");
    bits = bits << 6 | (uint32_t)d;
    have += 6;
    if (have >= 8) {
      have -= 8;
      pyr_buffer_char(s->out, (char)(bits >> have & 0xff));
    }
  }
  pyr_put_end(s->out, begin);
  return true;
}

/* By name or number; a name that nobody knows is taken for 0, as the server does. */
static bool takeenum (jsonsource *s, const pyr_field *f) {
  const pyr_enumvalue *known;
  const char *bytes;
  size_t len;
  int64_t v = 0;
  char c = pyr_json_peek(&s->j);
  if (c != '"') {
    if (!pyr_json_int(&s->j, &v)) return false;
  } else {
    if (!text(s, &bytes, &len)) return false;
    for (known = f->values; known->name != NULL; known++)
      if (strlen(known->name) == len && memcmp(known->name, bytes, len) == 0)
        v = known->number;
  }
  pyr_put_integer(s->out, f, v);
  return true;
}

/* Numbers up to 2^64 - 1 do not fit into int64 and are only ever counts of bytes. */
static bool takeinteger (jsonsource *s, const pyr_field *f) {
  int64_t v;
  if (!pyr_json_int(&s->j, &v)) return false;
  if ((f->type == PYR_TINT32 && (v < INT32_MIN || v > INT32_MAX)) ||
      (f->type == PYR_TUINT32 && (v < 0 || v > UINT32_MAX)) ||
      (f->type == PYR_TUINT64 && v < 0))
    return pyr_json_fail(&s->j, "number out of range");
  pyr_put_integer(s->out, f, v);
  return true;
}

/* strtod knows hexadecimal, infinity and the decimal comma of a locale: only the characters
   of a JSON number are let through. */
static bool takedouble (jsonsource *s, double *v) {
  bool quoted = pyr_json_peek(&s->j) == '"';
  const char *p = s->j.p + quoted;
  char copy[64], *point;
  int used = 0;
  size_t n;
  if (quoted && strncmp(p, "NaN\"", 4) == 0) {
    *v = NAN;
    return pyr_json_skip(&s->j);
  }
  n = strspn(p, "+-0123456789.eE");
  if (n == 0 || n >= sizeof copy) return pyr_json_fail(&s->j, "expected a number");
  memcpy(copy, p, n);
  copy[n] = '\0';
  if (sscanf(copy, "%lf%n", v, &used) != 1 || (size_t)used != n) {
    point = strchr(copy, '.');
    if (point != NULL) *point = ',';
    if (sscanf(copy, "%lf%n", v, &used) != 1 || (size_t)used != n)
      return pyr_json_fail(&s->j, "bad number");
  }
  if (!isfinite(*v)) return pyr_json_fail(&s->j, "bad number");
  return pyr_json_skip(&s->j);
}

static bool frommessage (jsonsource *s, const pyr_message *m);

static bool takevalue (jsonsource *s, const pyr_field *f) {
  size_t begin;
  double number;
  char c;
  switch (f->type) {
  case PYR_TDOUBLE:
    if (!takedouble(s, &number)) return false;
    pyr_put_double(s->out, f, number);
    return true;
  case PYR_TBOOL:
    c = pyr_json_peek(&s->j);
    if (c != 't' && c != 'f') return pyr_json_fail(&s->j, "expected true or false");
    pyr_put_integer(s->out, f, c == 't');
    return pyr_json_skip(&s->j);
  case PYR_TSTRING:
  case PYR_TBYTES:
    return takebytes(s, f);
  case PYR_TENUM:
    return takeenum(s, f);
  case PYR_TMESSAGE:
    begin = pyr_put_begin(s->out, f);
    if (!frommessage(s, f->message)) return false;
    pyr_put_end(s->out, begin);
    return true;
  default:
    return takeinteger(s, f);
  }
}

/* Recurses as deep as the schema does: an unknown key is skipped without looking inside. */
static bool frommessage (jsonsource *s, const pyr_message *m) {
  const char *key;
  size_t len;
  bool first = true;
  if (!pyr_json_take(&s->j, '{')) return false;
  while (pyr_json_key(&s->j, &first, &key, &len)) {
    const pyr_field *f = pyr_field_named(m, key, len);
    if (f == NULL) {
      if (!pyr_json_skip(&s->j)) return false;
    } else if (pyr_json_null(&s->j)) {
      continue;
    } else if (f->repeated) {
      bool start = true;
      if (!pyr_json_take(&s->j, '[')) return false;
      while (pyr_json_item(&s->j, &start))
        if (!takevalue(s, f)) return false;
    } else if (!takevalue(s, f))
      return false;
  }
  return s->j.wrong == NULL;
}

pyr_status pyr_from_json (pyr_buffer *out, const pyr_message *m, const char *bytes,
                          size_t len, pyr_error *e) {
  jsonsource s = {.out = out};
  pyr_json_init(&s.j, bytes, len);
  if (frommessage(&s, m) && (pyr_json_peek(&s.j) != '\0' || s.j.p != s.j.end))
    pyr_json_fail(&s.j, "text after the end");
  pyr_buffer_free(&s.text);
  if (s.j.wrong != NULL) {
    e->format = "json";
    return pyr_fail(e, PYR_EDECODE, s.j.wrong, pyr_json_where(&s.j));
  }
  return bufferstatus(out, e);
}
