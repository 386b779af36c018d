#ifndef PYR_DECODE_DECODE_H
#define PYR_DECODE_DECODE_H

#include "profile/profile.h"
#include "profile/union.h"

#pragma GCC visibility push(hidden)

/*
** Every decoder fills the empty profile 'p' from untrusted bytes. The bytes must be followed
** by a NUL that 'len' does not count; they may be anything: every length, count, index, sum
** and depth is checked before use, unknown fields are skipped, nothing recurses. On failure
** 'p' stays empty and 'e' says what and where (PYR_EDECODE with an offset of at most 'len').
** The profile keeps no pointer into the bytes. Time O(len); memory 32 bytes a node, the names
** once, and O(levels).
*/
typedef pyr_status pyr_decoder (pyr_profile *p, const char *bytes, size_t len,
                                pyr_error *e);

/* Connect JSON: {"flamegraph":{"names":[],"levels":[{"values":["0",..]}],..}}, also the
   bare inner object, and the legacy /pyroscope/render answer {"flamebearer":{..},..} with
   arrays of numbers. Integers may be strings or numbers. */
pyr_decoder pyr_decode_flamegraph_json;

/* querier.v1.FlameGraph, the message itself (field 1 of SelectMergeStacktracesResponse). */
pyr_decoder pyr_decode_flamegraph_proto;

/* Bytes of format TREE. Zero bytes are the empty tree. */
pyr_decoder pyr_decode_tree;

/* Lines "root;leaf value"; annotations _[k] _[i] _[j] are removed; fractions are rounded
   (sum kept); a second number is refused with a hint at 'diff'. */
pyr_decoder pyr_decode_folded;

/* speedscope file format, every profile in it that has the unit of the first; evented and
   sampled. */
pyr_decoder pyr_decode_speedscope;

/*
** Two sides at once: querier.v1.FlameGraphDiff (the message itself), and the JSON of the Diff
** RPC or of /pyroscope/render-diff. Same rules.
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
const char *pyr_format_name (pyr_format f); /* "pprof", "json", "tree", ... */

#pragma GCC visibility pop

#endif
