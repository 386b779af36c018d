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
** A pull scanner: the caller knows the shape it expects, asks for it, and skips the rest. No
** document is built. 'end' points at the NUL after the text, so a byte may be looked at
** without asking how much is left. After a failure 'e' says what and where, and nothing more
** may be asked.
**
** Strings are checked for their end and for NUL, escapes when they are unescaped, UTF-8 not
** at all: who shows a string does that.
*/
typedef struct pyr_json {
  const char *p, *start, *end;
  pyr_error *e;
} pyr_json;

typedef struct pyr_jsonstring {
  const char *bytes; /* between the quotes */
  size_t length;
  bool escaped; /* holds a backslash */
} pyr_jsonstring;

/* A byte order mark in front is skipped. */
void pyr_json_init (pyr_json *j, const char *bytes, size_t length, pyr_error *e);

/* Fails with PYR_EDECODE where the scanner is; always false. */
bool pyr_json_fail (pyr_json *j, const char *message);

/* The next byte that is no blank; it is not consumed. */
char pyr_json_peek (pyr_json *j);

/* Consumes 'c' if it comes next. */
bool pyr_json_take (pyr_json *j, char c);

/* Consumes null if it comes next. */
bool pyr_json_null (pyr_json *j);

/*
** Steps of an object or array whose opening bracket was taken. 1: a key with its colon was
** read (an element comes next); 0: the closing bracket was; -1: failure. '*first' starts as
** true and belongs to the scanner.
*/
int pyr_json_member (pyr_json *j, bool *first, pyr_jsonstring *key);
int pyr_json_element (pyr_json *j, bool *first);

bool pyr_json_string (pyr_json *j, pyr_jsonstring *s);

/* Is it this text, escapes counted for what they mean? */
bool pyr_json_is (const pyr_jsonstring *s, const char *text);

/* Appends the meaning of a string. A lone half of a surrogate pair becomes U+FFFD. False, with
   the scanner's error, for an escape that JSON does not know, or without memory. */
bool pyr_json_unescape (pyr_json *j, const pyr_jsonstring *s, pyr_buffer *out);

/* A number or a string that holds one, times 10^shift. */
bool pyr_json_decimal (pyr_json *j, int shift, pyr_decimal *d);

/* The same for integers of 64 bits: also 1e3 and "1.7e12". */
bool pyr_json_int (pyr_json *j, int64_t *value);

#define PYR_JSON_DEPTH 64

/* Skips a value of any kind, at most 64 levels deep. */
bool pyr_json_skip (pyr_json *j);

/* Nothing but blanks may be left. */
bool pyr_json_end (pyr_json *j);

#pragma GCC visibility pop

#endif
