#include "base/json.h"
#include "decode/decode.h"
#include "decode/flamegraph.h"

typedef struct jsonreader {
  pyr_json j;
  pyr_levels *l;
  pyr_buffer text;           /* the name at hand, unescaped */
  bool names, levels, graph; /* seen; 'graph' is the object that holds the other two */
  const char *tree;
  size_t tree_length;
} jsonreader;

static const char TWICE[] = "a key comes twice";

/* Functions below return false when the scanner or the builder failed. */

static bool readnames (jsonreader *r) {
  pyr_json *j = &r->j;
  const char *bytes;
  size_t length;
  bool first = true, escaped;
  if (!pyr_json_take(j, '[')) return false;
  while (pyr_json_item(j, &first)) {
    if (!pyr_json_string(j, &bytes, &length, &escaped)) return false;
    if (escaped) {
      r->text.len = 0;
      if (!pyr_json_unescape(j, bytes, length, &r->text)) return false;
      if (r->text.status != PYR_OK) {
        pyr_nomemory(r->l->e);
        return false;
      }
      bytes = r->text.len == 0 ? "" : r->text.data;
      length = r->text.len;
    }
    if (pyr_levels_name(r->l, bytes, length, escaped, pyr_json_where(j)) != PYR_OK)
      return false;
  }
  return j->wrong == NULL;
}

/*
** The usual spellings, "123" and 123, with nothing between them and what follows. Up to
** 18 digits cannot overflow. NULL: ask the general scanner.
*/
static inline const char *quick (const char *p, int64_t *value) {
  const char *first;
  uint64_t v = 0;
  bool quoted = *p == '"';
  p += quoted;
  for (first = p; (unsigned char)(*p - '0') < 10; p++)
    v = v * 10 + (uint64_t)(*p - '0');
  if (p == first || p - first > 18 || (quoted && *p++ != '"')) return NULL;
  if (*p != ',' && *p != ']') return NULL;
  *value = (int64_t)v;
  return p;
}

static const char *slow (pyr_json *j, const char *p, int64_t *value) {
  j->p = p;
  if (!pyr_json_int(j, value)) return NULL;
  if (pyr_json_peek(j) == ',' || *j->p == ']') return j->p;
  pyr_json_fail(j, "',' or ']' was expected");
  return NULL;
}

/* Inlined with a constant width, so that the loop over a tuple is none. */
static inline bool readtuples (jsonreader *r, const unsigned width) {
  pyr_json *j = &r->j;
  const char *p = j->p, *end;
  int64_t tuple[7];
  unsigned i;
  do {
    const char *begin = p;
#pragma GCC unroll 7 /* a tuple in registers: a load of two waits for both stores */
    for (i = 0; i < width; i++) {
      int64_t value;
      end = quick(p, &value);
      if (end == NULL && (end = slow(j, p, &value)) == NULL) return false;
      tuple[i] = value;
      p = end + 1;
      if (i + 1 < width && *end == ']') {
        j->p = end;
        return pyr_json_fail(j, pyr_levels_ragged(r->l));
      }
    }
    if (pyr_levels_tuple(r->l, tuple, width, (size_t)(begin - j->begin)) != PYR_OK)
      return false;
  } while (*end == ',');
  j->p = p;
  return true;
}

static bool readvalues (jsonreader *r) {
  pyr_json *j = &r->j;
  if (!pyr_json_take(j, '[')) return false;
  if (pyr_json_peek(j) == ']') return pyr_json_take(j, ']');
  return r->l->diff ? readtuples(r, 7) : readtuples(r, 4);
}

/* {"values":[..]}, or the bare array of /pyroscope/render. */
static bool readlevel (jsonreader *r) {
  pyr_json *j = &r->j;
  const char *key;
  size_t length;
  bool first = true, values = false;
  if (pyr_json_null(j)) return true;
  if (pyr_json_peek(j) == '[') return readvalues(r);
  if (!pyr_json_take(j, '{')) return false;
  while (pyr_json_key(j, &first, &key, &length)) {
    if (!pyr_json_is(key, length, "values")) {
      if (!pyr_json_skip(j)) return false;
    } else if (values)
      return pyr_json_fail(j, TWICE);
    else if (!pyr_json_null(j)) {
      values = true;
      if (!readvalues(r)) return false;
    }
  }
  return j->wrong == NULL;
}

static bool readlevels (jsonreader *r) {
  pyr_json *j = &r->j;
  bool first = true;
  if (!pyr_json_take(j, '[')) return false;
  while (pyr_json_item(j, &first)) {
    if (pyr_levels_begin(r->l, pyr_json_where(j)) != PYR_OK || !readlevel(r) ||
        pyr_levels_end(r->l, pyr_json_where(j)) != PYR_OK)
      return false;
  }
  return j->wrong == NULL;
}

/* null is what is not there; true in '*seen' the second time is a failure. */
static bool present (pyr_json *j, bool *seen) {
  if (pyr_json_null(j)) return false;
  if (*seen) return pyr_json_fail(j, TWICE);
  return *seen = true;
}

/* A member of the object that holds names and levels; true if it was one of the two. */
static bool ismember (jsonreader *r, const char *key, size_t length) {
  if (pyr_json_is(key, length, "names")) {
    if (present(&r->j, &r->names)) readnames(r);
    return true;
  }
  if (!pyr_json_is(key, length, "levels")) return false;
  if (present(&r->j, &r->levels)) readlevels(r);
  return true;
}

static bool failed (const jsonreader *r) {
  return r->j.wrong != NULL || r->l->e->status != PYR_OK;
}

static void readgraph (jsonreader *r) {
  const char *key;
  size_t length;
  bool first = true;
  if (r->names || r->levels) {
    pyr_json_fail(&r->j, TWICE);
    return;
  }
  if (!pyr_json_take(&r->j, '{')) return;
  while (!failed(r) && pyr_json_key(&r->j, &first, &key, &length))
    if (!ismember(r, key, length)) pyr_json_skip(&r->j);
}

/* The whole answer, or names and levels by themselves. */
static void readanswer (jsonreader *r) {
  pyr_json *j = &r->j;
  const char *key;
  size_t length;
  bool first = true, escaped, empty = true;
  if (!pyr_json_take(j, '{')) return;
  while (!failed(r) && pyr_json_key(j, &first, &key, &length)) {
    empty = false;
    if (pyr_json_is(key, length, "flamegraph") ||
        pyr_json_is(key, length, "flamebearer")) {
      if (pyr_json_null(j))
        r->graph = true; /* an answer that holds nothing */
      else {
        readgraph(r);
        r->graph = true;
      }
    } else if (pyr_json_is(key, length, "tree") && pyr_json_peek(j) == '"')
      pyr_json_string(j, &r->tree, &r->tree_length, &escaped);
    else if (!ismember(r, key, length))
      pyr_json_skip(j);
  }
  if (failed(r) || !pyr_json_end(j)) return;
  if (!empty && !r->graph && !r->names && !r->levels && r->tree == NULL)
    pyr_json_fail(j, "there is no flame graph in this JSON");
}

/* Six bits of standard or URL-safe base64, or 64. */
static unsigned sixbits (char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : 64;
}

/* Decodes in place: what comes out is shorter. False if it is not base64. */
static bool base64 (pyr_buffer *b) {
  uint32_t bits = 0;
  unsigned have = 0;
  size_t i, n = b->len, out = 0;
  while (n > 0 && b->data[n - 1] == '=' && b->len - n < 2)
    n--;
  if (n % 4 == 1) return false;
  for (i = 0; i < n; i++) {
    unsigned six = sixbits(b->data[i]);
    if (six == 64) return false;
    bits = bits << 6 | six;
    have += 6;
    if (have >= 8) {
      have -= 8;
      b->data[out++] = (char)(bits >> have & 0xff);
    }
  }
  if (b->data != NULL) b->data[out] = '\0';
  b->len = out;
  return true;
}

static void taketree (jsonreader *r, pyr_buffer *tree, size_t *where) {
  pyr_json_unescape(&r->j, r->tree, r->tree_length, tree);
  if (failed(r)) return;
  *where = (size_t)(r->tree - r->j.begin);
  if (tree->status != PYR_OK)
    pyr_nomemory(r->l->e);
  else if (!base64(tree))
    pyr_fail(r->l->e, PYR_EDECODE, "the tree is not base64", *where);
}

pyr_status pyr_flamegraph_json (pyr_levels *l, const char *bytes, size_t len,
                                pyr_buffer *tree, size_t *tree_where) {
  jsonreader r;
  memset(&r, 0, sizeof r);
  r.l = l;
  l->e->status = PYR_OK;
  *tree_where = PYR_NOWHERE;
  pyr_json_init(&r.j, bytes, len);
  readanswer(&r);
  if (!failed(&r) && tree != NULL && r.tree != NULL && l->count == 0)
    taketree(&r, tree, tree_where);
  if (l->e->status == PYR_OK && r.j.wrong != NULL) pyr_json_error(&r.j, l->e);
  pyr_buffer_free(&r.text);
  return l->e->status;
}

static pyr_status treeinstead (pyr_profile *p, const pyr_buffer *tree, size_t where,
                               pyr_error *e) {
  if (pyr_decode_tree(p, tree->len == 0 ? "" : tree->data, tree->len, e) == PYR_OK)
    return PYR_OK;
  if (e->where != PYR_NOWHERE) e->where = where + e->where / 3 * 4;
  return e->status;
}

pyr_status pyr_decode_flamegraph_json (pyr_profile *p, const char *bytes, size_t len,
                                       pyr_error *e) {
  pyr_levels l;
  pyr_buffer tree;
  size_t where;
  pyr_status status;
  memset(p, 0, sizeof *p);
  memset(&tree, 0, sizeof tree);
  status = pyr_levels_init(&l, false, e);
  if (status == PYR_OK) status = pyr_flamegraph_json(&l, bytes, len, &tree, &where);
  if (status == PYR_OK)
    status = where == PYR_NOWHERE ? pyr_levels_finish(&l, p, len)
                                  : treeinstead(p, &tree, where, e);
  e->format = "json";
  pyr_levels_free(&l);
  pyr_buffer_free(&tree);
  return status;
}
