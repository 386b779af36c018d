#include <math.h>
#include <string.h>

#include "lua/binding.h"
#include "querier/wire.h"
#include "render/render.h"

/*
** Lua tables to messages and back. The nesting of tables follows the schema, which is a few
** messages deep, so the functions here may call themselves.
*/

static const pyr_method *checkmethod (lua_State *L, int arg) {
  const pyr_method *m = pyr_method_find(luaL_checkstring(L, arg));
  if (m == NULL) luaL_argerror(L, arg, "no such method");
  return m;
}

/* ---- table to message ---- */

typedef struct encoder {
  lua_State *L;
  pyr_buffer *out;
  const char *where; /* the message, for errors */
} encoder;

/* Pushes the text of what is wrong with a field; always false. */
static bool wrong (encoder *w, const pyr_message *m, const char *field,
                   const char *what) {
  lua_pushfstring(w->L, "%s: '%s' %s", m->name, field, what);
  return false;
}

static int distance (const char *a, const char *b) {
  int row[64], i, j, m = (int)strlen(a), n = (int)strlen(b);
  if (m > 60 || n > 60) return 99;
  for (j = 0; j <= n; j++)
    row[j] = j;
  for (i = 1; i <= m; i++) {
    int corner = row[0];
    row[0] = i;
    for (j = 1; j <= n; j++) {
      int cost = corner + ((a[i - 1] | 32) != (b[j - 1] | 32));
      corner = row[j];
      if (row[j] + 1 < cost) cost = row[j] + 1;
      if (row[j - 1] + 1 < cost) cost = row[j - 1] + 1;
      row[j] = cost;
    }
  }
  return row[n];
}

static bool unknownfield (encoder *w, const pyr_message *m, const char *name) {
  const pyr_field *f, *near = NULL;
  int best = (int)strlen(name) / 3 + 2, d;
  for (f = m->fields; f->name != NULL; f++) {
    d = distance(name, f->name);
    if (distance(name, f->proto) < d) d = distance(name, f->proto);
    if (d < best) {
      best = d;
      near = f;
    }
  }
  if (near != NULL)
    lua_pushfstring(w->L, "%s has no field '%s' (did you mean '%s'?)", m->name, name,
                    near->name);
  else
    lua_pushfstring(w->L, "%s has no field '%s'", m->name, name);
  return false;
}

/* An integer: also an integral float and a decimal string, as JSON and cjson give them. */
static bool integer (lua_State *L, int at, int64_t *v) {
  const char *s, *p;
  if (lua_type(L, at) == LUA_TNUMBER) {
    int is;
    *v = lua_tointegerx(L, at, &is);
    return is;
  }
  if (lua_type(L, at) != LUA_TSTRING) return false;
  p = s = lua_tostring(L, at);
  if (*p == '-') p++;
  if (*p == '\0' || p[strspn(p, "0123456789")] != '\0') return false;
  return lua_stringtonumber(L, s) != 0 &&
         (lua_isinteger(L, -1) ? (*v = lua_tointeger(L, -1), lua_pop(L, 1), true)
                               : (lua_pop(L, 1), false));
}

static bool inrange (const pyr_field *f, int64_t v) {
  switch (f->type) {
  case PYR_TINT32:
  case PYR_TENUM:
    return v >= INT32_MIN && v <= INT32_MAX;
  case PYR_TUINT32:
    return v >= 0 && v <= UINT32_MAX;
  case PYR_TUINT64:
    return v >= 0;
  default:
    return true;
  }
}

static bool encodemessage (encoder *w, const pyr_message *m);

static bool encodeenum (encoder *w, const pyr_message *m, const pyr_field *f,
                        int64_t *v) {
  const pyr_enumvalue *known;
  const char *name;
  if (lua_type(w->L, -1) == LUA_TNUMBER && integer(w->L, -1, v)) return true;
  name = lua_type(w->L, -1) == LUA_TSTRING ? lua_tostring(w->L, -1) : "";
  for (known = f->values; known->name != NULL; known++)
    if (strcmp(known->name, name) == 0) {
      *v = known->number;
      return true;
    }
  lua_pushfstring(w->L, "must be one of its names, such as %s, not '%s'",
                  f->values[1].name, name);
  return wrong(w, m, f->name, lua_tostring(w->L, -1));
}

/* What a handle on top of the stack writes; false if it is none. */
static bool encodehandle (encoder *w, const pyr_field *f, bool *done) {
  lua_State *L = w->L;
  pyr_luaprofile *p = luaL_testudata(L, -1, PYR_PROFILE_T);
  pyr_union *u = luaL_testudata(L, -1, PYR_ALIGNMENT_T);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  pyr_renderoptions o;
  size_t begin;
  memset(&o, 0, sizeof o);
  *done = false;
  if (f->payload == PYR_HPPROF && luaL_testudata(L, -1, PYR_PPROF_T) != NULL) {
    lua_getfield(L, -1, "bytes"); /* a pprof handle stands for its bytes */
    lua_insert(L, -2);
    lua_call(L, 1, 1);
  }
  if (f->payload == PYR_HPPROF && lua_type(L, -1) == LUA_TSTRING) {
    size_t len;
    const char *bytes = lua_tolstring(L, -1, &len);
    begin = pyr_put_begin(w->out, f);
    pyr_put_bytes(w->out, f->message->fields, bytes, len);
    pyr_put_end(w->out, begin);
    *done = true;
    return true;
  }
  if ((p == NULL || p->p.nodes == NULL) && (u == NULL || u->tree.nodes == NULL))
    return true;
  if (p != NULL && (f->payload == PYR_HFLAMEGRAPH || f->payload == PYR_HTREE)) {
    begin = pyr_put_begin(w->out, f);
    if (f->payload == PYR_HFLAMEGRAPH)
      pyr_render_flamegraph(w->out, &p->p, &o, &e);
    else
      pyr_render_tree(w->out, &p->p, &o, &e);
    pyr_put_end(w->out, begin);
    *done = true;
  } else if (u != NULL && f->payload == PYR_HDIFF) {
    begin = pyr_put_begin(w->out, f);
    pyr_render_diff(w->out, u, &e);
    pyr_put_end(w->out, begin);
    *done = true;
  }
  return e.status == PYR_OK || (lua_pushstring(L, e.message), false);
}

/* Writes the value on top of the stack; 'implicit': zero is not sent. */
static bool encodevalue (encoder *w, const pyr_message *m, const pyr_field *f,
                         bool implicit) {
  lua_State *L = w->L;
  int64_t v;
  size_t len, begin;
  const char *bytes;
  double number;
  bool done;
  if (f->payload != PYR_PLAIN) {
    if (!encodehandle(w, f, &done)) return false;
    if (done) return true;
  }
  switch (f->type) {
  case PYR_TSTRING:
  case PYR_TBYTES:
    if (lua_type(L, -1) != LUA_TSTRING) return wrong(w, m, f->name, "must be a string");
    bytes = lua_tolstring(L, -1, &len);
    if (!implicit || len != 0) pyr_put_bytes(w->out, f, bytes, len);
    return true;
  case PYR_TBOOL:
    if (!lua_isboolean(L, -1)) return wrong(w, m, f->name, "must be true or false");
    if (!implicit || lua_toboolean(L, -1))
      pyr_put_integer(w->out, f, lua_toboolean(L, -1));
    return true;
  case PYR_TDOUBLE:
    if (lua_type(L, -1) != LUA_TNUMBER &&
        !lua_stringtonumber(L, luaL_tolstring(L, -1, NULL)))
      return wrong(w, m, f->name, "must be a number");
    number = lua_tonumber(L, -1);
    if (!isfinite(number)) return wrong(w, m, f->name, "must be a finite number");
    if (!implicit || number != 0) pyr_put_double(w->out, f, number);
    return true;
  case PYR_TMESSAGE:
    if (!lua_istable(L, -1)) return wrong(w, m, f->name, "must be a table");
    begin = pyr_put_begin(w->out, f);
    if (!encodemessage(w, f->message)) return false;
    pyr_put_end(w->out, begin);
    return true;
  case PYR_TENUM:
    if (!encodeenum(w, m, f, &v)) return false;
    break;
  default:
    if (!integer(L, -1, &v)) return wrong(w, m, f->name, "must be an integer");
  }
  if (!inrange(f, v)) return wrong(w, m, f->name, "is out of range");
  if (!implicit || v != 0) pyr_put_integer(w->out, f, v);
  return true;
}

static bool encodelist (encoder *w, const pyr_message *m, const pyr_field *f) {
  lua_Integer i, n;
  int top = lua_gettop(w->L);
  if (!lua_istable(w->L, -1)) return wrong(w, m, f->name, "must be an array");
  n = luaL_len(w->L, -1);
  for (i = 1; i <= n; i++) {
    lua_rawgeti(w->L, top, i);
    if (!encodevalue(w, m, f, false)) return false;
    lua_settop(w->L, top);
  }
  return true;
}

/* The table on top of the stack. On failure a text is pushed. */
static bool encodemessage (encoder *w, const pyr_message *m) {
  lua_State *L = w->L;
  const pyr_field *f;
  int table = lua_gettop(L);
  luaL_checkstack(L, 20, NULL);
  lua_pushnil(L);
  while (lua_next(L, table) != 0) { /* nothing is ignored in silence */
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) return wrong(w, m, "?", "keys must be names");
    if (pyr_field_named(m, lua_tostring(L, -1), strlen(lua_tostring(L, -1))) == NULL)
      return unknownfield(w, m, lua_tostring(L, -1));
  }
  for (f = m->fields; f->name != NULL; f++) {
    if (lua_getfield(L, table, f->name) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_getfield(L, table, f->proto);
    }
    if (!lua_isnil(L, -1) && !lua_islightuserdata(L, -1)) /* cjson.null is unset */
      if (!(f->repeated ? encodelist(w, m, f) : encodevalue(w, m, f, !f->optional)))
        return false;
    lua_settop(L, table);
  }
  return true;
}

/* Encodes the table at 'arg' into a new buffer, which is pushed; NULL with an error object
   pushed behind nil instead. */
static pyr_buffer *encodetable (lua_State *L, int arg, const pyr_message *m) {
  pyr_buffer *b;
  encoder w;
  luaL_checktype(L, arg, LUA_TTABLE);
  b = pyr_lua_buffer(L);
  w.L = L;
  w.out = b;
  w.where = m->name;
  lua_pushvalue(L, arg);
  if (!encodemessage(&w, m)) {
    lua_pushstring(L, lua_tostring(L, -1));
    pyr_lua_fail(L, "usage", lua_tostring(L, -1), NULL, NULL);
    return NULL;
  }
  lua_pop(L, 1);
  return b;
}

static int core_encode (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  pyr_buffer *b = encodetable(L, 2, m->request);
  return b == NULL ? 2 : pyr_lua_pushbuffer(L, b);
}

static int pushjson (lua_State *L, const pyr_message *m, const char *bytes,
                     size_t len) {
  pyr_buffer *text = pyr_lua_buffer(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_to_json(text, m, bytes, len, &e) != PYR_OK) return pyr_lua_error(L, &e);
  return pyr_lua_pushbuffer(L, text);
}

static int core_encode_json (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  pyr_buffer *b = encodetable(L, 2, m->request);
  if (b == NULL) return 2;
  return pushjson(L, m->request, b->data == NULL ? "" : b->data, b->len);
}

/* A whole SelectMergeProfile answer may be given as {profile = bytes or a pprof handle}. */
static bool wholeprofile (lua_State *L, const pyr_method *m) {
  if (strcmp(m->name, "SelectMergeProfile") != 0) return false;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "profile");
  if (luaL_testudata(L, -1, PYR_PPROF_T) != NULL) {
    lua_getfield(L, -1, "bytes");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
  }
  return lua_type(L, -1) == LUA_TSTRING;
}

static int core_encode_answer (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  pyr_buffer *b;
  lua_settop(L, 2);
  if (wholeprofile(L, m)) return 1;
  lua_settop(L, 2);
  b = encodetable(L, 2, m->response);
  return b == NULL ? 2 : pyr_lua_pushbuffer(L, b);
}

static int core_encode_answer_json (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  pyr_buffer *b;
  lua_settop(L, 2);
  if (wholeprofile(L, m)) {
    size_t len;
    const char *bytes = lua_tolstring(L, -1, &len);
    return pushjson(L, m->response, bytes, len);
  }
  lua_settop(L, 2);
  b = encodetable(L, 2, m->response);
  if (b == NULL) return 2;
  return pushjson(L, m->response, b->data == NULL ? "" : b->data, b->len);
}

/* ---- message to table ---- */

typedef struct decoder {
  lua_State *L;
  bool raw; /* trees and profiles as tables */
  int skip; /* stack index of the names to leave out, or 0 */
  pyr_error e;
} decoder;

static pyr_status decodemessage (decoder *d, pyr_reader r);

/* Pushes a handle for a field that holds a whole tree or profile. */
static pyr_status decodehandle (decoder *d, const pyr_reader *r, const pyr_value *v) {
  const char *bytes = (const char *)v->bytes.p;
  size_t len = pyr_slice_left(&v->bytes);
  pyr_reader inner;
  pyr_value profile;
  int more;
  switch (v->field->payload) {
  case PYR_HFLAMEGRAPH:
    return pyr_lua_pushflamegraph(d->L, bytes, len, &d->e);
  case PYR_HDIFF:
    return pyr_lua_pushdiff(d->L, bytes, len, &d->e);
  case PYR_HTREE:
    return pyr_lua_pushtree(d->L, bytes, len, &d->e);
  default:
    inner = pyr_reader_enter(r, v);
    while ((more = pyr_reader_next(&inner, &profile, &d->e)) > 0)
      if (profile.field->number == 1)
        return pyr_lua_pushpprof(d->L, (const char *)profile.bytes.p,
                                 pyr_slice_left(&profile.bytes), &d->e);
    return more < 0 ? d->e.status : pyr_lua_pushpprof(d->L, "", 0, &d->e);
  }
}

static pyr_status pushvalue (decoder *d, const pyr_reader *r, const pyr_value *v) {
  lua_State *L = d->L;
  const pyr_enumvalue *known;
  if (v->field->payload != PYR_PLAIN && !d->raw) return decodehandle(d, r, v);
  switch (v->field->type) {
  case PYR_TMESSAGE:
    return decodemessage(d, pyr_reader_enter(r, v));
  case PYR_TSTRING:
  case PYR_TBYTES:
    lua_pushlstring(L, (const char *)v->bytes.p, pyr_slice_left(&v->bytes));
    break;
  case PYR_TDOUBLE:
    lua_pushnumber(L, v->number);
    break;
  case PYR_TBOOL:
    lua_pushboolean(L, v->integer != 0);
    break;
  case PYR_TENUM:
    for (known = v->field->values; known->name != NULL; known++)
      if (known->number == v->integer) break;
    if (known->name != NULL)
      lua_pushstring(L, known->name);
    else
      lua_pushinteger(L, v->integer);
    break;
  default:
    lua_pushinteger(L, v->integer);
  }
  return PYR_OK;
}

static bool skipped (const decoder *d, const pyr_field *f) {
  bool found;
  if (d->skip == 0) return false;
  found = lua_getfield(d->L, d->skip, f->name) != LUA_TNIL;
  lua_pop(d->L, 1);
  return found;
}

/* Pushes a table; on failure the stack may hold more than before, the caller returns. */
static pyr_status decodemessage (decoder *d, pyr_reader r) {
  lua_State *L = d->L;
  pyr_value v;
  int more, table;
  luaL_checkstack(L, 20, NULL);
  lua_newtable(L);
  table = lua_gettop(L);
  while ((more = pyr_reader_next(&r, &v, &d->e)) > 0) {
    if (skipped(d, v.field)) continue;
    if (v.field->repeated) {
      if (lua_getfield(L, table, v.field->name) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, table, v.field->name);
      }
      if (pushvalue(d, &r, &v) != PYR_OK) return d->e.status;
      lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
      lua_pop(L, 1);
    } else {
      if (pushvalue(d, &r, &v) != PYR_OK) return d->e.status;
      if (!v.field->optional && v.field->payload == PYR_PLAIN &&
          pyr_value_isdefault(&v)) {
        lua_pop(L, 1); /* zero is absent, however it was sent */
        continue;
      }
      lua_setfield(L, table, v.field->name);
    }
  }
  return more < 0 ? d->e.status : PYR_OK;
}

/* skip = {"tree"} as a set on the stack. */
static void readoptions (lua_State *L, int arg, decoder *d) {
  lua_Integer i, n;
  memset(d, 0, sizeof *d);
  d->L = L;
  d->e.where = PYR_NOWHERE;
  if (!lua_istable(L, arg)) return;
  lua_getfield(L, arg, "raw");
  d->raw = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (lua_getfield(L, arg, "skip") != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  n = luaL_len(L, -1);
  lua_newtable(L);
  for (i = 1; i <= n; i++) {
    lua_rawgeti(L, -2, i);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  d->skip = lua_gettop(L);
}

static int pushanswer (lua_State *L, const pyr_method *m, const char *bytes, size_t len,
                       decoder *d) {
  pyr_reader r;
  if (!d->raw && strcmp(m->response->name, "google.v1.Profile") == 0) {
    lua_newtable(L);
    if (pyr_lua_pushpprof(L, bytes, len, &d->e) != PYR_OK)
      return pyr_lua_error(L, &d->e);
    lua_setfield(L, -2, "profile");
    return 1;
  }
  pyr_reader_init(&r, m->response, bytes, len);
  if (decodemessage(d, r) != PYR_OK) return pyr_lua_error(L, &d->e);
  return 1;
}

static int core_decode_answer (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 2, &len);
  decoder d;
  lua_settop(L, 3);
  readoptions(L, 3, &d);
  return pushanswer(L, m, bytes, len, &d);
}

/* JSON at 'arg' as a message in a buffer, which is pushed; NULL: nil and an error are. */
static pyr_buffer *fromjson (lua_State *L, int arg, const pyr_message *m) {
  size_t len;
  const char *text = pyr_lua_bytes(L, arg, &len);
  pyr_buffer *b = pyr_lua_buffer(L);
  pyr_error e = {PYR_OK, NULL, NULL, PYR_NOWHERE};
  if (pyr_from_json(b, m, text, len, &e) == PYR_OK) return b;
  pyr_lua_error(L, &e);
  return NULL;
}

static int core_decode_answer_json (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  decoder d;
  pyr_buffer *b;
  lua_settop(L, 3);
  readoptions(L, 3, &d);
  b = fromjson(L, 2, m->response);
  if (b == NULL) return 2;
  return pushanswer(L, m, b->data == NULL ? "" : b->data, b->len, &d);
}

static int core_decode_request (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 2, &len);
  decoder d;
  pyr_reader r;
  lua_settop(L, 2);
  readoptions(L, 3, &d);
  pyr_reader_init(&r, m->request, bytes, len);
  if (decodemessage(&d, r) != PYR_OK) return pyr_lua_error(L, &d.e);
  return 1;
}

static int core_decode_request_json (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  pyr_buffer *b;
  decoder d;
  pyr_reader r;
  lua_settop(L, 2);
  readoptions(L, 3, &d);
  b = fromjson(L, 2, m->request);
  if (b == NULL) return 2;
  pyr_reader_init(&r, m->request, b->data == NULL ? "" : b->data, b->len);
  if (decodemessage(&d, r) != PYR_OK) return pyr_lua_error(L, &d.e);
  return 1;
}

/* The bytes of an answer as Connect JSON, for people. */
static int core_answer_to_json (lua_State *L) {
  const pyr_method *m = checkmethod(L, 1);
  size_t len;
  const char *bytes = pyr_lua_bytes(L, 2, &len);
  return pushjson(L, m->response, bytes, len);
}

static int core_methods (lua_State *L) {
  const pyr_method *m;
  lua_newtable(L);
  for (m = pyr_methods; m->name != NULL; m++) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, m->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, m->since);
    lua_setfield(L, -2, "since");
    lua_pushstring(L, m->request->name);
    lua_setfield(L, -2, "request");
    lua_pushstring(L, m->response->name);
    lua_setfield(L, -2, "response");
    lua_setfield(L, -2, m->name);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"methods", core_methods},
                                     {"encode", core_encode},
                                     {"encode_json", core_encode_json},
                                     {"decode_answer", core_decode_answer},
                                     {"decode_answer_json", core_decode_answer_json},
                                     {"encode_answer", core_encode_answer},
                                     {"encode_answer_json", core_encode_answer_json},
                                     {"answer_to_json", core_answer_to_json},
                                     {"decode_request", core_decode_request},
                                     {"decode_request_json", core_decode_request_json},
                                     {NULL, NULL}};

void pyr_lua_open_querier (lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
