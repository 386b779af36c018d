#ifndef PYR_QUERIER_MESSAGES_H
#define PYR_QUERIER_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/*
** The one table of the querier's messages: everything that writes or reads requests and
** answers, as protobuf or as JSON, works from it. The nesting of messages is the only depth
** there is, so what follows the table may recurse.
*/
typedef enum pyr_fieldtype {
  PYR_TINT64,
  PYR_TUINT64,
  PYR_TINT32,
  PYR_TUINT32,
  PYR_TDOUBLE,
  PYR_TBOOL,
  PYR_TSTRING,
  PYR_TBYTES,
  PYR_TENUM,
  PYR_TMESSAGE
} pyr_fieldtype;

/* What a field holds as a whole, for callers that want a call tree and no table. */
typedef enum pyr_payload {
  PYR_PLAIN,
  PYR_HFLAMEGRAPH, /* FlameGraph */
  PYR_HDIFF,       /* FlameGraphDiff */
  PYR_HTREE,       /* bytes of format TREE */
  PYR_HPPROF       /* a message with google.v1.Profile as its field 1 */
} pyr_payload;

typedef struct pyr_enumvalue {
  const char *name; /* NULL ends the list */
  int32_t number;
} pyr_enumvalue;

typedef struct pyr_message pyr_message;

typedef struct pyr_field {
  const char *name;  /* lowerCamelCase, as in JSON; NULL ends the list */
  const char *proto; /* the original name */
  uint32_t number;
  pyr_fieldtype type;
  bool repeated;
  bool optional; /* is sent when given, also as 0 */
  const pyr_message *message;
  const pyr_enumvalue *values;
  pyr_payload payload;
} pyr_field;

struct pyr_message {
  const char *name;
  const pyr_field *fields; /* by number */
};

typedef struct pyr_method {
  const char *name, *path, *since;
  const pyr_message *request, *response;
} pyr_method;

extern const pyr_method pyr_methods[]; /* a NULL name ends the list */

const pyr_method *pyr_method_find (const char *name);
const pyr_field *pyr_field_numbered (const pyr_message *m, uint32_t number);
const pyr_field *pyr_field_named (const pyr_message *m, const char *name, size_t len);

/* Wire type of one value of a field. */
unsigned pyr_field_wire (const pyr_field *f);

#pragma GCC visibility pop

#endif
