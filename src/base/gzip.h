#ifndef PYR_BASE_GZIP_H
#define PYR_BASE_GZIP_H

#include "base/buffer.h"

#pragma GCC visibility push(hidden)

/* True for the magic bytes of gzip. */
bool pyr_is_gzip (const char *bytes, size_t len);

/*
** Appends the inflated content of all members of a gzip file to 'out'. More than
** 'max_bytes' (0: no limit) is PYR_ELIMIT; damage or a missing end is PYR_EDECODE with the
** offset in the compressed bytes. On failure 'out' holds nothing useful.
*/
pyr_status pyr_inflate (pyr_buffer *out, const char *bytes, size_t len,
                        size_t max_bytes, pyr_error *e);

/* Appends one gzip member without time and name, so that equal input gives equal bytes. */
pyr_status pyr_deflate (pyr_buffer *out, const char *bytes, size_t len, pyr_error *e);

#pragma GCC visibility pop

#endif
