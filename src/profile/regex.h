#ifndef PYR_PROFILE_REGEX_H
#define PYR_PROFILE_REGEX_H

#include "base/buffer.h"
#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** Regular expressions with the syntax and meaning of RE2 (Go's regexp), run by PCRE2. All
** zeros is a closed expression. Not to be used by two threads at once.
*/
typedef struct pyr_regex {
  void *code, *match, *context; /* of PCRE2 */
} pyr_regex;

/*
** 'anchored': the whole text must match and a dot matches newlines, as in label selectors;
** otherwise a match anywhere counts. What RE2 does not have is PYR_EUSAGE with its offset in
** the pattern; an expression that gets too large is PYR_ELIMIT. On failure 'r' stays closed.
*/
pyr_status pyr_regex_compile (pyr_regex *r, const char *pattern, size_t length,
                              bool anchored, pyr_error *e);
void pyr_regex_free (pyr_regex *r);

/* Invalid UTF-8 in the text matches nothing. PYR_ELIMIT when the search takes too long. */
pyr_status pyr_regex_test (const pyr_regex *r, const char *text, size_t length,
                           bool *matches, pyr_error *e);

/*
** Checks a pattern and appends what means the same to PCRE2 in UTF mode. Groups come out
** without captures. Used by pyr_regex_compile.
*/
pyr_status pyr_regex_translate (pyr_buffer *out, const char *pattern, size_t length,
                                pyr_error *e);

/* True if PCRE2 knows the Unicode property. 'name' without braces. */
bool pyr_regex_property (const char *name, size_t length);

#pragma GCC visibility pop

#endif
