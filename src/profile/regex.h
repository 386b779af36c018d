#ifndef PYR_PROFILE_REGEX_H
#define PYR_PROFILE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** A pattern in RE2's language, run by PCRE2. What RE2 does not know is refused (PYR_EUSAGE, with
** the offset in the pattern), what Perl reads differently is rewritten, so that an accepted
** pattern means the same here, in pprof and on a server. Text that is not UTF-8 never matches.
*/
typedef struct pyr_regex {
  void *code, *match, *context; /* code == NULL: closed */
} pyr_regex;

pyr_status pyr_regex_compile (pyr_regex *r, const char *pattern, size_t len, bool anchored,
                              pyr_error *e);
void pyr_regex_free (pyr_regex *r);

/* PYR_ELIMIT for a text that would take too many steps. */
pyr_status pyr_regex_test (const pyr_regex *r, const char *text, size_t len, bool *matches,
                           pyr_error *e);

#pragma GCC visibility pop

#endif
