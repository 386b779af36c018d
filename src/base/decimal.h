#ifndef PYR_BASE_DECIMAL_H
#define PYR_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/*
** A decimal number without doubles: (whole + nano / 10^9), with a sign beside it.
** Digits after the ninth decimal place are cut, 'fraction' tells whether anything but
** zeros is behind the point.
*/
typedef struct pyr_decimal {
  uint64_t whole;
  uint32_t nano;
  bool negative, fraction;
} pyr_decimal;

typedef enum pyr_decimalstatus {
  PYR_DECIMAL_OK,
  PYR_DECIMAL_MALFORMED,
  PYR_DECIMAL_HUGE /* does not fit into 64 bits */
} pyr_decimalstatus;

/*
** Reads all of "-12", "1.5", "1.7e12" (at least one digit before the point, digits
** behind it may be missing) times 10^shift. No blanks, no plus in front.
*/
pyr_decimalstatus pyr_decimal_read (pyr_decimal *d, const char *text, size_t length,
                                    int shift);

/* The number as an integer; MALFORMED if it has a fraction, HUGE if it does not fit. */
pyr_decimalstatus pyr_decimal_int (const pyr_decimal *d, int64_t *value);

/* Rounded half away from zero. */
pyr_decimalstatus pyr_decimal_round (const pyr_decimal *d, int64_t *value);

/*
** Rounds a sequence of numbers that are not negative so that the sum of what comes out
** is the rounded sum of what goes in, and integers stay as they are. 'carry' starts as
** PYR_CARRY_START.
*/
#define PYR_CARRY_START UINT32_C(500000000)
pyr_decimalstatus pyr_decimal_spread (const pyr_decimal *d, uint32_t *carry,
                                      int64_t *value);

#pragma GCC visibility pop

#endif
