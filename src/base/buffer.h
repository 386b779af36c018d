#ifndef PYR_BASE_BUFFER_H
#define PYR_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** Growing bytes. 'data' is always followed by a NUL that 'len' does not count (NULL while
** nothing was written). The status is sticky: after the first failure (no memory, or more
** than 'limit' bytes) nothing more is written and 'status' says why, so a writer checks
** once at its end. All zeros is an empty buffer without limit. The owner frees it.
*/
typedef struct pyr_buffer {
  char *data;
  size_t len, cap;
  size_t limit; /* 0: none */
  pyr_status status;
} pyr_buffer;

void pyr_buffer_free (pyr_buffer *b);

/* A realloc of the block that the pointer at 'array' leads to; false: no memory, all as it was. */
bool pyr_resize (void *array, size_t count, size_t size);

/* Makes room for 'n' more bytes and returns where they go; NULL after a failure. */
char *pyr_buffer_room (pyr_buffer *b, size_t n);

void pyr_buffer_add (pyr_buffer *b, const void *bytes, size_t n);
void pyr_buffer_text (pyr_buffer *b, const char *text); /* a C string */
void pyr_buffer_char (pyr_buffer *b, char c);
void pyr_buffer_int (pyr_buffer *b, int64_t v);
void pyr_buffer_uint (pyr_buffer *b, uint64_t v);
void pyr_buffer_varint (pyr_buffer *b, uint64_t v); /* LEB128 */

/* Writes 'v' in decimal where at least 20 bytes are free, without a NUL; where it ends. */
char *pyr_put_decimal (char *at, uint64_t v);

/* 'v' with 'decimals' (0 to 6) places, rounded half away from zero; for finite |v| < 1e15. */
void pyr_buffer_fixed (pyr_buffer *b, double v, unsigned decimals);

/* A JSON string with its quotes: control bytes, '"' and '\' escaped, invalid UTF-8
   replaced by U+FFFD, '<' '>' '&' U+2028 U+2029 escaped so that it may stand in HTML. */
void pyr_buffer_json (pyr_buffer *b, const char *bytes, size_t n);

/* Text for XML and HTML, also inside attributes: markup escaped, control bytes other than
   tab and newline, and invalid UTF-8, replaced by U+FFFD. */
void pyr_buffer_xml (pyr_buffer *b, const char *bytes, size_t n);

/* Length of the valid UTF-8 sequence at 'p' (1 to 4), 0 if there is none. */
unsigned pyr_utf8_length (const char *p, size_t left);

#pragma GCC visibility pop

#endif
