#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "decode/decode.h"
#include "decode/levels.h"

/*
** {"flamegraph":{"names":[..],"levels":[{"values":["0",..]},..]}} of the RPCs, the inner object
** alone, and {"flamebearer":{"names":[..],"levels":[[0,..],..]}} of /pyroscope/render. Keys may
** come in any order and blanks anywhere. The digits of the usual spelling are read by a loop of
** their own; everything else goes through the general scanner.
*/
typedef struct jsongraph {
  pyr_json j;
  pyr_levels levels;
  pyr_names set;
  uint32_t *names;
  uint32_t name_count, name_cap;
  pyr_buffer text; /* one unescaped name */
  const char *tree; /* base64 of a TREE beside or instead of the flame graph */
  size_t tree_len;
  bool found; /* names or levels were seen */
  pyr_error *e;
} jsongraph;

static bool failed (jsongraph *g) {
  return g->e->status != PYR_OK || g->j.wrong != NULL;
}

static bool keyis (const char *key, size_t len, const char *name) {
  return len == strlen(name) && memcmp(key, name, len) == 0;
}

static void readname (jsongraph *g) {
  const char *bytes;
  size_t len;
  bool escaped;
  if (!pyr_json_string(&g->j, &bytes, &len, &escaped)) return;
  if (escaped) {
    g->text.len = 0;
    if (!pyr_json_unescape(&g->j, bytes, len, &g->text)) return;
    if (g->text.status != PYR_OK) {
      pyr_nomemory(g->e);
      return;
    }
    bytes = g->text.data;
    len = g->text.len;
  }
  if (len > INT32_MAX) {
    pyr_fail(g->e, PYR_ELIMIT, "a name is too long", pyr_json_where(&g->j));
    return;
  }
  if (g->name_count == g->name_cap) {
    uint32_t cap = g->name_cap == 0 ? 128 : g->name_cap * 2;
    uint32_t *names = realloc(g->names, cap * sizeof *names);
    if (names == NULL) {
      pyr_nomemory(g->e);
      return;
    }
    g->names = names;
    g->name_cap = cap;
  }
  if (pyr_names_intern(&g->set, bytes, (uint32_t)len, g->names + g->name_count++) != PYR_OK)
    pyr_nomemory(g->e);
}

static void readnames (jsongraph *g) {
  bool first = true;
  if (pyr_json_null(&g->j)) return;
  g->found = true;
  g->name_count = 0; /* of repeated keys the last one counts */
  if (!pyr_json_take(&g->j, '[')) return;
  while (!failed(g) && pyr_json_item(&g->j, &first)) readname(g);
}

/* "123", or 123, followed by ',': up to 18 digits cannot overflow. */
static inline bool fastnumber (pyr_json *j, int64_t *v) {
  const char *p = j->p, *start;
  bool quoted = *p == '"';
  int64_t n = 0;
  p += quoted;
  start = p;
  for (; (unsigned char)(*p - '0') < 10; p++) {
    if (p - start == 18) return false;
    n = n * 10 + (*p - '0');
  }
  if (p == start) return false;
  if (quoted && *p++ != '"') return false;
  if (*p != ',' && *p != ']') return false;
  *v = n;
  j->p = p;
  return true;
}

static void readvalues (jsongraph *g) {
  pyr_json *j = &g->j;
  if (!pyr_json_take(j, '[')) return;
  if (pyr_json_peek(j) == ']') {
    j->p++;
    return;
  }
  for (;;) {
    int64_t v;
    if (!fastnumber(j, &v)) {
      pyr_json_peek(j);
      if (!pyr_json_int(j, &v)) return;
    }
    if (pyr_levels_number(&g->levels, v, pyr_json_where(j), g->e) != PYR_OK) return;
    if (*j->p == ',' && j->p < j->end)
      j->p++;
    else if (pyr_json_peek(j) == ']') {
      j->p++;
      return;
    } else if (!pyr_json_take(j, ','))
      return;
  }
}

static void readlevel (jsongraph *g) {
  const char *key;
  size_t len;
  bool first = true;
  if (pyr_levels_begin(&g->levels, g->e) != PYR_OK) return;
  if (pyr_json_peek(&g->j) == '[')
    readvalues(g);
  else if (pyr_json_take(&g->j, '{'))
    while (!failed(g) && pyr_json_key(&g->j, &first, &key, &len)) {
      if (keyis(key, len, "values") && !pyr_json_null(&g->j))
        readvalues(g);
      else if (!keyis(key, len, "values"))
        pyr_json_skip(&g->j);
    }
  if (!failed(g)) pyr_levels_end(&g->levels, pyr_json_where(&g->j), g->e);
}

static void readlevels (jsongraph *g) {
  bool first = true;
  if (pyr_json_null(&g->j)) return;
  if (g->levels.u->tree.count != 0) {
    pyr_json_fail(&g->j, "levels are given twice");
    return;
  }
  g->found = true;
  if (!pyr_json_take(&g->j, '[')) return;
  while (!failed(g) && pyr_json_item(&g->j, &first)) readlevel(g);
}

/* The object itself, or the one around it: no real answer has both. */
static void readobject (jsongraph *g, unsigned depth) {
  const char *key;
  size_t len;
  bool first = true, escaped;
  if (!pyr_json_take(&g->j, '{')) return;
  while (!failed(g) && pyr_json_key(&g->j, &first, &key, &len)) {
    if (keyis(key, len, "names"))
      readnames(g);
    else if (keyis(key, len, "levels"))
      readlevels(g);
    else if (depth == 0 && (keyis(key, len, "flamegraph") || keyis(key, len, "flamebearer"))) {
      if (!pyr_json_null(&g->j)) {
        g->found = true;
        readobject(g, 1); /* one level only */
      }
    } else if (depth == 0 && keyis(key, len, "tree") && pyr_json_peek(&g->j) == '"')
      pyr_json_string(&g->j, &g->tree, &g->tree_len, &escaped);
    else
      pyr_json_skip(&g->j);
  }
}

/* Standard and URL-safe base64, padded or not, with JSON's escaped slashes. */
static pyr_status decodebase64 (const char *text, size_t len, pyr_buffer *out) {
  uint32_t bits = 0;
  unsigned have = 0;
  size_t i;
  for (i = 0; i < len && text[i] != '='; i++) {
    char c = text[i];
    uint32_t v;
    if (c >= 'A' && c <= 'Z')
      v = (uint32_t)(c - 'A');
    else if (c >= 'a' && c <= 'z')
      v = (uint32_t)(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      v = (uint32_t)(c - '0') + 52;
    else if (c == '+' || c == '-')
      v = 62;
    else if (c == '/' || c == '_')
      v = 63;
    else if (c == '\\')
      continue;
    else
      return PYR_EDECODE;
    bits = bits << 6 | v;
    have += 6;
    if (have >= 8) {
      have -= 8;
      pyr_buffer_char(out, (char)(bits >> have & 0xff));
    }
  }
  return out->status;
}

static pyr_status treeinstead (jsongraph *g) {
  pyr_buffer bytes = {NULL, 0, 0, 0, PYR_OK};
  pyr_status status = decodebase64(g->tree, g->tree_len, &bytes);
  if (status == PYR_EDECODE)
    pyr_fail(g->e, PYR_EDECODE, "the tree is not base64", (size_t)(g->tree - g->j.begin));
  else if (status != PYR_OK)
    pyr_nomemory(g->e);
  else
    pyr_decode_tree(&g->levels.u->tree, bytes.len == 0 ? "" : bytes.data, bytes.len, g->e);
  pyr_buffer_free(&bytes);
  return g->e->status;
}

static pyr_status finish (jsongraph *g) {
  if (!failed(g) && pyr_json_peek(&g->j) != '\0') pyr_json_fail(&g->j, "text after the end");
  if (!failed(g) && g->j.p != g->j.end) pyr_json_fail(&g->j, "a NUL byte in the text");
  if (!failed(g) && !g->found && g->tree == NULL)
    pyr_json_fail(&g->j, "no flame graph in it");
  if (g->e->status == PYR_OK && g->j.wrong != NULL)
    pyr_fail(g->e, PYR_EDECODE, g->j.wrong, pyr_json_where(&g->j));
  if (g->e->status != PYR_OK) return g->e->status;
  if (!g->found && g->levels.arity == 4) return treeinstead(g);
  return pyr_levels_finish(&g->levels, g->names, g->name_count, &g->set,
                           pyr_json_where(&g->j), g->e);
}

static pyr_status decode (pyr_union *u, unsigned arity, const char *bytes, size_t len,
                          pyr_error *e) {
  jsongraph g;
  pyr_status status;
  memset(&g, 0, sizeof g);
  g.e = e;
  e->status = PYR_OK;
  pyr_json_init(&g.j, bytes, len);
  pyr_levels_init(&g.levels, u, arity);
  if (pyr_names_init(&g.set, 1) == PYR_OK)
    readobject(&g, 0);
  else
    pyr_nomemory(e);
  status = finish(&g);
  pyr_levels_free(&g.levels);
  pyr_names_free(&g.set);
  pyr_buffer_free(&g.text);
  free(g.names);
  if (status != PYR_OK) {
    e->format = arity == 7 ? "diff" : "json";
    pyr_union_free(u);
  }
  return status;
}

pyr_status pyr_decode_flamegraph_json (pyr_profile *p, const char *bytes, size_t len,
                                       pyr_error *e) {
  pyr_union u;
  pyr_status status = decode(&u, 4, bytes, len, e);
  *p = u.tree;
  return status;
}

pyr_status pyr_decode_diff_json (pyr_union *u, const char *bytes, size_t len,
                                 pyr_error *e) {
  return decode(u, 7, bytes, len, e);
}
