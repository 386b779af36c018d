#ifndef PYR_DECODE_DECODE_H
#define PYR_DECODE_DECODE_H

#include "base/buffer.h"
#include "profile/profile.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** Every decoder fills the empty profile 'p' from untrusted bytes. The bytes must be
** followed by a NUL that 'len' does not count; they may be anything: every length,
** count, index, sum and depth is checked before use, unknown fields are skipped,
** nothing recurses. On failure 'p' stays empty and 'e' says what and where (PYR_EDECODE
** with an offset of at most 'len'). The profile keeps no pointer into the bytes. Time
** O(len); memory 32 bytes a node, the names once, and O(levels).
*/
typedef pyr_status pyr_decoder (pyr_profile *p, const char *bytes, size_t len,
                                pyr_error *e);

/* Connect JSON: {"flamegraph":{"names":[],"levels":[{"values":["0",..]}],..}}, also the
   bare inner object, and the legacy /pyroscope/render answer {"flamebearer":{..},..}
   with arrays of numbers. Integers may be strings or numbers. A "tree" (base64 of TREE)
   is read where there is no flame graph beside it; {} is the empty tree. A key that
   comes twice is an error, as is a total that is not self plus children. */
pyr_decoder pyr_decode_flamegraph_json;

/* querier.v1.FlameGraph, the message itself (field 1 of
   SelectMergeStacktracesResponse). */
pyr_decoder pyr_decode_flamegraph_proto;

/* Bytes of format TREE. Zero bytes are the empty tree. Callees stay in the order of the
   bytes, which is the reverse of that of a flame graph. */
pyr_decoder pyr_decode_tree;

/* Lines "root;leaf value"; annotations _[k] _[i] _[j] are removed; fractions are
   rounded (sum kept); a second number on every line is refused with a hint at 'diff'.
   Empty lines, those that begin with '#' and those of value 0 add nothing. */
pyr_decoder pyr_decode_folded;

/*
** speedscope file format, evented and sampled: the sum of every profile in it that has
** the unit of the first. Units of time become nanoseconds.
*/
typedef struct pyr_speedscope {
  pyr_granularity granularity; /* wanted: PYR_BY_FUNCTION or PYR_BY_LINE */
  pyr_buffer *name;            /* wanted, or NULL: gets the name of the first profile */
  const char *unit;            /* "nanoseconds", "bytes" or "count"; constant text */
  uint32_t profiles, skipped;  /* how many went in, how many have another unit */
} pyr_speedscope;

pyr_status pyr_decode_speedscope (pyr_profile *p, pyr_speedscope *about,
                                  const char *bytes, size_t len, pyr_error *e);

/*
** Two sides at once: querier.v1.FlameGraphDiff (the message itself), and the JSON of
** the Diff RPC or of /pyroscope/render-diff. Same rules.
*/
pyr_status pyr_decode_diff_proto (pyr_union *u, const char *bytes, size_t len,
                                  pyr_error *e);
pyr_status pyr_decode_diff_json (pyr_union *u, const char *bytes, size_t len,
                                 pyr_error *e);

/* What the bytes seem to be, by content alone. */
typedef enum pyr_format {
  PYR_FORMAT_UNKNOWN,
  PYR_FORMAT_GZIP, /* inflate and ask again */
  PYR_FORMAT_PPROF,
  PYR_FORMAT_FLAMEGRAPH_JSON,
  PYR_FORMAT_DIFF_JSON,
  PYR_FORMAT_SPEEDSCOPE,
  PYR_FORMAT_CHROME_TRACE, /* recognised to be refused by name */
  PYR_FORMAT_FOLDED,
  PYR_FORMAT_TREE,
  PYR_FORMAT_JFR,  /* likewise */
  PYR_FORMAT_HTML, /* likewise: a login page, an error page */
  PYR_FORMAT_PERF  /* likewise: perf.data and its text */
} pyr_format;

pyr_format pyr_format_guess (const char *bytes, size_t len);
const char *pyr_format_name (pyr_format f); /* "pprof", "json"; NULL: unknown */

#pragma GCC visibility pop

#endif
