#include "profile/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#define MATCH_LIMIT 100000 /* calls of PCRE2's matcher a text: 1.4 ms at worst */
#define HEAP_LIMIT 20480   /* KiB */
#define NEST_LIMIT 500     /* of groups; the check has its own */

void pyr_regex_free (pyr_regex *r) {
  pcre2_match_context_free(r->context);
  pcre2_match_data_free(r->match);
  pcre2_code_free(r->code);
  memset(r, 0, sizeof *r);
}

static pcre2_code *compile (const char *pattern, size_t length, uint32_t options,
                            int *problem) {
  pcre2_compile_context *c = pcre2_compile_context_create(NULL);
  pcre2_code *code = NULL;
  PCRE2_SIZE at;
  *problem = PCRE2_ERROR_NOMEMORY;
  if (c == NULL) return NULL;
  pcre2_set_newline(c, PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(c, NEST_LIMIT);
  code = pcre2_compile((PCRE2_SPTR)pattern, length,
                       options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                           PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
                           PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C,
                       problem, &at, c);
  pcre2_compile_context_free(c);
  return code;
}

bool pyr_regex_property (const char *name, size_t length) {
  char text[64] = "\\p{";
  pcre2_code *code;
  int problem;
  if (length > sizeof text - 5) return false;
  memcpy(text + 3, name, length);
  text[3 + length] = '}';
  code = compile(text, length + 4, 0, &problem);
  pcre2_code_free(code);
  return code != NULL;
}

pyr_status pyr_regex_compile (pyr_regex *r, const char *pattern, size_t length,
                              bool anchored, pyr_error *e) {
  uint32_t options = anchored ? PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL : 0;
  pyr_buffer out = {.limit = (size_t)1 << 20};
  pyr_status status = pyr_regex_translate(&out, pattern, length, e);
  int problem = 0;
  memset(r, 0, sizeof *r);
  if (status == PYR_OK) {
    r->code = compile(out.data == NULL ? "" : out.data, out.len, options, &problem);
    if (r->code == NULL && problem != PCRE2_ERROR_NOMEMORY)
      /* the check let it through, so it is only too much of something */
      status =
          pyr_fail(e, PYR_ELIMIT, "the regular expression is too large", PYR_NOWHERE);
    else if (r->code == NULL)
      status = pyr_nomemory(e);
  }
  pyr_buffer_free(&out);
  if (status != PYR_OK) return status;
  r->match = pcre2_match_data_create(1, NULL);
  r->context = pcre2_match_context_create(NULL);
  if (r->match == NULL || r->context == NULL) {
    pyr_regex_free(r);
    return pyr_nomemory(e);
  }
  pcre2_set_match_limit(r->context, MATCH_LIMIT);
  pcre2_set_depth_limit(r->context, MATCH_LIMIT);
  pcre2_set_heap_limit(r->context, HEAP_LIMIT);
  return PYR_OK;
}

pyr_status pyr_regex_test (const pyr_regex *r, const char *text, size_t length,
                           bool *matches, pyr_error *e) {
  int found = pcre2_match(r->code, (PCRE2_SPTR)(length == 0 ? "" : text), length, 0, 0,
                          r->match, r->context);
  *matches = found >= 0;
  if (found >= 0 || found == PCRE2_ERROR_NOMATCH) return PYR_OK;
  if (found == PCRE2_ERROR_NOMEMORY) return pyr_nomemory(e);
  return pyr_fail(e, PYR_ELIMIT, "the regular expression takes too long on a name",
                  PYR_NOWHERE);
}
