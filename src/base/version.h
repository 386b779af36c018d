#ifndef PYR_BASE_VERSION_H
#define PYR_BASE_VERSION_H

/* The one place that knows the version. */
#define PYR_VERSION "0.1.0"

#endif
