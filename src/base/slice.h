#ifndef PYR_BASE_SLICE_H
#define PYR_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
** A bounded reader: 'p' moves from the start of the slice to 'end'. A submessage is a
** narrower slice, so nothing can be read beyond what encloses it. The functions below
** return false, and leave 'p' where the trouble is, when the input ends too early or a
** varint is longer than ten bytes.
*/
typedef struct pyr_slice {
  const uint8_t *p;
  const uint8_t *end;
} pyr_slice;

static inline size_t pyr_slice_left (const pyr_slice *s) {
  return (size_t)(s->end - s->p);
}

/* Unsigned LEB128; the tenth byte may only hold the last bit of 64. */
static inline bool pyr_slice_varint (pyr_slice *s, uint64_t *value) {
  const uint8_t *p = s->p;
  uint64_t v = 0;
  unsigned shift;
  if (p != s->end && *p < 0x80) { /* nearly all of them */
    *value = *p;
    s->p++;
    return true;
  }
  for (shift = 0; shift < 70; shift += 7) {
    uint64_t b;
    if (p == s->end) return false;
    b = *p++;
    if (shift == 63 && b > 1) return false;
    v |= (b & 0x7f) << shift;
    if (b < 0x80) {
      s->p = p;
      *value = v;
      return true;
    }
  }
  return false;
}

/* A length-delimited field: 'sub' becomes what it holds. */
static inline bool pyr_slice_bytes (pyr_slice *s, pyr_slice *sub) {
  uint64_t n;
  if (!pyr_slice_varint(s, &n) || n > pyr_slice_left(s)) return false;
  sub->p = s->p;
  sub->end = s->p + n;
  s->p = sub->end;
  return true;
}

/* Tag of a protobuf field: number 1 to 2^29-1 and wire type. */
static inline bool pyr_slice_tag (pyr_slice *s, uint32_t *number, unsigned *wire) {
  uint64_t tag;
  const uint8_t *before = s->p;
  if (!pyr_slice_varint(s, &tag)) return false;
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
    s->p = before;
    return false;
  }
  *number = (uint32_t)(tag >> 3);
  *wire = (unsigned)(tag & 7);
  return true;
}

/* Skips the value of a field of wire type 0, 1, 2 or 5; groups are refused. */
static inline bool pyr_slice_skip (pyr_slice *s, unsigned wire) {
  uint64_t v;
  pyr_slice sub;
  size_t n = wire == 1 ? 8 : 4;
  switch (wire) {
  case 0:
    return pyr_slice_varint(s, &v);
  case 2:
    return pyr_slice_bytes(s, &sub);
  case 1:
  case 5:
    if (pyr_slice_left(s) < n) return false;
    s->p += n;
    return true;
  default:
    return false;
  }
}

#endif
