#include "profile/package.h"

#include <stdbool.h>
#include <string.h>

static bool upper (char c) {
  return c >= 'A' && c <= 'Z';
}

static bool digit (char c) {
  return c >= '0' && c <= '9';
}

static bool wordbyte (char c) {
  return upper(c) || digit(c) || (c >= 'a' && c <= 'z') || c == '_' ||
         (unsigned char)c >= 0x80;
}

static pyr_string cut (pyr_string s, uint32_t from, uint32_t to) {
  return (pyr_string){s.bytes + from, to > from ? to - from : 0};
}

static bool has (pyr_string s, uint32_t at, const char *word) {
  size_t n = strlen(word);
  return s.length - at >= n && memcmp(s.bytes + at, word, n) == 0;
}

/* "libc.so`read" and "System.Threading!Thread.Start"; but not "operator!=". */
static uint32_t library (pyr_string s) {
  uint32_t i;
  if (memchr(s.bytes, '`', s.length) == NULL && memchr(s.bytes, '!', s.length) == NULL)
    return 0;
  for (i = 1; i + 1 < s.length; i++) {
    if (s.bytes[i] == '`') return i;
    if (s.bytes[i] == '!' && wordbyte(s.bytes[i - 1]) && wordbyte(s.bytes[i + 1]))
      return i;
  }
  return 0;
}

/* End of a source file in "app/server.py:handle - 12" or "index.js handler". */
static uint32_t script (pyr_string s) {
  static const char *const endings[] = {".py",  ".rb",  ".php", ".js",  ".ts",
                                        ".mjs", ".cjs", ".jsx", ".tsx", ".lua",
                                        ".erl", ".ex",  ".pl"};
  const char *dot = s.bytes;
  size_t k;
  if (s.length == 0) return 0;
  while ((dot = memchr(dot + 1, '.', s.length - (size_t)(dot - s.bytes) - 1)) != NULL) {
    uint32_t i = (uint32_t)(dot - s.bytes);
    if (i + 1 == s.length || strchr("prjtmcle", dot[1]) == NULL) continue;
    for (k = 0; k < sizeof endings / sizeof *endings; k++) {
      uint32_t end;
      if (endings[k][1] != dot[1]) continue;
      if (!has(s, i, endings[k])) continue;
      end = i + (uint32_t)strlen(endings[k]);
      if (end == s.length || s.bytes[end] == ':' || s.bytes[end] == ' ') return end;
    }
  }
  return 0;
}

/* The name without arguments, type parameters, receivers and what a compiler adds. */
static pyr_string head (pyr_string s) {
  uint32_t i;
  for (i = 0; i < s.length; i++) {
    char c = s.bytes[i];
    if (c == '(' || c == '[' || c == '<' || c == '{') break;
  }
  return cut(s, 0, i);
}

static bool scoped (pyr_string s) {
  uint32_t i;
  for (i = 0; i + 1 < s.length; i++)
    if (s.bytes[i] == ':' && s.bytes[i + 1] == ':') return true;
  return false;
}

/* Namespaces or modules of "a::b::Type::method": up to the first type, else all but the
   last part; a type alone is its own package. */
static pyr_string namespaces (pyr_string s) {
  uint32_t i, start = 0, last = 0;
  for (i = s.length; i > 0; i--)
    if (s.bytes[i - 1] == ' ') break; /* a return type before it */
  s = cut(s, i, s.length);
  for (i = 0; i + 1 < s.length; i++) {
    if (s.bytes[i] != ':' || s.bytes[i + 1] != ':') continue;
    if (upper(s.bytes[start]) && start != 0) break;
    last = i;
    i++;
    start = i + 1;
    if (start < s.length && upper(s.bytes[start])) break;
  }
  return cut(s, 0, last);
}

/* "func1", "2", "gowrap3", "deferwrap1": Go's closures. */
static bool closure (pyr_string part) {
  static const char *const words[] = {"", "func", "gowrap", "deferwrap"};
  size_t k;
  uint32_t i;
  for (k = 0; k < sizeof words / sizeof *words; k++) {
    if (!has(part, 0, words[k])) continue;
    for (i = (uint32_t)strlen(words[k]); i < part.length && digit(part.bytes[i]); i++) {
    }
    if (i == part.length) return true;
  }
  return false;
}

static uint32_t lastdot (pyr_string s) {
  uint32_t i = s.length;
  while (i > 0 && s.bytes[i - 1] != '.')
    i--;
  return i; /* one after the dot, or 0 */
}

static pyr_string dotted (pyr_string s) {
  uint32_t i, end;
  if (s.length > 0 && s.bytes[s.length - 1] == '.') /* a receiver was cut: "sync." */
    return cut(s, 0, s.length - 1);
  while ((i = lastdot(s)) > 0 && closure(cut(s, i, s.length)))
    s.length = i - 1;
  if (s.length > 0 && upper(s.bytes[0])) { /* System.Text.Json.Read; or a class alone */
    end = lastdot(s);
    end = end > 0 ? lastdot(cut(s, 0, end - 1)) : 0;
    return cut(s, 0, end > 0 ? end - 1 : 0);
  }
  for (i = 1; i < s.length; i++)
    if (s.bytes[i - 1] == '.' && upper(s.bytes[i])) return cut(s, 0, i - 1);
  end = lastdot(s);
  return cut(s, 0, end > 0 ? end - 1 : 0);
}

/* "net/http.(*conn).serve" is in net/http, "java/util/HashMap.get" in java/util. */
static pyr_string pathed (pyr_string s, uint32_t slash) {
  uint32_t i;
  if (slash + 1 < s.length && upper(s.bytes[slash + 1])) return cut(s, 0, slash);
  for (i = slash + 1; i < s.length; i++)
    if (s.bytes[i] == '.') return cut(s, 0, i);
  return cut(s, 0, slash);
}

static pyr_string bracketed (pyr_string s) {
  uint32_t i = 1;
  while (i < s.length && s.bytes[i] != ']')
    i++;
  return cut(s, 1, i);
}

pyr_string pyr_package (pyr_string name) {
  static const char anonymous[] = "(anonymous namespace)::";
  uint32_t i;
  if (name.length == 0) return name;
  if (name.bytes[0] == '[') return bracketed(name);
  if ((i = library(name)) > 0 || (i = script(name)) > 0) return cut(name, 0, i);
  while (has(name, 0, anonymous))
    name = cut(name, sizeof anonymous - 1, name.length);
  while (name.length > 0 && (name.bytes[0] == '<' || name.bytes[0] == '&'))
    name = cut(name, 1, name.length); /* Rust: "<a::B as c::D>::e" */
  name = head(name);
  if (scoped(name)) return namespaces(name);
  for (i = name.length; i > 0; i--)
    if (name.bytes[i - 1] == '/') return pathed(name, i - 1);
  return dotted(name);
}

pyr_string pyr_basename (pyr_string path) {
  uint32_t i = path.length;
  while (i > 0 && path.bytes[i - 1] != '/' && path.bytes[i - 1] != '\\')
    i--;
  return cut(path, i, path.length);
}

pyr_string pyr_package_of_place (pyr_string file, pyr_string object) {
  pyr_string base = pyr_basename(file);
  if (base.length == file.length || script(file) == file.length)
    return file.length != 0 ? file : pyr_basename(object);
  return cut(file, 0, file.length - base.length - 1);
}
