#include "http/inflate.h"

#include <limits.h>
#include <string.h>

#define CHUNK ((size_t)16 << 10)

void pyr_inflater_free (pyr_inflater *f) {
  if (f->state == PYR_INFLATE_INSIDE) inflateEnd(&f->z);
  memset(f, 0, sizeof *f);
}

bool pyr_inflater_complete (const pyr_inflater *f) {
  return f->state != PYR_INFLATE_INSIDE;
}

/*
** One call of zlib. With no room left under the limit it writes into a single byte that
** is not kept: only a body that goes on is too large, not one that ends right at the
** limit.
*/
static int step (pyr_inflater *f, pyr_buffer *out, size_t max_bytes,
                 pyr_status *status) {
  Bytef beyond;
  size_t room = max_bytes - out->len, given;
  char *to;
  int code;
  if (room == 0) {
    f->z.next_out = &beyond;
    f->z.avail_out = 1;
    code = inflate(&f->z, Z_NO_FLUSH);
    if (f->z.avail_out == 0) *status = PYR_ELIMIT;
    return code;
  }
  given = out->cap > out->len + 1 ? out->cap - out->len - 1 : 0;
  if (given < CHUNK) given = CHUNK;
  if (given > room) given = room;
  if (given > INT_MAX) given = INT_MAX;
  to = pyr_buffer_room(out, given);
  if (to == NULL) {
    *status = out->status;
    return Z_OK;
  }
  f->z.next_out = (Bytef *)to;
  f->z.avail_out = (uInt)given;
  code = inflate(&f->z, Z_NO_FLUSH);
  out->len += given - f->z.avail_out;
  out->data[out->len] = '\0';
  return code;
}

/* Reads one member as far as the input goes. */
static pyr_status member (pyr_inflater *f, pyr_buffer *out, size_t max_bytes) {
  for (;;) {
    pyr_status status = PYR_OK;
    int code = step(f, out, max_bytes, &status);
    if (status != PYR_OK) return status;
    switch (code) {
    case Z_STREAM_END:
      inflateEnd(&f->z);
      f->state = PYR_INFLATE_BETWEEN;
      return PYR_OK;
    case Z_OK:
      if (f->z.avail_in == 0 && f->z.avail_out != 0) return PYR_OK;
      break;
    case Z_BUF_ERROR: /* nothing left to read, and nothing held back */
      return PYR_OK;
    case Z_MEM_ERROR:
      return PYR_EMEMORY;
    default:
      return PYR_EDECODE;
    }
  }
}

pyr_status pyr_inflater_add (pyr_inflater *f, pyr_buffer *out, const char *bytes,
                             size_t n, size_t max_bytes) {
  while (n != 0) {
    pyr_status status;
    uInt given = n > INT_MAX ? INT_MAX : (uInt)n;
    if (f->state == PYR_INFLATE_PADDING ||
        (f->state == PYR_INFLATE_BETWEEN && *bytes == '\0')) {
      f->state = PYR_INFLATE_PADDING;
      if (*bytes != '\0') return PYR_EDECODE;
      bytes++, n--;
      continue;
    }
    if (f->state != PYR_INFLATE_INSIDE) {
      int code;
      memset(&f->z, 0, sizeof f->z);
      code = inflateInit2(&f->z, MAX_WBITS + 16);
      if (code != Z_OK) return code == Z_MEM_ERROR ? PYR_EMEMORY : PYR_EDECODE;
      f->state = PYR_INFLATE_INSIDE;
    }
    f->z.next_in = (z_const Bytef *)bytes;
    f->z.avail_in = given;
    status = member(f, out, max_bytes);
    if (status != PYR_OK) return status;
    bytes += given - f->z.avail_in;
    n -= given - f->z.avail_in;
  }
  return PYR_OK;
}
