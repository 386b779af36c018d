#include "base/names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK ((size_t)1 << 16)

struct pyr_namesblock {
  struct pyr_namesblock *next;
  size_t used, size;
  char bytes[];
};

/* Differs from process to process, so that nobody can prepare names that collide. */
static uint64_t seed (void) {
  struct timespec now;
  uint64_t s = (uint64_t)(uintptr_t)&seed;
  static _Thread_local uint64_t kept;
  if (kept == 0) {
    if (clock_gettime(CLOCK_MONOTONIC, &now) == 0)
      s ^= (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
    kept = pyr_mix(s ^ (uint64_t)(uintptr_t)&now) | 1;
  }
  return kept;
}

static uint64_t multiply (uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide;
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word (const char *bytes) {
  uint64_t w;
  memcpy(&w, bytes, 8);
  return w;
}

/* Sixteen bytes a round, the last ones overlapping those before; one product each, so that
   little waits for what comes before it. */
static uint64_t hashof (uint64_t h, const char *bytes, size_t length) {
  const uint64_t p = UINT64_C(0x9e3779b97f4a7c15), q = UINT64_C(0xe7037ed1a0b428db);
  uint64_t low = 0, high = 0;
  size_t left = length;
  for (; left > 16; left -= 16, bytes += 16)
    h = multiply(word(bytes) ^ p, word(bytes + 8) ^ h);
  if (length >= 16) {
    low = word(bytes + left - 16);
    high = word(bytes + left - 8);
  } else if (length >= 8) {
    low = word(bytes);
    high = word(bytes + length - 8);
  } else
    memcpy(&low, bytes, length);
  return multiply(multiply(low ^ q, high ^ h) ^ length, UINT64_C(0x8ebc6af09c88c6e3));
}

uint64_t pyr_hash (const char *bytes, size_t length) {
  return hashof(seed(), bytes, length);
}

int pyr_string_compare (pyr_string a, pyr_string b) {
  uint32_t n = a.length < b.length ? a.length : b.length;
  int order = n == 0 ? 0 : memcmp(a.bytes, b.bytes, n);
  if (order != 0) return order;
  return a.length < b.length ? -1 : a.length > b.length;
}

pyr_status pyr_names_init (pyr_names *n, int copy) {
  uint32_t id;
  memset(n, 0, sizeof *n);
  n->copy = copy;
  n->seed = seed();
  return pyr_names_intern(n, "", 0, &id);
}

void pyr_names_free (pyr_names *n) {
  struct pyr_namesblock *block = n->blocks;
  while (block != NULL) {
    struct pyr_namesblock *next = block->next;
    free(block);
    block = next;
  }
  free(n->strings);
  free(n->slots);
  memset(n, 0, sizeof *n);
}

#define TAG UINT64_C(0xffffffff00000000)

/* What a slot holds: the upper half of the hash, which also says where it belongs, so that most
   strangers are told apart without a look at the string and a larger table needs no hashes;
   and id + 1. */
static uint64_t slot (uint64_t hash, uint32_t id) {
  return (hash & TAG) | (uint64_t)(id + 1);
}

static uint32_t idin (uint64_t s) {
  return (uint32_t)s - 1;
}

static uint32_t home (uint64_t hash, uint32_t mask) {
  return (uint32_t)(hash >> 32) & mask;
}

static pyr_status grow (pyr_names *n) {
  uint32_t cap = n->cap == 0 ? 64 : n->cap * 2, mask = cap * 2 - 1, i;
  pyr_string *strings;
  uint64_t *table;
  if (cap > UINT32_C(1) << 30) return PYR_EMEMORY;
  strings = realloc(n->strings, cap * sizeof *strings);
  if (strings == NULL) return PYR_EMEMORY;
  n->strings = strings;
  table = calloc((size_t)mask + 1, sizeof *table);
  if (table == NULL) return PYR_EMEMORY;
  for (i = 0; n->slots != NULL && i <= n->mask; i++) {
    uint32_t at = home(n->slots[i], mask);
    if (n->slots[i] == 0) continue;
    while (table[at] != 0)
      at = (at + 1) & mask;
    table[at] = n->slots[i];
  }
  free(n->slots);
  n->slots = table;
  n->mask = mask;
  n->cap = cap;
  return PYR_OK;
}

static const char *keep (pyr_names *n, const char *bytes, uint32_t length) {
  struct pyr_namesblock *block = n->blocks;
  char *at;
  if (!n->copy || length == 0) return length == 0 ? "" : bytes;
  if (block == NULL || block->size - block->used < length) {
    size_t size = length > BLOCK ? length : BLOCK;
    block = malloc(sizeof *block + size);
    if (block == NULL) return NULL;
    block->used = 0;
    block->size = size;
    block->next = n->blocks;
    n->blocks = block;
  }
  at = block->bytes + block->used;
  memcpy(at, bytes, length);
  block->used += length;
  return at;
}

/* Slot that holds the string, or the empty slot where it belongs. */
static uint32_t lookup (const pyr_names *n, uint64_t hash, const char *bytes,
                        uint32_t length) {
  uint32_t at = home(hash, n->mask);
  for (; n->slots[at] != 0; at = (at + 1) & n->mask) {
    const pyr_string *s;
    if (((n->slots[at] ^ hash) & TAG) != 0) continue;
    s = n->strings + idin(n->slots[at]);
    if (s->length == length && memcmp(s->bytes, bytes, length) == 0) break;
  }
  return at;
}

uint64_t pyr_names_hash (const pyr_names *n, const char *bytes, uint32_t length) {
  return hashof(n->seed, bytes, length);
}

void pyr_names_soon (const pyr_names *n, uint64_t hash) {
  __builtin_prefetch(n->slots + home(hash, n->mask));
}

void pyr_names_next (const pyr_names *n, uint64_t hash) {
  uint64_t s = n->slots[home(hash, n->mask)];
  if (s != 0) __builtin_prefetch(n->strings[idin(s)].bytes);
}

pyr_status pyr_names_intern (pyr_names *n, const char *bytes, uint32_t length,
                             uint32_t *id) {
  if (length == 0) bytes = "";
  return pyr_names_intern_hashed(n, bytes, length, hashof(n->seed, bytes, length), id);
}

pyr_status pyr_names_intern_hashed (pyr_names *n, const char *bytes, uint32_t length,
                                    uint64_t hash, uint32_t *id) {
  uint32_t at;
  const char *kept;
  if (length == 0) bytes = "";
  if (n->count == n->cap && grow(n) != PYR_OK) return PYR_EMEMORY;
  at = lookup(n, hash, bytes, length);
  if (n->slots[at] != 0) {
    *id = idin(n->slots[at]);
    return PYR_OK;
  }
  kept = keep(n, bytes, length);
  if (kept == NULL) return PYR_EMEMORY;
  n->strings[n->count].bytes = kept;
  n->strings[n->count].length = length;
  n->slots[at] = slot(hash, n->count);
  *id = n->count++;
  return PYR_OK;
}

uint32_t pyr_names_find (const pyr_names *n, const char *bytes, uint32_t length) {
  uint32_t at;
  if (n->count == 0) return UINT32_MAX;
  if (length == 0) return 0;
  at = lookup(n, hashof(n->seed, bytes, length), bytes, length);
  return n->slots[at] != 0 ? idin(n->slots[at]) : UINT32_MAX;
}
