#ifndef PYR_DECODE_PPROF_H
#define PYR_DECODE_PPROF_H

#include "base/slice.h"
#include "profile/group.h"
#include "profile/stacks.h"

#pragma GCC visibility push(hidden)

/*
** One parsed google.v1.Profile. Samples are not stored: 'samples' points at each of
** them in 'bytes', which the handle owns, and whoever walks over them decodes them
** again (pyr_pprof_sample). Everything was checked once by pyr_pprof_parse, so a walk
** cannot fail.
**
** Locations and functions stand in order of the file, ids are resolved to indexes.
** Lines of location l: lines[locations[l].first_line .. locations[l + 1].first_line),
** innermost first, at least one: a location without lines has one line without a
** function. Label sets: string labels only (numeric and empty ones are dropped;
** span_id, profile_id and trace_id are ids, no labels), sorted by key; set 0 is the
** empty one. Equal texts have equal string indexes there.
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
  uint32_t name, file; /* string indexes */
  uint32_t start_line;
} pyr_pproffunction;

typedef struct pyr_pproftype {
  uint32_t type, unit; /* string indexes */
} pyr_pproftype;

typedef struct pyr_pproflabel {
  uint32_t key, value; /* string indexes; value 0: none */
  uint32_t unit;       /* of a number; 0: none */
  int64_t number;
  bool numeric; /* has a number (or its unit) and no string */
} pyr_pproflabel;

typedef struct pyr_pprofpair {
  uint32_t key, value; /* string indexes */
} pyr_pprofpair;

typedef struct pyr_idmap { /* id -> index; 'slots' NULL while ids are 1..count in order
                            */
  uint64_t *ids;
  uint32_t *slots;
  uint32_t count, mask;
} pyr_idmap;

typedef struct pyr_pprof {
  char *bytes; /* inflated, owned, NUL after 'length' */
  size_t length;
  pyr_string *strings; /* into bytes */
  uint32_t string_count;
  pyr_pproftype *types, period_type;
  uint32_t type_count, default_type;
  uint32_t *samples;            /* [sample_count] where the length of each message is */
  uint32_t *sample_sets;        /* [sample_count], NULL when all samples are of set 0 */
  uint32_t sample_count, depth; /* deepest sample, in locations */
  bool negative;                /* some sample has a negative value */
  uint32_t *sets;               /* [set_count + 1] first label of each set */
  uint32_t set_count, label_count;
  pyr_pprofpair *labels;
  pyr_pproflocation *locations; /* [location_count + 1] */
  uint32_t location_count, line_count;
  pyr_pprofline *lines;
  pyr_pproffunction *functions;
  uint32_t function_count;
  uint32_t *mappings; /* string index of the file name */
  uint32_t mapping_count;
  pyr_idmap location_ids, function_ids, mapping_ids;
  int64_t time_nanos, duration_nanos, period;
} pyr_pprof;

/*
** Takes gzipped or raw bytes; 'max_bytes' bounds the inflated size (0: 2 GiB, which
** nothing exceeds). On failure the handle stays empty. Zero bytes, or no samples, are
** a valid and empty profile. Time O(len), except for hashing where ids are not 1..n;
** memory: the bytes, 4 for each sample (8 with labels), and the tables.
*/
pyr_status pyr_pprof_parse (pyr_pprof *h, const char *bytes, size_t len,
                            size_t max_bytes, pyr_error *e);
void pyr_pprof_free (pyr_pprof *h);
size_t pyr_pprof_bytes (const pyr_pprof *h);

/*
** Reads sample 'i': location indexes, leaf first, go to 'locations' (room for h->depth
** entries, or NULL), their number to '*depth'. Returns the value of type 'type'.
*/
int64_t pyr_pprof_sample (const pyr_pprof *h, uint32_t i, uint32_t type,
                          uint32_t *locations, uint32_t *depth);

/* The message of sample 'i'. */
pyr_slice pyr_pprof_message (const pyr_pprof *h, uint32_t i);

/*
** Labels of sample 'i', one a call: 'at' starts as NULL and keeps the place. False
** after the last one.
*/
bool pyr_pprof_label (const pyr_pprof *h, uint32_t i, const uint8_t **at,
                      pyr_pproflabel *label);

/* What a label is, by its key: span_id and the older profile_id are PYR_SPAN. */
typedef enum pyr_labelkind { PYR_LABEL, PYR_SPAN, PYR_TRACE } pyr_labelkind;

pyr_labelkind pyr_pprof_kind (const pyr_pprof *h, uint32_t key);

/* Fills sets, labels and sample_sets: part of parsing. 'labelled': some has any. */
pyr_status pyr_pprof_sets (pyr_pprof *h, bool labelled, pyr_error *e);

/* True if any value of the sample is negative: a server drops it whole. */
bool pyr_pprof_negative (const pyr_pprof *h, uint32_t i);

/* What of a pprof goes into a profile. Ids are compared as lower-case text. */
typedef struct pyr_pprofselection {
  uint32_t type;
  const bool *sets;            /* [set_count] wanted label sets, NULL: all */
  const pyr_names *spans;      /* wanted span ids, NULL: all samples */
  const pyr_names *traces;     /* wanted trace ids */
  const pyr_string *call_site; /* stacks begin with these functions, root first */
  uint32_t call_site_depth;
  const struct pyr_tagfilter *focus, *ignore; /* by labels; NULL: none */
  uint32_t max_depth; /* locations beyond, nearest the leaf, are cut; 0: none */
  bool named_only; /* as a server draws trees: locations without lines are left out, and
                      stacks without any named frame with their value */
  int64_t count;   /* result: samples that went in */
  int64_t negative; /* result: samples with a negative value, left out */
} pyr_pprofselection;

/*
** Adds the selected samples to a builder. A value of 0 makes no node. Frames without a
** name for their function are named by the address, "0x401234".
*/
pyr_status pyr_pprof_stacks (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                             pyr_error *e);

/*
** The same without a tree, where only rows are wanted: frames go to the builder, and
** self and total of each (once per stack) to weights[frame]; it costs a tenth of a
** tree. Set to zeros before the first file; the builder then holds the sum in 'total'
** and empty stacks at the root.
*/
typedef struct pyr_pprofrows {
  pyr_weight *weights; /* [cap], by frame */
  uint32_t cap;
} pyr_pprofrows;

void pyr_pprofrows_free (pyr_pprofrows *r);
pyr_status pyr_pprof_weigh (const pyr_pprof *h, pyr_pprofselection *s, pyr_stacks *b,
                            pyr_pprofrows *r, pyr_error *e);

#pragma GCC visibility pop

#endif
