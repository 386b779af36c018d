#ifndef PYR_HTTP_ADDRESS_H
#define PYR_HTTP_ADDRESS_H

#include <stdbool.h>

#include "base/status.h"

#pragma GCC visibility push(hidden)

/*
** An address taken apart; strings are the address's own, NULL where there is none.
** 'send' has no credentials and no fragment, 'show' no query either. All zeros is an
** empty one.
*/
typedef struct pyr_address {
  char *send, *show;
  char *scheme, *host, *port, *path, *query;
  char *user, *password; /* decoded */
  bool secure;           /* https */
  bool loopback;
} pyr_address;

/*
** Fills 'a', which must be empty, from text that may be anything. PYR_EUSAGE with a
** message for people: not an http or https address; 'a' stays empty then.
*/
pyr_status pyr_address_parse (pyr_address *a, const char *text, pyr_error *e);

void pyr_address_free (pyr_address *a);

/* Same scheme, host and port. */
bool pyr_address_sameorigin (const pyr_address *a, const pyr_address *b);

#pragma GCC visibility pop

#endif
