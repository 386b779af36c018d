#ifndef PYR_HTTP_INFLATE_H
#define PYR_HTTP_INFLATE_H

#include <zlib.h>

#include "base/buffer.h"

#pragma GCC visibility push(hidden)

/*
** Inflates gzip as it arrives, because libcurl's own decoding takes a stream that ends
** early for a whole one and refuses a second member. All zeros is an inflater that has
** seen nothing; the owner frees it.
*/
typedef struct pyr_inflater {
  z_stream z;
  enum {
    PYR_INFLATE_NOTHING, /* no byte yet */
    PYR_INFLATE_INSIDE,  /* in a member: 'z' is in use */
    PYR_INFLATE_BETWEEN, /* a member has ended and was right */
    PYR_INFLATE_PADDING  /* after the last member: zeros only */
  } state;
} pyr_inflater;

/*
** Appends what 'bytes' inflate to, to 'out', which may hold 'max_bytes' at most.
** PYR_EDECODE: not gzip, or damaged; PYR_ELIMIT; PYR_EMEMORY.
*/
pyr_status pyr_inflater_add (pyr_inflater *f, pyr_buffer *out, const char *bytes,
                             size_t n, size_t max_bytes);

/* False while a member is open: what came is not all. */
bool pyr_inflater_complete (const pyr_inflater *f);

void pyr_inflater_free (pyr_inflater *f);

#pragma GCC visibility pop

#endif
