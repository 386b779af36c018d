#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "http/http.h"

/* "0a1b2c3d.0": what OpenSSL looks a certificate up by. */
static bool ishash (const char *name) {
  int i;
  for (i = 0; i < 8; i++)
    if (!isxdigit((unsigned char)name[i])) return false;
  return name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool hashed (const char *path) {
  struct dirent *entry;
  bool found = false;
  DIR *dir = path == NULL ? NULL : opendir(path);
  if (dir == NULL) return false;
  while (!found && (entry = readdir(dir)) != NULL)
    found = ishash(entry->d_name);
  closedir(dir);
  return found;
}

static bool isdirectory (const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void set (pyr_request *r, const char *file, const char *dir) {
  curl_easy_setopt(r->easy, CURLOPT_CAINFO, file);
  curl_easy_setopt(r->easy, CURLOPT_CAPATH, dir);
  curl_easy_setopt(r->easy, CURLOPT_PROXY_CAINFO, file);
  curl_easy_setopt(r->easy, CURLOPT_PROXY_CAPATH, dir);
}

static void lookup (pyr_pool *p) {
  const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
  bool openssl = v->ssl_version != NULL && strstr(v->ssl_version, "OpenSSL") != NULL;
  p->cainfo = v->cainfo;
  p->capath = v->capath;
  p->hashed = openssl && hashed(p->capath) ? 1 : -1;
}

/*
** A hashed directory is read one certificate at a time, a bundle whole for every new
** TLS connection (20 ms); and libcurl keeps a bundle that it has read only when no
** directory is set beside it.
*/
void pyr_request_trust (pyr_pool *p, pyr_request *r, const char *ca_file) {
  if (ca_file != NULL) {
    bool dir = isdirectory(ca_file);
    set(r, dir ? NULL : ca_file, dir ? ca_file : NULL);
    r->own_ca = strdup(ca_file);
    r->ca = r->own_ca;
    return;
  }
  if (p->hashed == 0) lookup(p);
  if (p->hashed == 1)
    set(r, NULL, p->capath);
  else if (p->cainfo != NULL)
    set(r, p->cainfo, NULL);
  r->ca = p->hashed == 1 ? p->capath : p->cainfo;
}
