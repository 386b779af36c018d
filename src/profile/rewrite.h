#ifndef PYR_PROFILE_REWRITE_H
#define PYR_PROFILE_REWRITE_H

#include "profile/regex.h"

#pragma GCC visibility push(hidden)

/* Shared by the two parts of pyr_regex_translate: what stands for one character
   (rewrite_class.c), and groups and repetitions of it (rewrite.c). */
#define PYR_GROUPS_MAX 400 /* RE2 takes 1000, PCRE2 not always 600 */

typedef struct pyr_rewritergroup {
  size_t at;        /* where it begins */
  uint32_t repeats; /* largest product of counts in what encloses it */
  bool fold;        /* the flag i outside */
} pyr_rewritergroup;

typedef struct pyr_rewriter {
  const char *p; /* the pattern */
  size_t n, i;   /* its length, where we are */
  pyr_buffer *out;
  pyr_error *e;
  bool fold;        /* the flag i is set */
  bool atom;        /* what came last can be repeated */
  size_t atom_end;  /* where it ends in 'out' */
  bool repeated;    /* it was a repetition */
  uint32_t inside;  /* product of counts in the last atom */
  uint32_t repeats; /* largest product in the open group */
  uint32_t depth;
  pyr_rewritergroup groups[PYR_GROUPS_MAX];
} pyr_rewriter;

/* The byte 'ahead' of where we are; -1: none. */
static inline int pyr_re_look (const pyr_rewriter *r, size_t ahead) {
  return r->n - r->i > ahead ? (unsigned char)r->p[r->i + ahead] : -1;
}

static inline bool pyr_re_isdigit (int c) {
  return c >= '0' && c <= '9';
}

static inline bool pyr_re_isword (int c) {
  return pyr_re_isdigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '_';
}

/* Refuses the pattern for what is at 'at'. Returns false. */
bool pyr_re_refuse (pyr_rewriter *r, size_t at, const char *message);

/* Appends a character that stands for itself. */
void pyr_re_emit (pyr_rewriter *r, uint32_t c);

/* Each reads what begins where we are; false: refused. A character is taken literally; an escape
   stands for one, and begins at its letter; a property is \pL, \p{Greek} or \P{^Lu}, from its p
   on. */
bool pyr_re_character (pyr_rewriter *r, uint32_t *code);
bool pyr_re_escape (pyr_rewriter *r, uint32_t *code);
bool pyr_re_property (pyr_rewriter *r);
bool pyr_re_brackets (pyr_rewriter *r);

/* \d \D \s \S \w \W, 'c' its letter. False if it is none of them. */
bool pyr_re_perlclass (pyr_rewriter *r, int c, bool bracketed);

#pragma GCC visibility pop

#endif
