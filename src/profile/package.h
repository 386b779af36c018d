#ifndef PYR_PROFILE_PACKAGE_H
#define PYR_PROFILE_PACKAGE_H

#include "base/names.h"

#pragma GCC visibility push(hidden)

/*
** The package of a function, a part of its name: Go's import path, a Java package, a C++ or
** Rust path, a module or a file of scripting languages, the library in "libc.so`read". "" for
** names that have none (C functions). Never longer than the name; never fails.
*/
pyr_string pyr_package (pyr_string name);

/* What stands in for it where the name has none: a script itself, else the folder of the
   source file, else the name of the binary; "" if all is unknown. */
pyr_string pyr_package_of_place (pyr_string file, pyr_string object);

/* The last part of a path. */
pyr_string pyr_basename (pyr_string path);

#pragma GCC visibility pop

#endif
