#include "base/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

bool pyr_is_gzip (const char *bytes, size_t len) {
  return len >= 2 && (unsigned char)bytes[0] == 0x1f && (unsigned char)bytes[1] == 0x8b;
}

/* The trailer says how large the last member is: a hint for the first block, capped, since
   anybody can write anything there. */
static size_t firstblock (const char *bytes, size_t len, size_t max_bytes) {
  size_t cap = 64 << 20, hint = len < 1024 ? 4096 : len * 4;
  if (len >= 18) {
    const unsigned char *t = (const unsigned char *)bytes + len - 4;
    size_t size =
        (size_t)t[0] | (size_t)t[1] << 8 | (size_t)t[2] << 16 | (size_t)t[3] << 24;
    if (size > 0 && size / 1100 <= len) hint = size;
  }
  if (hint > cap) hint = cap;
  if (max_bytes != 0 && hint > max_bytes) hint = max_bytes;
  return hint + 1;
}

static pyr_status inflatemembers (z_stream *z, pyr_buffer *out, const char *bytes,
                                  size_t len, size_t max_bytes, pyr_error *e) {
  size_t at = 0, block = firstblock(bytes, len, max_bytes);
  size_t begin = out->len;
  for (;;) {
    size_t chunk = len - at > UINT_MAX / 2 ? UINT_MAX / 2 : len - at;
    int status;
    char *room = pyr_buffer_room(out, block);
    if (room == NULL) return pyr_nomemory(e);
    z->next_in = (Bytef *)(uintptr_t)(bytes + at);
    z->avail_in = (uInt)chunk;
    z->next_out = (Bytef *)room;
    z->avail_out = block > UINT_MAX / 2 ? UINT_MAX / 2 : (uInt)block;
    status = inflate(z, Z_NO_FLUSH);
    at += chunk - z->avail_in;
    out->len = (size_t)((char *)z->next_out - out->data);
    out->data[out->len] = '\0';
    if (max_bytes != 0 && out->len - begin > max_bytes)
      return pyr_fail(e, PYR_ELIMIT, "larger than the limit after inflating", at);
    if (status == Z_MEM_ERROR) return pyr_nomemory(e);
    if (status == Z_STREAM_END) {
      if (at == len || !pyr_is_gzip(bytes + at, len - at)) {
        /* trailing zero bytes are padding, anything else is damage */
        while (at < len && bytes[at] == '\0')
          at++;
        if (at == len) return PYR_OK;
        return pyr_fail(e, PYR_EDECODE, "bytes after the end of the gzip data", at);
      }
      inflateReset(z);
    } else if (status == Z_BUF_ERROR || (status == Z_OK && at == len)) {
      if (at == len && z->avail_out != 0)
        return pyr_fail(e, PYR_EDECODE, "the gzip data ends too early", at);
    } else if (status != Z_OK)
      return pyr_fail(e, PYR_EDECODE, "damaged gzip data", at);
    block = out->len < 32768 ? 32768 : out->len; /* doubles what there is */
    if (max_bytes != 0 && block > max_bytes - (out->len - begin) + 1)
      block = max_bytes - (out->len - begin) + 1;
  }
}

pyr_status pyr_inflate (pyr_buffer *out, const char *bytes, size_t len,
                        size_t max_bytes, pyr_error *e) {
  z_stream z;
  pyr_status status;
  memset(&z, 0, sizeof z);
  if (inflateInit2(&z, 15 + 16) != Z_OK) return pyr_nomemory(e);
  status = inflatemembers(&z, out, bytes, len, max_bytes, e);
  inflateEnd(&z);
  if (status != PYR_OK) e->format = "gzip";
  return status;
}

pyr_status pyr_deflate (pyr_buffer *out, const char *bytes, size_t len, pyr_error *e) {
  z_stream z;
  size_t at = 0;
  int status;
  memset(&z, 0, sizeof z);
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    return pyr_nomemory(e);
  do {
    size_t chunk = len - at > UINT_MAX / 2 ? UINT_MAX / 2 : len - at;
    char *room = pyr_buffer_room(out, 65536);
    if (room == NULL) {
      deflateEnd(&z);
      return out->status == PYR_ELIMIT
                 ? pyr_fail(e, PYR_ELIMIT, "larger than the limit", PYR_NOWHERE)
                 : pyr_nomemory(e);
    }
    z.next_in = (Bytef *)(uintptr_t)(bytes + at);
    z.avail_in = (uInt)chunk;
    z.next_out = (Bytef *)room;
    z.avail_out = 65536;
    status = deflate(&z, at + chunk == len ? Z_FINISH : Z_NO_FLUSH);
    at += chunk - z.avail_in;
    out->len += 65536 - z.avail_out;
    out->data[out->len] = '\0';
  } while (status != Z_STREAM_END);
  deflateEnd(&z);
  return PYR_OK;
}
