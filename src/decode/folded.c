#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "decode/decode.h"
#include "profile/stacks.h"

/*
** A line is "root;caller;leaf value". Collapsed text is nearly always sorted, so a line
** shares most of its frames with the one before: those are not looked up again.
*/
typedef struct openframe {
  uint32_t node;
  size_t end; /* of the frame's text, from the beginning of the line */
} openframe;

typedef struct foldedreader {
  const char *begin, *end, *next; /* next: the line that comes after the current one */
  pyr_stacks stacks;
  openframe *open; /* frames of the line before */
  uint32_t depth, cap;
  const char *before; /* text of the line before, up to the end of its stack */
  size_t before_length;
  uint32_t carry;
  pyr_error *e;
} foldedreader;

typedef struct line {
  const char *text;
  size_t stack;  /* length of the stack */
  size_t value;  /* where the value begins */
  size_t length; /* where it ends */
} line;

static bool isblank_ (char c) {
  return c == ' ' || c == '\t';
}

static pyr_status wrong (foldedreader *r, const char *message, const char *where) {
  return pyr_fail(r->e, PYR_EDECODE, message, (size_t)(where - r->begin));
}

/* The next line that is neither empty nor a comment, split at its last blank. */
static bool nextline (foldedreader *r, line *l) {
  while (r->next < r->end) {
    const char *text = r->next, *stop = memchr(text, '\n', (size_t)(r->end - text));
    size_t n;
    if (stop == NULL) stop = r->end;
    r->next = stop == r->end ? stop : stop + 1;
    n = (size_t)(stop - text);
    while (n > 0 && (isblank_(text[n - 1]) || text[n - 1] == '\r'))
      n--;
    if (n == 0 || text[0] == '#') continue;
    l->text = text;
    l->length = n;
    while (n > 0 && !isblank_(text[n - 1]))
      n--;
    l->value = n;
    while (n > 0 && isblank_(text[n - 1]))
      n--;
    l->stack = n;
    return true;
  }
  return false;
}

static bool isnumber (const char *text, size_t length) {
  pyr_decimal d;
  return pyr_decimal_read(&d, text, length, 0) != PYR_DECIMAL_MALFORMED;
}

static bool hastwo (const line *l) {
  size_t n = l->stack;
  while (n > 0 && !isblank_(l->text[n - 1]))
    n--;
  return n > 0 && n < l->stack && isnumber(l->text + n, l->stack - n) &&
         isnumber(l->text + l->value, l->length - l->value);
}

/* Two columns on every line are a comparison; on some, functions whose names end in a
   number. */
static pyr_status refusetwo (foldedreader *r) {
  line l;
  const char *where = NULL;
  while (nextline(r, &l)) {
    if (!hastwo(&l)) {
      where = NULL;
      break;
    }
    if (where == NULL) where = l.text + l.value;
  }
  r->next = r->begin;
  if (where == NULL) return PYR_OK;
  return pyr_fail(
      r->e, PYR_EUNSUPPORTED,
      "the lines hold two values each (a comparison of two profiles): write each "
      "side to a file of its own and compare them with 'diff'",
      (size_t)(where - r->begin));
}

/* perf and its collapsers mark kernel, inlined and compiled frames so. */
static size_t unmarked (const char *name, size_t length) {
  const char *mark;
  if (length < 4) return length;
  mark = name + length - 4;
  if (memcmp(mark, "_[", 2) != 0 || mark[3] != ']') return length;
  return mark[2] == 'k' || mark[2] == 'i' || mark[2] == 'j' ? length - 4 : length;
}

/* How many frames are those of the line before. */
static uint32_t sharedframes (const foldedreader *r, const line *l) {
  size_t same = 0, limit = l->stack < r->before_length ? l->stack : r->before_length;
  uint32_t low = 0, high = r->depth;
  while (same < limit && l->text[same] == r->before[same])
    same++;
  while (low < high) { /* frames that end within what is the same */
    uint32_t middle = low + (high - low) / 2;
    if (r->open[middle].end <= same)
      low = middle + 1;
    else
      high = middle;
  }
  if (low > 0) { /* the last of them may go on here */
    size_t end = r->open[low - 1].end;
    if (end < l->stack && l->text[end] != ';') low--;
  }
  return low;
}

static pyr_status pushframe (foldedreader *r, const char *name, size_t length,
                             size_t end) {
  uint32_t parent = r->depth == 0 ? 0 : r->open[r->depth - 1].node, id, frame, node;
  length = unmarked(name, length);
  if (length > UINT32_MAX)
    return pyr_fail(r->e, PYR_ELIMIT, "a name is too long", (size_t)(name - r->begin));
  if (r->depth == r->cap) {
    uint32_t cap = r->cap == 0 ? 128 : r->cap * 2;
    openframe *open = realloc(r->open, cap * sizeof *open);
    if (open == NULL) return pyr_nomemory(r->e);
    r->open = open;
    r->cap = cap;
  }
  if (pyr_names_intern(&r->stacks.names, name, (uint32_t)length, &id) != PYR_OK)
    return pyr_nomemory(r->e);
  if (pyr_stacks_frame(&r->stacks, id, 0, 0, 0, 0, &frame, r->e) != PYR_OK ||
      pyr_stacks_child(&r->stacks, parent, frame, &node, r->e) != PYR_OK)
    return r->e->status;
  r->open[r->depth++] = (openframe){node, end};
  return PYR_OK;
}

static pyr_status readstack (foldedreader *r, const line *l) {
  size_t at = 0;
  r->depth = sharedframes(r, l);
  r->before = l->text;
  r->before_length = l->stack;
  if (r->depth > 0) at = r->open[r->depth - 1].end + 1;
  /* a ';' at the end has a frame without name behind it, an empty stack has none */
  while (r->depth == 0 ? at < l->stack : at <= l->stack) {
    const char *name = l->text + at, *stop = NULL;
    if (at < l->stack) stop = memchr(name, ';', l->stack - at);
    if (stop == NULL) stop = l->text + l->stack;
    if (pushframe(r, name, (size_t)(stop - name), (size_t)(stop - l->text)) != PYR_OK)
      return r->e->status;
    at = (size_t)(stop - l->text) + 1;
  }
  return PYR_OK;
}

static pyr_status readline (foldedreader *r, const line *l) {
  const char *text = l->text + l->value;
  pyr_decimal d;
  int64_t value;
  pyr_decimalstatus status = pyr_decimal_read(&d, text, l->length - l->value, 0);
  if (status == PYR_DECIMAL_OK && d.negative)
    return wrong(r, "a value is negative", text);
  if (status == PYR_DECIMAL_OK) status = pyr_decimal_spread(&d, &r->carry, &value);
  if (status == PYR_DECIMAL_HUGE) return wrong(r, "a value exceeds 64 bits", text);
  if (status != PYR_DECIMAL_OK)
    return wrong(r, "a line does not end in a number", text);
  if (value == 0) return PYR_OK; /* no stack without a value */
  if (readstack(r, l) != PYR_OK) return r->e->status;
  if (pyr_stacks_add(&r->stacks, r->depth == 0 ? 0 : r->open[r->depth - 1].node, value,
                     r->e) == PYR_OK)
    return PYR_OK;
  if (r->e->where == PYR_NOWHERE) r->e->where = (size_t)(text - r->begin);
  return r->e->status;
}

static pyr_status readall (foldedreader *r) {
  line l;
  if (refusetwo(r) != PYR_OK) return r->e->status;
  while (nextline(r, &l))
    if (readline(r, &l) != PYR_OK) return r->e->status;
  return PYR_OK;
}

pyr_status pyr_decode_folded (pyr_profile *p, const char *bytes, size_t len,
                              pyr_error *e) {
  foldedreader r;
  pyr_status status;
  memset(p, 0, sizeof *p);
  memset(&r, 0, sizeof r);
  r.begin = r.next = bytes;
  r.end = bytes + len;
  r.carry = PYR_CARRY_START;
  r.e = e;
  e->format = "folded";
  status = pyr_stacks_init(&r.stacks, PYR_BY_FUNCTION, e);
  if (status == PYR_OK) status = readall(&r);
  if (status == PYR_OK)
    status = pyr_stacks_finish(&r.stacks, p, e);
  else
    pyr_stacks_free(&r.stacks);
  free(r.open);
  return status;
}
