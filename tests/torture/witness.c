// SPDX-License-Identifier: Apache-2.0
//
// A reader of the pattern source that writes down every frame it is handed, through the C API
// alone: one record of 64 bytes each, which a kill cannot take back. history.py judges them. The
// bytes are compared with what has to follow from the frame's number, by code of its own.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "framering.h"

enum { kMaxHeld = 8, kHeaderBytes = 24 };
enum { kKey = 1, kIntact = 2, kProtected = 4, kLeased = 8 };

// history.py: RECORD
struct record {
  uint64_t generation;
  uint64_t number;
  uint64_t lost_before;
  uint64_t published_ns;
  uint64_t asked_ns;  // before the call that brought the frame
  uint64_t got_ns;    // after it
  uint32_t flags;
  uint32_t size;
  uint64_t number_in_bytes;
};
_Static_assert(sizeof(struct record) == 64, "history.py reads it so");

static volatile sig_atomic_t stopping = 0;

static void stop(int number) {
  (void)number;
  stopping = 1;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// schema/pattern_frame.h: magic, number, checksum, then words that follow from the number.
static bool intact(const uint8_t* bytes, uint64_t size, uint64_t* number) {
  static const uint64_t kMagic = UINT64_C(0x4E52455454415046);
  uint64_t magic = 0;
  if (size < kHeaderBytes) return false;
  memcpy(&magic, bytes, sizeof magic);
  memcpy(number, bytes + 8, sizeof *number);
  uint64_t word = *number * UINT64_C(0xD1290D3D5C5B3A1F) + 1;
  for (uint64_t at = kHeaderBytes; at < size; at += 8) {
    word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t left = size - at;
    if (memcmp(bytes + at, &word, left < 8 ? left : 8) != 0) return false;
  }
  return magic == kMagic;
}

struct held {
  framering_frame frame;
  struct record record;
};

struct witness {
  framering_reader* reader;
  int log;
  bool lease;
  int hold;  // leases kept at once
  struct held held[kMaxHeld];
  int held_count;
};

// The bytes first, then whether they were protected until now: only in this order it means
// anything.
static void write_down(struct witness* self, struct held* it) {
  struct record* const record = &it->record;
  if (intact(it->frame.bytes, it->frame.size, &record->number_in_bytes)) record->flags |= kIntact;
  if (framering_reader_lease_valid(self->reader, &it->frame) == 1) record->flags |= kProtected;
  if (write(self->log, record, sizeof *record) != (ssize_t)sizeof *record) {
    perror("framering-witness: its log");
    exit(3);
  }
}

static void let_go_of_oldest(struct witness* self) {
  write_down(self, &self->held[0]);
  framering_reader_release(self->reader, &self->held[0].frame);
  --self->held_count;
  memmove(&self->held[0], &self->held[1], (size_t)self->held_count * sizeof self->held[0]);
}

// One call; false when it brought no frame.
static bool read_one(struct witness* self, int64_t timeout_ns) {
  struct held it = {.frame = framering_frame_init()};
  it.record.asked_ns = now_ns();
  const int result = self->lease ? framering_reader_lease(self->reader, &it.frame, timeout_ns)
                                 : framering_reader_next(self->reader, &it.frame, timeout_ns);
  if (result < 0) {  // told, and tried again: what is short now may be there later
    fprintf(stderr, "framering-witness: %s\n", framering_last_error());
    const struct timespec pause = {0, 10000000};
    nanosleep(&pause, NULL);
    return false;
  }
  if (result != FRAMERING_FRAME_READY) return result != FRAMERING_TIMEOUT;
  it.record.got_ns = now_ns();
  it.record.generation = it.frame.generation;
  it.record.number = it.frame.number;
  it.record.lost_before = it.frame.lost_before;
  it.record.published_ns = it.frame.published_ns;
  it.record.size = (uint32_t)it.frame.size;
  if ((it.frame.flags & FRAMERING_FRAME_KEY) != 0) it.record.flags |= kKey;
  if (!self->lease) {
    write_down(self, &it);
    return true;
  }
  it.record.flags |= kLeased;
  self->held[self->held_count++] = it;
  if (self->held_count == self->hold) let_go_of_oldest(self);
  return true;
}

static int word_of(const char* const* words, const char* word) {
  for (int i = 0; words[i] != NULL; ++i) {
    if (strcmp(words[i], word) == 0) return i;
  }
  fprintf(stderr, "framering-witness: does not know '%s'\n", word);
  exit(2);
}

// framering-witness STREAM LOG POLICY BELL START HOLD MAX_LAG; HOLD 0: copies.
int main(int argc, char** argv) {
  static const char* const policies[] = {"live", "newest", "every", NULL};
  static const char* const starts[] = {"key", "oldest", "head", NULL};
  static const char* const bells[] = {"futex", "eventfd", "line", NULL};
  if (argc != 8) return 2;
  framering_reader_options options = framering_reader_options_init();
  options.stream = argv[1];
  options.policy = (uint32_t)word_of(policies, argv[3]);
  options.bell = (uint32_t)word_of(bells, argv[4]);
  options.start = (uint32_t)word_of(starts, argv[5]);
  options.max_lag_frames = (uint32_t)atoi(argv[7]);
  struct witness self = {.hold = atoi(argv[6])};
  self.lease = self.hold > 0;
  if (self.hold > kMaxHeld) return 2;

  const struct sigaction on_stop = {.sa_handler = stop};  // no SA_RESTART: waiting ends
  sigaction(SIGTERM, &on_stop, NULL);
  self.log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (self.log < 0) {
    perror(argv[2]);
    return 3;
  }
  const int opened = framering_reader_open(&options, &self.reader);
  if (opened != 0) {
    fprintf(stderr, "framering-witness: %s\n", framering_last_error());
    return 1;
  }
  const int64_t second = 1000000000;
  while (!stopping) {
    if (options.bell == FRAMERING_BELL_FUTEX) {
      (void)read_one(&self, second);
    } else {  // as an event loop does
      struct pollfd event = {framering_reader_fd(self.reader), POLLIN, 0};
      if (poll(&event, 1, 1000) > 0 || event.revents == 0) {
        while (!stopping && read_one(&self, 0)) continue;
      }
    }
  }
  while (self.held_count > 0) let_go_of_oldest(&self);
  framering_reader_close(self.reader);
  return 0;
}
