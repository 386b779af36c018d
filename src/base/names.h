#ifndef PYR_BASE_NAMES_H
#define PYR_BASE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#pragma GCC visibility push(hidden)

/* Bytes that are not ours and not NUL-terminated. */
typedef struct pyr_string {
  const char *bytes;
  uint32_t length;
} pyr_string;

/*
** A set of strings with dense ids in order of arrival. With 'copy' the bytes are copied
** into blocks that the set owns; without, the caller's bytes must outlive the set. Id 0 is
** always the empty string. All zeros and pyr_names_init make an empty set; the hash seed is
** taken per process, so ids depend on the order of arrival alone.
*/
typedef struct pyr_names {
  pyr_string *strings; /* [count] */
  uint64_t *slots;     /* [mask + 1], half a hash and id + 1, or 0 */
  uint64_t seed;
  uint32_t count, cap, mask;
  int copy;
  struct pyr_namesblock *blocks;
} pyr_names;

pyr_status pyr_names_init (pyr_names *n, int copy);
void pyr_names_free (pyr_names *n);

/* Finds or adds; the id goes to '*id'. PYR_EMEMORY or PYR_OK. */
pyr_status pyr_names_intern (pyr_names *n, const char *bytes, uint32_t length,
                             uint32_t *id);

/*
** The same in steps, for those who know some strings ahead: the hash, then, some strings
** before its turn, what tells the processor which slot will be read (_soon) and which
** string (_next), then the look-up.
*/
uint64_t pyr_names_hash (const pyr_names *n, const char *bytes, uint32_t length);
void pyr_names_soon (const pyr_names *n, uint64_t hash);
void pyr_names_next (const pyr_names *n, uint64_t hash);
pyr_status pyr_names_intern_hashed (pyr_names *n, const char *bytes, uint32_t length,
                                    uint64_t hash, uint32_t *id);

/* Id of a string that is there already, or UINT32_MAX. */
uint32_t pyr_names_find (const pyr_names *n, const char *bytes, uint32_t length);

/* Hash of bytes with the seed of the process. */
uint64_t pyr_hash (const char *bytes, size_t length);

/* Finaliser for 64-bit keys, such as (parent, frame). */
static inline uint64_t pyr_mix (uint64_t x) {
  x ^= x >> 32;
  x *= UINT64_C(0xd6e8feb86659fd93);
  x ^= x >> 32;
  x *= UINT64_C(0xd6e8feb86659fd93);
  return x ^ (x >> 32);
}

/* Bytewise order of two strings, a prefix first; negative, 0 or positive. */
int pyr_string_compare (pyr_string a, pyr_string b);

#pragma GCC visibility pop

#endif
