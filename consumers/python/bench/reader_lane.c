/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Python reader is measured beside: the same library, the same calls, from C.
 *
 *   reader_lane copy|lease STREAM SECONDS
 *
 * Prints the processor's microseconds for each frame, then each frame's latency in nanoseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "framering.h"

enum { MOST = 1 << 16 };

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double used_us(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return 1e6 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int main(int argc, char** argv) {
  static int64_t latency_ns[MOST];
  framering_reader_options options = framering_reader_options_init();
  framering_frame frame = framering_frame_init();
  framering_reader* reader;
  int frames = -20; /* to begin with: it attaches, and the caches get warm */
  int i;
  if (argc != 4) return 2;
  const int lease = strcmp(argv[1], "lease") == 0;
  options.stream = argv[2];
  options.start = FRAMERING_START_HEAD;
  if (framering_reader_open(&options, &reader) != 0) {
    fprintf(stderr, "%s\n", framering_last_error());
    return 1;
  }
  double began_us = used_us();
  int64_t end_ns = INT64_MAX;
  while (frames < MOST) {
    const int result = lease ? framering_reader_lease(reader, &frame, FRAMERING_FOREVER)
                             : framering_reader_next(reader, &frame, FRAMERING_FOREVER);
    if (result == FRAMERING_STATE_CHANGED) continue;
    if (result != FRAMERING_FRAME_READY) return 1;
    const int64_t came_ns = now_ns();
    if (lease) framering_reader_release(reader, &frame);
    if (frames >= 0) latency_ns[frames] = came_ns - (int64_t)frame.published_ns;
    if (came_ns >= end_ns) break;
    if (++frames == 0) {
      began_us = used_us();
      end_ns = came_ns + (int64_t)(atof(argv[3]) * 1e9);
    }
  }
  printf("%f\n", (used_us() - began_us) / frames);
  for (i = 0; i < frames; ++i) printf("%lld\n", (long long)latency_ns[i]);
  framering_reader_close(reader);
  return 0;
}
