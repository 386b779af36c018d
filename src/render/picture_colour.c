#include <stdio.h>
#include <string.h>

#include "render/picture.h"

/* FNV-1a: the same on every machine and in every process. */
static uint32_t hash (pyr_string s) {
  uint32_t h = 2166136261u, i;
  for (i = 0; i < s.length; i++)
    h = (h ^ (unsigned char)s.bytes[i]) * 16777619u;
  return h ^ h >> 15;
}

/* 24 hues of OKLCH, every third one lighter and every third one darker, so that neighbours
   differ for those who see no red or green; black text has a contrast of 9 and more. */
static const char *const hues[] = {
    "#ffaebd", "#f4918d", "#ffcbb6", "#ffb889", "#e3a257", "#fada9d",
    "#ddcc79", "#b2b95a", "#cee9ad", "#a2dd9e", "#68c894", "#a2f1d9",
    "#6fe1d7", "#30c7d3", "#9becff", "#80d7ff", "#70b7fa", "#c1dfff",
    "#bac4ff", "#b4a2f6", "#eed0ff", "#ecb4f2", "#e293cc", "#ffc7e3"};

const char *pyr_picture_hue (pyr_string package) {
  if (package.length == 0) return "#d5d9e0";
  return hues[hash(package) % (sizeof hues / sizeof *hues)];
}

/* Parts of names of runtimes, by class; the first that fits. */
static const struct {
  unsigned class;
  const char *part;
} classes[] = {{1, "gcBgMark"},
               {1, "gcDrain"},
               {1, "scanobject"},
               {1, "gcAssist"},
               {1, "runtime.gc"},
               {1, "runtime.sweep"},
               {1, "bgsweep"},
               {1, "GarbageCollect"},
               {1, "G1ParScan"},
               {1, "gc_mark"},
               {1, "gc_sweep"},
               {1, "gc_collect"},
               {1, "(garbage collector)"},
               {2, "mallocgc"},
               {2, "malloc"},
               {2, "calloc"},
               {2, "growslice"},
               {2, "makeslice"},
               {2, "newobject"},
               {2, "alloc::"},
               {2, "mmap"},
               {2, "operator new"},
               {3, "futex"},
               {3, "Mutex"},
               {3, "mutex"},
               {3, "runtime.lock"},
               {3, "semacquire"},
               {3, "semrelease"},
               {3, "RWLock"},
               {3, "park"},
               {3, "pthread_cond"},
               {5, "net."},
               {5, "net/http"},
               {5, "netpoll"},
               {5, "tcp_"},
               {5, "socket"},
               {5, "epoll"},
               {5, "sendmsg"},
               {5, "recvmsg"},
               {4, "syscall"},
               {4, "Syscall"},
               {4, "[kernel"},
               {4, "__GI_"},
               {4, "entry_SYSCALL"},
               {4, "vfs_"}};

static bool within (pyr_string s, const char *part) {
  return memmem(s.bytes, s.length, part, strlen(part)) != NULL;
}

unsigned pyr_picture_class (pyr_string name) {
  size_t i;
  for (i = 0; i < sizeof classes / sizeof *classes; i++)
    if (within(name, classes[i].part)) return classes[i].class;
  return 0;
}

const char *pyr_picture_classhue (unsigned class) {
  static const char *const colours[] = {"#a2dd9e", "#f4918d", "#fada9d",
                                        "#e293cc", "#bac4ff", "#80d7ff"};
  return colours[class < 6 ? class : 0];
}

static void mix (const int a[3], const int b[3], double t, char out[8]) {
  int c[3], i;
  for (i = 0; i < 3; i++) {
    double v = a[i] + (b[i] - a[i]) * t;
    c[i] = (int)(v + 0.5);
    c[i] = c[i] < 0 ? 0 : c[i] > 255 ? 255 : c[i];
  }
  snprintf(out, 8, "#%02x%02x%02x", (unsigned)c[0] & 255u, (unsigned)c[1] & 255u,
           (unsigned)c[2] & 255u);
}

void pyr_picture_heat (double part, char out[8]) {
  static const int low[3] = {0xfb, 0xf0, 0xd9}, high[3] = {0xf0, 0x8c, 0x4a};
  mix(low, high, part < 0 ? 0 : part > 1 ? 1 : part, out);
}

void pyr_picture_change (double t, char out[8]) {
  static const int middle[3] = {0xf3, 0xf3, 0xf3}, more[3] = {0xf4, 0xa2, 0x59},
                   less[3] = {0x7f, 0xb3, 0xe6};
  double size = t < 0 ? -t : t;
  mix(middle, t < 0 ? less : more, size > 1 ? 1 : size, out);
}
