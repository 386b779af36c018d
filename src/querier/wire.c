#include "querier/wire.h"

#include <string.h>

void pyr_reader_init (pyr_reader *r, const pyr_message *m, const char *bytes,
                      size_t len) {
  memset(r, 0, sizeof *r);
  r->message = m;
  r->begin = (const uint8_t *)bytes;
  r->s.p = r->begin;
  r->s.end = r->begin + len;
}

pyr_reader pyr_reader_enter (const pyr_reader *r, const pyr_value *v) {
  pyr_reader sub = {v->field->message, r->begin, v->bytes, {NULL, NULL}, NULL};
  return sub;
}

static int damaged (const pyr_reader *r, const pyr_slice *s, pyr_error *e,
                    const char *message) {
  pyr_fail(e, PYR_EDECODE, message, (size_t)(s->p - r->begin));
  return -1;
}

static bool scalar (pyr_slice *s, const pyr_field *f, pyr_value *v) {
  uint64_t u = 0;
  unsigned i;
  v->field = f;
  if (f->type == PYR_TDOUBLE) {
    if (pyr_slice_left(s) < 8) return false;
    for (i = 0; i < 8; i++)
      u |= (uint64_t)s->p[i] << (8 * i);
    memcpy(&v->number, &u, sizeof u);
    s->p += 8;
    return true;
  }
  if (!pyr_slice_varint(s, &u)) return false;
  v->integer = (int64_t)u;
  if (f->type == PYR_TBOOL) v->integer = u != 0;
  if (f->type == PYR_TINT32 || f->type == PYR_TENUM) v->integer = (int32_t)(uint32_t)u;
  if (f->type == PYR_TUINT32) v->integer = (uint32_t)u;
  return true;
}

int pyr_reader_next (pyr_reader *r, pyr_value *v, pyr_error *e) {
  for (;;) {
    uint32_t number;
    unsigned wire;
    const pyr_field *f;
    if (r->packed != NULL && r->pack.p < r->pack.end)
      return scalar(&r->pack, r->packed, v)
                 ? 1
                 : damaged(r, &r->pack, e, "a packed number runs past its end");
    r->packed = NULL;
    if (r->s.p >= r->s.end) return 0;
    if (!pyr_slice_tag(&r->s, &number, &wire))
      return damaged(r, &r->s, e, "damaged field");
    f = pyr_field_numbered(r->message, number);
    if (f != NULL && wire == pyr_field_wire(f)) {
      if (wire != 2)
        return scalar(&r->s, f, v) ? 1
                                   : damaged(r, &r->s, e, "a number runs past its end");
      v->field = f;
      return pyr_slice_bytes(&r->s, &v->bytes)
                 ? 1
                 : damaged(r, &r->s, e, "a field runs past the end");
    }
    if (f != NULL && f->repeated && wire == 2) {
      if (!pyr_slice_bytes(&r->s, &r->pack))
        return damaged(r, &r->s, e, "a field runs past the end");
      r->packed = f;
    } else if (!pyr_slice_skip(&r->s, wire))
      return damaged(r, &r->s, e, "damaged field");
  }
}

static void puttag (pyr_buffer *b, const pyr_field *f) {
  pyr_buffer_varint(b, (uint64_t)f->number << 3 | pyr_field_wire(f));
}

void pyr_put_integer (pyr_buffer *b, const pyr_field *f, int64_t v) {
  puttag(b, f);
  pyr_buffer_varint(b, (uint64_t)v);
}

void pyr_put_double (pyr_buffer *b, const pyr_field *f, double v) {
  uint64_t u;
  unsigned i;
  puttag(b, f);
  memcpy(&u, &v, sizeof u);
  for (i = 0; i < 8; i++)
    pyr_buffer_char(b, (char)(u >> (8 * i) & 0xff));
}

void pyr_put_bytes (pyr_buffer *b, const pyr_field *f, const char *bytes, size_t len) {
  puttag(b, f);
  pyr_buffer_varint(b, len);
  pyr_buffer_add(b, bytes, len);
}

size_t pyr_put_begin (pyr_buffer *b, const pyr_field *f) {
  puttag(b, f);
  return b->len;
}

/* The length is known only now: the content moves up to make room for it. */
void pyr_put_end (pyr_buffer *b, size_t begin) {
  size_t len = b->len - begin, n = 1, v = len, i;
  if (b->status != PYR_OK) return;
  while (v >= 0x80) {
    v >>= 7;
    n++;
  }
  if (pyr_buffer_room(b, n) == NULL) return;
  memmove(b->data + begin + n, b->data + begin, len);
  for (v = len, i = 0; i < n; i++, v >>= 7)
    b->data[begin + i] = (char)((v & 0x7f) | (i + 1 < n ? 0x80 : 0));
  b->len += n;
  b->data[b->len] = '\0';
}

bool pyr_value_isdefault (const pyr_value *v) {
  switch (pyr_field_wire(v->field)) {
  case 0:
    return v->integer == 0;
  case 1:
    return v->number == 0;
  default:
    return v->field->type != PYR_TMESSAGE && v->bytes.p == v->bytes.end;
  }
}
