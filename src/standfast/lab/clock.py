"""A wall clock that can jump on one host: a library preloaded into its processes adds seconds; the monotonic clock stays.

Linux lets a namespace shift its monotonic clocks only, and before anybody uses them; the wall clock is one for the whole machine.
Owns: the library (C, built on the spot) and the file that it reads. Does not own: when a clock jumps.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from standfast.lab.lab import Host

CLOCK_PATH = "/run/lab-clock"
_AHEAD = struct.Struct("=q")

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *ahead;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("LAB_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *at = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
  if (at != MAP_FAILED) ahead = at;
  close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t) {
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int rc = real(id, t);
  if (!rc && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += *ahead;
  return rc;
}

int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
"""


def missing() -> str:
    """Why clocks cannot be made to jump here; "" when they can."""
    return "" if shutil.which("cc") else "no C compiler: apt-get install gcc libc6-dev"


def build(folder: Path) -> Path:
    """The library, in this folder."""
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(_SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True, capture_output=True, timeout=60)
    return library


def set_ahead(host: Host, seconds: int) -> None:
    """From now on the wall clock of the host's processes is so many seconds ahead of the machine's."""
    place = Path(f"/proc/{host.pid}/root{CLOCK_PATH}")
    if not place.exists():
        host.write(CLOCK_PATH, bytes(_AHEAD.size))
    with place.open("r+b") as file:
        file.write(_AHEAD.pack(seconds))


def preloaded(library: Path) -> list[str]:
    """What to put before a command so that it follows the host's clock."""
    return ["env", f"LD_PRELOAD={library}", f"LAB_CLOCK={CLOCK_PATH}"]
