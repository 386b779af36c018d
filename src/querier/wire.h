#ifndef PYR_QUERIER_WIRE_H
#define PYR_QUERIER_WIRE_H

#include "base/buffer.h"
#include "base/slice.h"
#include "querier/messages.h"

#pragma GCC visibility push(hidden)

/*
** Protobuf is the one form of a message in memory; JSON is made from it and into it. A reader
** gives one known field after the other: scalars in 'integer' or 'number', everything of wire
** type 2 in 'bytes'. Packed scalars come one by one. Unknown fields are skipped.
*/
typedef struct pyr_value {
  const pyr_field *field;
  int64_t integer; /* also bool and enum */
  double number;
  pyr_slice bytes;
} pyr_value;

typedef struct pyr_reader {
  const pyr_message *message;
  const uint8_t *begin; /* of the whole, for offsets */
  pyr_slice s, pack;
  const pyr_field *packed; /* field whose packed values are being read */
} pyr_reader;

void pyr_reader_init (pyr_reader *r, const pyr_message *m, const char *bytes,
                      size_t len);

/* A reader for the message in 'v', a field of 'r'. */
pyr_reader pyr_reader_enter (const pyr_reader *r, const pyr_value *v);

/* 1: a value; 0: the end; -1: damage, 'e' is filled. */
int pyr_reader_next (pyr_reader *r, pyr_value *v, pyr_error *e);

/* What proto3 does not send; it may come all the same. */
bool pyr_value_isdefault (const pyr_value *v);

/* Writers of one value of a field, tag included. */
void pyr_put_integer (pyr_buffer *b, const pyr_field *f, int64_t v);
void pyr_put_double (pyr_buffer *b, const pyr_field *f, double v);
void pyr_put_bytes (pyr_buffer *b, const pyr_field *f, const char *bytes, size_t len);

/* A nested message: what is written between the two belongs to it. */
size_t pyr_put_begin (pyr_buffer *b, const pyr_field *f);
void pyr_put_end (pyr_buffer *b, size_t begin);

/* Connect JSON of a message: zero fields absent, int64 as strings, enums by name. */
pyr_status pyr_to_json (pyr_buffer *out, const pyr_message *m, const char *bytes,
                        size_t len, pyr_error *e);

/* The other way; unknown keys and enum names are skipped, null is absent. */
pyr_status pyr_from_json (pyr_buffer *out, const pyr_message *m, const char *text,
                          size_t len, pyr_error *e);

#pragma GCC visibility pop

#endif
