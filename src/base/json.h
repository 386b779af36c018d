#ifndef PYR_BASE_JSON_H
#define PYR_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/decimal.h"
#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** A pull scanner: the caller knows the shape it expects, asks for it, and skips the
** rest. No document is built. 'end' points at the NUL after the text, so a byte may be
** looked at without asking how much is left. The first failure stays in 'wrong', with
** 'p' where it is.
**
** Strings are checked for their end and for NUL, escapes when they are unescaped, UTF-8
** not at all: who shows a string does that.
*/
typedef struct pyr_json {
  const char *p, *begin, *end;
  const char *wrong; /* constant text, NULL while all is well */
} pyr_json;

/* A byte order mark in front is skipped. */
void pyr_json_init (pyr_json *j, const char *bytes, size_t length);

/* Offset of the scanner. */
size_t pyr_json_where (const pyr_json *j);

/* Notes a failure where the scanner is; always false. */
bool pyr_json_fail (pyr_json *j, const char *message);

/* The next byte that is no blank; it is not consumed. */
char pyr_json_peek (pyr_json *j);

/* Consumes 'c', or fails. */
bool pyr_json_take (pyr_json *j, char c);

/* Consumes null if it comes next. */
bool pyr_json_null (pyr_json *j);

/*
** Steps of an object or array whose opening bracket was taken: true when a key with its
** colon was read (an element comes next), false after the closing bracket or a failure.
** '*first' starts as true and belongs to the scanner.
*/
bool pyr_json_key (pyr_json *j, bool *first, const char **key, size_t *length);
bool pyr_json_item (pyr_json *j, bool *first);

/* What is between the quotes, and whether it holds a backslash. */
bool pyr_json_string (pyr_json *j, const char **bytes, size_t *length, bool *escaped);

/* Do the bytes between the quotes mean this text? */
bool pyr_json_is (const char *bytes, size_t length, const char *text);

/* Appends the meaning of a string. A lone half of a surrogate pair becomes U+FFFD.
   False for an escape that JSON does not know. */
bool pyr_json_unescape (pyr_json *j, const char *bytes, size_t length, pyr_buffer *out);

/* A number, or a string that holds one, times 10^shift. */
bool pyr_json_decimal (pyr_json *j, int shift, pyr_decimal *d);

/* The same for integers of 64 bits: also 1e3 and "1.7e12". */
bool pyr_json_int (pyr_json *j, int64_t *value);

#define PYR_JSON_DEPTH 64

/* Skips a value of any kind, at most 64 levels deep. */
bool pyr_json_skip (pyr_json *j);

/* Fails unless nothing but blanks is left. */
bool pyr_json_end (pyr_json *j);

/* The failure as an error of the decoder; PYR_EDECODE. */
pyr_status pyr_json_error (const pyr_json *j, pyr_error *e);

#pragma GCC visibility pop

#endif
