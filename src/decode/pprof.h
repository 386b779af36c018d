#ifndef PYR_DECODE_PPROF_H
#define PYR_DECODE_PPROF_H

#include "base/slice.h"
#include "profile/stacks.h"

#pragma GCC visibility push(hidden)

/*
** One parsed google.v1.Profile. The samples are not stored: 'samples' points at each of them
** in 'bytes', which the handle owns, and they are decoded again by whoever walks over them
** (pyr_pprof_sample). Everything was checked once by pyr_pprof_parse, so a walk cannot fail.
**
** Locations and functions are in order of the file; ids are resolved to indexes. frames of
** location l: lines[location[l].first_line .. location[l + 1].first_line), innermost first.
** Label sets: string labels only (numeric ones are dropped, span_id, profile_id and trace_id
** are no labels), sorted by key; set 0 is the empty one.
*/
typedef struct pyr_pprofline {
  uint32_t function; /* index, or UINT32_MAX */
  uint32_t line;
} pyr_pprofline;

typedef struct pyr_pproflocation {
  uint64_t address;
  uint32_t first_line;
  uint32_t mapping; /* index, or UINT32_MAX */
} pyr_pproflocation;

typedef struct pyr_pproffunction {
  uint32_t name, system_name, file; /* string indexes */
  uint32_t start_line;
} pyr_pproffunction;

typedef struct pyr_pproflabel {
  uint32_t key, value; /* string indexes */
} pyr_pproflabel;

typedef struct pyr_pprof {
  char *bytes; /* inflated, owned, NUL after 'length' */
  size_t length;
  pyr_string *strings; /* into bytes */
  uint32_t string_count;
  struct {
    uint32_t type, unit; /* string indexes */
  } *types, period_type;
  uint32_t type_count;
  uint32_t default_type; /* index into types */
  uint32_t *samples;     /* [sample_count] offset of the message in bytes */
  uint32_t *sample_lengths;
  uint32_t *sample_sets; /* [sample_count] label set, NULL when all are 0 */
  uint32_t sample_count;
  uint32_t *sets; /* [set_count + 1] first label of each set */
  uint32_t set_count;
  pyr_pproflabel *labels;
  pyr_pproflocation *locations; /* [location_count + 1] */
  uint32_t location_count;
  pyr_pprofline *lines;
  pyr_pproffunction *functions;
  uint32_t function_count;
  struct {
    uint32_t file, build_id; /* string indexes */
  } *mappings;
  uint32_t mapping_count;
  int64_t time_nanos, duration_nanos, period;
  uint32_t doc; /* reserved */
  struct pyr_idmap *location_ids; /* NULL when ids are 1..n in order */
} pyr_pprof;

/*
** Takes gzipped or raw bytes. 'max_bytes' bounds the inflated size (0: none). On failure the
** handle stays empty. An answer of zero bytes, or without samples, is a valid, empty profile.
*/
pyr_status pyr_pprof_parse (pyr_pprof *h, const char *bytes, size_t len, size_t max_bytes,
                            pyr_error *e);
void pyr_pprof_free (pyr_pprof *h);
size_t pyr_pprof_bytes (const pyr_pprof *h);

/*
** Reads sample 'i': location indexes, leaf first, go to 'locations' (room for
** pyr_pprof_depth entries), their number to '*depth'; returns the value of type 'type'.
*/
int64_t pyr_pprof_sample (const pyr_pprof *h, uint32_t i, uint32_t type,
                          uint32_t *locations, uint32_t *depth);
uint32_t pyr_pprof_depth (const pyr_pprof *h); /* deepest sample, in locations */

/* What of a pprof goes into a profile. */
typedef struct pyr_pprofselection {
  uint32_t type;
  const bool *sets;   /* [set_count] wanted label sets, NULL: all */
  bool named_only;    /* as a server draws trees: locations without lines are left out, and
                         stacks without any named frame with their value */
  int64_t count;      /* result: samples that went in */
  int64_t value;      /* result: their value, before named_only left anything out */
  int64_t negative;   /* result: samples with a negative value, left out */
} pyr_pprofselection;

/* Adds the selected samples to a builder. Samples of value 0 make no node. */
pyr_status pyr_pprof_stacks (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                             pyr_error *e);

#pragma GCC visibility pop

#endif
