#include <stdlib.h>
#include <string.h>

#include "profile/ops.h"
#include "profile/regex.h"

/*
** pprof tries prune_from on names without arguments: from the first parenthesis on they are cut
** off, but for the two that are part of C++ names. For Go this means that a method is tried as
** its package, "net/http."; whoever knows pprof's patterns gets what they expect.
*/
static pyr_string simplified (pyr_string name) {
  static const char *const kept[] = {"(anonymous namespace)", "operator()"};
  uint32_t i = name.length != 0 && name.bytes[0] == '.', k;
  pyr_string s = {name.bytes + i, name.length - i};
  for (i = 0; i < s.length; i++) {
    for (k = 0; k < 2; k++) {
      size_t n = strlen(kept[k]);
      if (s.length - i >= n && memcmp(s.bytes + i, kept[k], n) == 0) break;
    }
    if (k < 2)
      i += (uint32_t)strlen(kept[k]) - 1;
    else if (s.bytes[i] == '(')
      s.length = i;
  }
  return s;
}

typedef struct matcher {
  const pyr_profile *p;
  const pyr_regex *r;
  signed char *tried; /* by string: 0 not yet, 1 matches, -1 does not */
  pyr_error *e;
} matcher;

/* A file or binary that is not known has no text to be tried on. */
static pyr_status try (matcher *m, uint32_t id, bool *match) {
  const pyr_string *s = m->p->strings + id;
  if (m->tried[id] == 0) {
    bool found;
    if (pyr_regex_test(m->r, s->bytes, s->length, &found, m->e) != PYR_OK)
      return m->e->status;
    m->tried[id] = found ? 1 : -1;
  }
  *match = m->tried[id] > 0;
  return PYR_OK;
}

static pyr_status trynames (matcher *m, bool *matches) {
  const pyr_profile *p = m->p;
  uint32_t i;
  for (i = 1; i < p->frame_count; i++) {
    pyr_string s = simplified(p->strings[p->frames[i].name]);
    uint32_t id = p->frames[i].name;
    if (m->tried[id] == 0) {
      bool found = false;
      if (s.length != 0 &&
          pyr_regex_test(m->r, s.bytes, s.length, &found, m->e) != PYR_OK)
        return m->e->status;
      m->tried[id] = found ? 1 : -1;
    }
    matches[i] = m->tried[id] > 0;
  }
  return PYR_OK;
}

static pyr_status tryall (matcher *m, bool *matches) {
  const pyr_profile *p = m->p;
  uint32_t i;
  for (i = 1; i < p->frame_count; i++) {
    const pyr_frame *f = p->frames + i;
    if (try(m, f->name, matches + i) != PYR_OK) return m->e->status;
    if (!matches[i] && f->file != 0 && try(m, f->file, matches + i) != PYR_OK)
      return m->e->status;
    if (!matches[i] && f->object != 0 && try(m, f->object, matches + i) != PYR_OK)
      return m->e->status;
  }
  return PYR_OK;
}

pyr_status pyr_profile_match (const pyr_profile *p, const pyr_regex *r, bool simplify,
                              bool *matches, pyr_error *e) {
  matcher m = {p, r, calloc(p->string_count + 1u, 1), e};
  pyr_status status;
  if (m.tried == NULL) return pyr_nomemory(e);
  matches[0] = false;
  status = simplify ? trynames(&m, matches) : tryall(&m, matches);
  free(m.tried);
  return status;
}
