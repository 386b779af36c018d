#include "base/decimal.h"

#define NANO UINT32_C(1000000000)

static bool isdigit_ (char c) {
  return (unsigned char)(c - '0') < 10;
}

/* An exponent that is absurd either way needs no more than this to be known as such. */
#define EXPONENT_MAX 100000000

static const char *exponent (const char *p, const char *end, int64_t *value) {
  bool negative = false;
  int64_t v = 0;
  if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
  if (p == end) return NULL;
  for (; p < end && isdigit_(*p); p++)
    if (v < EXPONENT_MAX) v = v * 10 + (*p - '0');
  *value = negative ? -v : v;
  return p == end ? p : NULL;
}

/* What a digit adds to, by its distance from the point: whole numbers left of it. */
static bool digit (pyr_decimal *d, unsigned value, int64_t place) {
  static const uint32_t weights[9] = {100000000, 10000000, 1000000, 100000, 10000,
                                      1000,      100,      10,      1};
  if (place > 0) {
    return !__builtin_mul_overflow(d->whole, UINT64_C(10), &d->whole) &&
           !__builtin_add_overflow(d->whole, (uint64_t)value, &d->whole);
  }
  if (value != 0) d->fraction = true;
  if (place > -9) d->nano += value * weights[-place];
  return true;
}

pyr_decimalstatus pyr_decimal_read (pyr_decimal *d, const char *text, size_t length,
                                    int shift) {
  const char *p = text, *end = text + length, *first, *point;
  int64_t exp = 0, place;
  *d = (pyr_decimal){0, 0, false, false};
  if (p < end && *p == '-') {
    d->negative = true;
    p++;
  }
  first = p;
  while (p < end && isdigit_(*p))
    p++;
  if (p == first) return PYR_DECIMAL_MALFORMED;
  point = p;
  if (p < end && *p == '.')
    for (p++; p < end && isdigit_(*p); p++)
      continue;
  if (p < end && (*p == 'e' || *p == 'E')) {
    if (exponent(p + 1, end, &exp) == NULL) return PYR_DECIMAL_MALFORMED;
    end = p;
  }
  if (p != end) return PYR_DECIMAL_MALFORMED;
  place = (point - first) + exp + shift; /* > 0 for digits left of the shifted point */
  for (p = first; p < end; p++) {
    if (p == point) continue;
    if (!digit(d, (unsigned)(*p - '0'), place)) return PYR_DECIMAL_HUGE;
    place--;
  }
  for (; place > 0 && d->whole != 0; place--)
    if (!digit(d, 0, place)) return PYR_DECIMAL_HUGE;
  return PYR_DECIMAL_OK;
}

static pyr_decimalstatus fit (uint64_t magnitude, bool negative, int64_t *value) {
  if (magnitude > (uint64_t)INT64_MAX + negative) return PYR_DECIMAL_HUGE;
  *value = negative ? (int64_t)(~magnitude + 1) : (int64_t)magnitude;
  return PYR_DECIMAL_OK;
}

pyr_decimalstatus pyr_decimal_int (const pyr_decimal *d, int64_t *value) {
  if (d->fraction) return PYR_DECIMAL_MALFORMED;
  return fit(d->whole, d->negative, value);
}

pyr_decimalstatus pyr_decimal_round (const pyr_decimal *d, int64_t *value) {
  uint64_t whole;
  if (__builtin_add_overflow(d->whole, (uint64_t)(d->nano >= NANO / 2), &whole))
    return PYR_DECIMAL_HUGE;
  return fit(whole, d->negative, value);
}

pyr_decimalstatus pyr_decimal_spread (const pyr_decimal *d, uint32_t *carry,
                                      int64_t *value) {
  uint64_t whole = d->whole;
  uint32_t sum = *carry + d->nano;
  if (sum >= NANO) {
    sum -= NANO;
    if (__builtin_add_overflow(whole, UINT64_C(1), &whole)) return PYR_DECIMAL_HUGE;
  }
  *carry = sum;
  return fit(whole, false, value);
}
