#include <string.h>

#include "http/http.h"

bool pyr_head_next (const char **line, const char *end, const char **name,
                    size_t *name_length, const char **value, size_t *value_length) {
  const char *start = *line, *stop = memchr(start, '\n', (size_t)(end - start));
  const char *colon;
  if (stop == NULL) stop = end;
  *line = stop < end ? stop + 1 : end;
  while (stop > start && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
    stop--;
  colon = memchr(start, ':', (size_t)(stop - start));
  if (colon == NULL || colon == start) return false;
  *name = start;
  *name_length = (size_t)(colon - start);
  for (colon++; colon < stop && (*colon == ' ' || *colon == '\t');)
    colon++;
  *value = colon;
  *value_length = (size_t)(stop - colon);
  return true;
}

bool pyr_head_find (const pyr_buffer *head, const char *name, const char **value,
                    size_t *length) {
  const char *line = head->data, *end = line + head->len, *found;
  size_t n = strlen(name), m;
  while (line != NULL && line < end)
    if (pyr_head_next(&line, end, &found, &m, value, length) && m == n &&
        curl_strnequal(found, name, n))
      return true;
  return false;
}
