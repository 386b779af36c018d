#ifndef PYR_BASE_STATUS_H
#define PYR_BASE_STATUS_H

#include <stddef.h>

/*
** How every function of the core that can fail answers. The names on the right are the
** kinds that Lua sees; PYR_EMEMORY becomes Lua's own memory error.
*/
typedef enum pyr_status {
  PYR_OK,
  PYR_EMEMORY,
  PYR_EDECODE,      /* "decode": the bytes are not what they claim to be */
  PYR_ELIMIT,       /* "limit": larger than a limit of ours */
  PYR_EUSAGE,       /* "usage": a pattern or an option that cannot be meant */
  PYR_EUNSUPPORTED, /* "unsupported": understood, but not done here */
  PYR_ENODATA,      /* "no_data" */
  PYR_EIO           /* "io": errno says more */
} pyr_status;

#define PYR_NOWHERE ((size_t)-1)

/*
** 'message' and 'format' are constant texts, never allocated. 'where' is a byte offset
** into the input (after inflating, for gzipped input) or PYR_NOWHERE.
*/
typedef struct pyr_error {
  pyr_status status;
  const char *message;
  const char *format; /* input format, "pprof"; NULL where it does not apply */
  size_t where;
} pyr_error;

static inline pyr_status pyr_fail (pyr_error *e, pyr_status status, const char *message,
                                   size_t where) {
  e->status = status;
  e->message = message;
  e->where = where;
  return status;
}

static inline pyr_status pyr_nomemory (pyr_error *e) {
  return pyr_fail(e, PYR_EMEMORY, "not enough memory", PYR_NOWHERE);
}

#endif
