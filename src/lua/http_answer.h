#ifndef PYR_LUA_HTTP_ANSWER_H
#define PYR_LUA_HTTP_ANSWER_H

#include "http/http.h"
#include "lua/binding.h"

#pragma GCC visibility push(hidden)

/* Pushes the table of an answer; the body's bytes leave the request. */
void pyr_request_pushresponse (lua_State *L, pyr_request *r);

/* Pushes the error object of a request without an answer; no memory raises. */
void pyr_request_pushfailure (lua_State *L, const pyr_request *r);

#pragma GCC visibility pop

#endif
