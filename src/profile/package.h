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

#pragma GCC visibility pop

#endif
