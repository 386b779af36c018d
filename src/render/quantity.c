#include <string.h>

#include "render/render.h"

typedef struct scale {
  double size;
  const char *name;
} scale;

static const scale times[] = {{86400e9, "d"}, {3600e9, "h"}, {60e9, "min"}, {1e9, "s"},
                              {1e6, "ms"},    {1e3, "us"},   {0, "ns"}};
static const scale sizes[] = {{1099511627776.0, "TiB"},
                              {1073741824.0, "GiB"},
                              {1048576.0, "MiB"},
                              {1024.0, "KiB"},
                              {0, "B"}};

static void grouped (pyr_buffer *out, int64_t v) {
  char digits[32];
  size_t k = sizeof digits, n = 0;
  uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  do {
    if (n != 0 && n % 3 == 0) digits[--k] = ',';
    digits[--k] = (char)('0' + rest % 10);
    n++;
  } while ((rest /= 10) != 0);
  if (v < 0) digits[--k] = '-';
  pyr_buffer_add(out, digits + k, sizeof digits - k);
}

/* 'v' times 'factor' in the largest unit that it reaches. */
static void scaled (pyr_buffer *out, int64_t v, double factor, const scale *s) {
  double x = (double)v * factor, size = x < 0 ? -x : x;
  while (s->size > size)
    s++;
  if (s->size <= 1)
    grouped(out, v);
  else
    pyr_buffer_fixed(out, x / s->size, x / s->size < 10 ? 2 : 1);
  pyr_buffer_char(out, ' ');
  pyr_buffer_text(out, s->name);
}

static bool is (const char *unit, const char *one) {
  size_t n = strlen(one);
  return strncmp(unit, one, n) == 0 && (unit[n] == '\0' || strcmp(unit + n, "s") == 0);
}

void pyr_render_quantity (pyr_buffer *out, int64_t v, const char *unit) {
  if (unit == NULL || unit[0] == '\0' || is(unit, "count"))
    grouped(out, v);
  else if (is(unit, "nanosecond"))
    scaled(out, v, 1, times);
  else if (is(unit, "microsecond"))
    scaled(out, v, 1e3, times);
  else if (is(unit, "millisecond"))
    scaled(out, v, 1e6, times);
  else if (is(unit, "second"))
    scaled(out, v, 1e9, times);
  else if (is(unit, "byte"))
    scaled(out, v, 1, sizes);
  else {
    grouped(out, v);
    pyr_buffer_char(out, ' ');
    pyr_buffer_text(out, unit);
  }
}
