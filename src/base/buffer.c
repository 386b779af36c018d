#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

void pyr_buffer_free (pyr_buffer *b) {
  free(b->data);
  memset(b, 0, sizeof *b);
}

bool pyr_resize (void *array, size_t count, size_t size) {
  void *block = realloc(*(void **)array, count * size);
  if (block == NULL) return false;
  *(void **)array = block;
  return true;
}

char *pyr_buffer_room (pyr_buffer *b, size_t n) {
  if (b->status != PYR_OK) return NULL;
  if (n >= SIZE_MAX / 2 - b->len || (b->limit != 0 && b->len + n > b->limit)) {
    b->status = PYR_ELIMIT;
    return NULL;
  }
  if (b->len + n + 1 > b->cap) {
    size_t cap = b->cap < 64 ? 64 : b->cap * 2;
    char *data;
    if (cap < b->len + n + 1) cap = b->len + n + 1;
    data = realloc(b->data, cap);
    if (data == NULL) {
      b->status = PYR_EMEMORY;
      return NULL;
    }
    b->data = data;
    b->cap = cap;
  }
  return b->data + b->len;
}

void pyr_buffer_add (pyr_buffer *b, const void *bytes, size_t n) {
  char *room = pyr_buffer_room(b, n);
  if (room == NULL) return;
  if (n != 0) memcpy(room, bytes, n);
  room[n] = '\0';
  b->len += n;
}

void pyr_buffer_text (pyr_buffer *b, const char *text) {
  pyr_buffer_add(b, text, strlen(text));
}

void pyr_buffer_char (pyr_buffer *b, char c) {
  pyr_buffer_add(b, &c, 1);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

char *pyr_put_decimal (char *at, uint64_t v) {
  char digits[20];
  size_t k = sizeof digits;
  while (v >= 100) {
    memcpy(digits + (k -= 2), pairs + v % 100 * 2, 2);
    v /= 100;
  }
  if (v >= 10)
    memcpy(digits + (k -= 2), pairs + v * 2, 2);
  else
    digits[--k] = (char)('0' + v);
  memcpy(at, digits + k, sizeof digits - k);
  return at + (sizeof digits - k);
}

void pyr_buffer_uint (pyr_buffer *b, uint64_t v) {
  char digits[20];
  pyr_buffer_add(b, digits, (size_t)(pyr_put_decimal(digits, v) - digits));
}

void pyr_buffer_int (pyr_buffer *b, int64_t v) {
  if (v < 0) {
    pyr_buffer_char(b, '-');
    pyr_buffer_uint(b, (uint64_t)0 - (uint64_t)v);
  } else
    pyr_buffer_uint(b, (uint64_t)v);
}

void pyr_buffer_varint (pyr_buffer *b, uint64_t v) {
  char bytes[10];
  size_t n = 0;
  while (v >= 0x80) {
    bytes[n++] = (char)(unsigned char)(v | 0x80);
    v >>= 7;
  }
  bytes[n++] = (char)v;
  pyr_buffer_add(b, bytes, n);
}

void pyr_buffer_fixed (pyr_buffer *b, double v, unsigned decimals) {
  static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
  uint64_t whole, power = (uint64_t)powers[decimals], scaled;
  bool negative = v < 0;
  scaled = (uint64_t)((negative ? -v : v) * powers[decimals] + 0.5);
  if (negative && scaled != 0) pyr_buffer_char(b, '-');
  whole = scaled / power;
  pyr_buffer_uint(b, whole);
  if (decimals != 0) {
    uint64_t part = scaled % power;
    char digits[8];
    unsigned i;
    digits[0] = '.';
    for (i = decimals; i > 0; i--, part /= 10)
      digits[i] = (char)('0' + part % 10);
    pyr_buffer_add(b, digits, decimals + 1);
  }
}

/* Table 3-7 of the Unicode standard: no overlong forms, no surrogates, no more than
   U+10FFFF. */
unsigned pyr_utf8_length (const char *p, size_t left) {
  const unsigned char *u = (const unsigned char *)p;
  unsigned n, i;
  unsigned char low = 0x80, high = 0xbf;
  if (left == 0) return 0;
  if (u[0] < 0x80) return 1;
  if (u[0] < 0xc2 || u[0] > 0xf4) return 0;
  n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
  if (left < n) return 0;
  if (u[0] == 0xe0) low = 0xa0;
  if (u[0] == 0xed) high = 0x9f;
  if (u[0] == 0xf0) low = 0x90;
  if (u[0] == 0xf4) high = 0x8f;
  if (u[1] < low || u[1] > high) return 0;
  for (i = 2; i < n; i++)
    if (u[i] < 0x80 || u[i] > 0xbf) return 0;
  return n;
}

#define REPLACEMENT "\xef\xbf\xbd"

/* Characters of up to four bytes that HTML or JavaScript could take for markup. */
static bool unsafeseparator (const char *p, unsigned n) {
  return n == 3 && memcmp(p, "\xe2\x80", 2) == 0 &&
         ((unsigned char)p[2] == 0xa8 || (unsigned char)p[2] == 0xa9);
}

static void jsonescape (pyr_buffer *b, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  static const char letters[] = "btn\0fr"; /* for 8 to 13 */
  char out[6] = {'\\', 'u', '0', '0', '0', '0'};
  if (c == '"' || c == '\\') {
    out[1] = (char)c;
    pyr_buffer_add(b, out, 2);
  } else if (c >= 8 && c <= 13 && c != 11) {
    out[1] = letters[c - 8];
    pyr_buffer_add(b, out, 2);
  } else {
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    pyr_buffer_add(b, out, 6);
  }
}

/* Where the next byte is that JSON or XML may have to escape: most names have none. */
static size_t ordinary (const char *bytes, size_t i, size_t n) {
  static const bool escaped[128] = {
      ['"'] = true, ['&'] = true,  ['\''] = true, ['<'] = true,
      ['>'] = true, ['\\'] = true, [0x7f] = true};
  while (i < n && (signed char)bytes[i] >= 0x20 && !escaped[(unsigned char)bytes[i]])
    i++;
  return i;
}

void pyr_buffer_json (pyr_buffer *b, const char *bytes, size_t n) {
  size_t i = 0, start = 0;
  pyr_buffer_char(b, '"');
  while ((i = ordinary(bytes, i, n)) < n) {
    unsigned char c = (unsigned char)bytes[i];
    unsigned length = 1;
    bool plain;
    if (c < 0x80)
      plain = c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' &&
              c != 0x7f;
    else {
      length = pyr_utf8_length(bytes + i, n - i);
      plain = length != 0 && !unsafeseparator(bytes + i, length);
    }
    if (!plain) {
      pyr_buffer_add(b, bytes + start, i - start);
      if (length == 0) {
        pyr_buffer_text(b, REPLACEMENT);
        length = 1;
      } else if (length == 3)
        pyr_buffer_text(b, (unsigned char)bytes[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
      else
        jsonescape(b, c);
      start = i + length;
    }
    i += length;
  }
  pyr_buffer_add(b, bytes + start, n - start);
  pyr_buffer_char(b, '"');
}

void pyr_buffer_xml (pyr_buffer *b, const char *bytes, size_t n) {
  size_t i = 0, start = 0;
  while ((i = ordinary(bytes, i, n)) < n) {
    unsigned char c = (unsigned char)bytes[i];
    unsigned length = c < 0x80 ? 1 : pyr_utf8_length(bytes + i, n - i);
    const char *instead = NULL;
    if (length == 0 || (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
      instead = REPLACEMENT;
    else if (c == '<')
      instead = "&lt;";
    else if (c == '>')
      instead = "&gt;";
    else if (c == '&')
      instead = "&amp;";
    else if (c == '"')
      instead = "&quot;";
    else if (c == '\'')
      instead = "&#39;";
    else if (length == 3 && (unsigned char)bytes[i] == 0xef &&
             (unsigned char)bytes[i + 1] == 0xbf && (unsigned char)bytes[i + 2] >= 0xbe)
      instead = REPLACEMENT; /* U+FFFE and U+FFFF are no XML characters */
    if (length == 0) length = 1;
    if (instead != NULL) {
      pyr_buffer_add(b, bytes + start, i - start);
      pyr_buffer_text(b, instead);
      start = i + length;
    }
    i += length;
  }
  pyr_buffer_add(b, bytes + start, n - start);
}
