#ifndef PYR_DECODE_PPROF_TAGS_H
#define PYR_DECODE_PPROF_TAGS_H

#include "decode/pprof.h"
#include "profile/regex.h"

#pragma GCC visibility push(hidden)

/*
** A filter of samples by their labels in pprof's words (tagfocus, tagignore): "KEY=VALUE" or
** "VALUE"; VALUE a number or range with units ("10", "1mb:", "5ms:1s"), else expressions with
** commas in between. 'key' points into the text, which must outlive the filter.
*/
typedef struct pyr_tagfilter {
  pyr_string key;
  bool keyed, numeric, has_low, has_high;
  char dimension;            /* 'b', 't' or 0: of the numbers */
  double low, high;          /* in bytes or ns */
  int64_t low_raw, high_raw; /* as written: for labels whose unit is unknown */
  pyr_regex *patterns;       /* [count] */
  uint32_t count;
} pyr_tagfilter;

/* PYR_EUSAGE with the offset of a bad expression in 'text'. On failure nothing is held. */
pyr_status pyr_tagfilter_init (pyr_tagfilter *f, const char *text, size_t len,
                               pyr_error *e);
void pyr_tagfilter_free (pyr_tagfilter *f);

/* PYR_ELIMIT when an expression takes too long. */
pyr_status pyr_tagfilter_test (const pyr_tagfilter *f, const pyr_pprof *h,
                               uint32_t sample, bool *matches, pyr_error *e);

#pragma GCC visibility pop

#endif
