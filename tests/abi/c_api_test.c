/* SPDX-License-Identifier: Apache-2.0
 *
 * The C API as a C11 program uses it: a producer and a reader of one stream, against a real broker.
 *
 *   c_api_test PATH-OF-FRAMERING-BROKER
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "framering.h"

#define SECOND INT64_C(1000000000)
#define PATIENCE_S 30 /* for what comes at once, unless the machine is slow and busy */
#define FRAME_BYTES 100000

#define CHECK(condition)                                                               \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, \
              framering_last_error());                                                 \
      exit(1);                                                                         \
    }                                                                                  \
  } while (0)

static char socket_dir[64] = "/tmp/framering-c-api-XXXXXX";
static pid_t broker = -1;

static void clean_up(void) {
  static const char* const kFiles[] = {"producer.sock", "consumer.sock", "operator.sock",
                                       "broker.lock"};
  char path[128];
  size_t i;
  if (broker > 0) {
    kill(broker, SIGTERM);
    waitpid(broker, NULL, 0);
  }
  for (i = 0; i < sizeof kFiles / sizeof kFiles[0]; ++i) {
    snprintf(path, sizeof path, "%s/%s", socket_dir, kFiles[i]);
    unlink(path);
  }
  rmdir(socket_dir);
}

static void start_broker(const char* program) {
  CHECK(mkdtemp(socket_dir) != NULL);
  broker = fork();
  CHECK(broker >= 0);
  if (broker == 0) {
    execl(program, program, "--socket-dir", socket_dir, (char*)NULL);
    perror(program);
    _exit(127);
  }
  atexit(clean_up);
}

static void fill(unsigned char* bytes, size_t size, uint64_t number) {
  size_t i;
  for (i = 0; i < size; ++i) bytes[i] = (unsigned char)(number * 31 + i * 7);
}

static int holds(const framering_frame* frame, uint64_t number) {
  size_t i;
  if (frame->number != number || frame->size != FRAME_BYTES) return 0;
  for (i = 0; i < FRAME_BYTES; ++i) {
    if (frame->bytes[i] != (unsigned char)(number * 31 + i * 7)) return 0;
  }
  return 1;
}

/* Skips news about the state; the test waits for frames. */
static int next_frame(framering_reader* reader, framering_frame* frame, int lease) {
  int result;
  do {
    result = lease ? framering_reader_lease(reader, frame, PATIENCE_S * SECOND)
                   : framering_reader_next(reader, frame, PATIENCE_S * SECOND);
  } while (result == FRAMERING_STATE_CHANGED);
  return result;
}

static void bad_arguments_are_refused_with_a_sentence(void) {
  framering_reader_options reader_options = framering_reader_options_init();
  framering_writer_options writer_options = framering_writer_options_init();
  framering_frame frame = framering_frame_init();
  framering_reader* reader = NULL;
  framering_writer* writer = NULL;

  CHECK(framering_reader_open(&reader_options, &reader) == -EINVAL && reader == NULL);
  CHECK(strstr(framering_last_error(), "stream") != NULL);
  CHECK(framering_reader_open(NULL, &reader) == -EINVAL);
  reader_options.stream = "no//such name";
  CHECK(framering_reader_open(&reader_options, &reader) == -EINVAL && reader == NULL);
  reader_options.stream = "good";
  reader_options.policy = 77;
  CHECK(framering_reader_open(&reader_options, &reader) == -EINVAL);
  CHECK(strstr(framering_last_error(), "policy") != NULL);
  reader_options.policy = FRAMERING_POLICY_LIVE;
  reader_options.struct_size = 3;
  CHECK(framering_reader_open(&reader_options, &reader) == -EINVAL);
  CHECK(strstr(framering_last_error(), "struct_size") != NULL);
  reader_options.struct_size = sizeof reader_options;
  reader_options.predictive = 1;
  reader_options.bell = FRAMERING_BELL_LINE;
  CHECK(framering_reader_open(&reader_options, &reader) == -EINVAL);
  CHECK(strstr(framering_last_error(), "futex") != NULL);

  writer_options.stream = "good";
  CHECK(framering_writer_open(&writer_options, &writer) == -EINVAL && writer == NULL);
  CHECK(strstr(framering_last_error(), "codec") != NULL);

  CHECK(framering_reader_next(NULL, &frame, 0) == -EINVAL);
  CHECK(framering_writer_publish(NULL, &frame, NULL) == -EINVAL);
  framering_reader_close(NULL);
  framering_writer_close(NULL);
}

/* A caller built against a newer header: what this library does not know must be unset. */
static void unknown_options_are_refused_unless_they_are_zero(void) {
  struct {
    framering_reader_options known;
    uint64_t from_the_future;
  } options;
  framering_reader* reader = NULL;
  memset(&options, 0, sizeof options);
  options.known.struct_size = sizeof options;
  options.known.stream = "good";
  options.known.socket_dir = socket_dir;
  CHECK(framering_reader_open(&options.known, &reader) == 0);
  framering_reader_close(reader);
  options.from_the_future = 1;
  CHECK(framering_reader_open(&options.known, &reader) == -E2BIG);
}

/* A caller built against the first header, whose options ended after `paused`. */
static void options_of_an_older_header_are_taken(void) {
  framering_reader_options options = framering_reader_options_init();
  framering_reader* reader = NULL;
  options.struct_size = offsetof(framering_reader_options, predictive);
  options.stream = "good";
  options.socket_dir = socket_dir;
  options.predictive = 1; /* lies behind its end */
  options.bell = FRAMERING_BELL_LINE;
  CHECK(framering_reader_open(&options, &reader) == 0);
  framering_reader_close(reader);
}

static framering_writer* open_writer(void) {
  framering_writer_options options = framering_writer_options_init();
  framering_writer* writer = NULL;
  options.stream = "c/h264";
  options.socket_dir = socket_dir;
  options.codec = FRAMERING_CODEC_H264;
  options.inter_coded = 1;
  options.time_base_num = 1;
  options.time_base_den = 90000;
  CHECK(framering_writer_open(&options, &writer) == 0 && writer != NULL);
  CHECK(framering_writer_set_state(writer, FRAMERING_STATE_LIVE) == 0);
  CHECK(framering_writer_set_state(writer, 1000) == -EINVAL);
  return writer;
}

static framering_reader* open_reader(uint32_t bell) {
  framering_reader_options options = framering_reader_options_init();
  framering_reader* reader = NULL;
  options.stream = "c/h264";
  options.socket_dir = socket_dir;
  options.name = "c_api_test";
  options.policy = FRAMERING_POLICY_EVERY;
  options.start = FRAMERING_START_OLDEST;
  options.bell = bell;
  CHECK(framering_reader_open(&options, &reader) == 0 && reader != NULL);
  return reader;
}

static void publish(framering_writer* writer, uint64_t expected, uint64_t parameter_set) {
  static unsigned char bytes[FRAME_BYTES];
  framering_frame frame = framering_frame_init();
  uint64_t number = 0;
  fill(bytes, sizeof bytes, expected);
  frame.bytes = bytes;
  frame.size = sizeof bytes;
  frame.flags = expected % 4 == 1 ? FRAMERING_FRAME_KEY : 0;
  frame.pts = (int64_t)expected * 3000;
  frame.parameter_set = parameter_set;
  frame.width = 1280;
  frame.height = 720;
  CHECK(framering_writer_publish(writer, &frame, &number) == 0);
  CHECK(number == expected);
}

static void a_frame_travels_whole(framering_writer* writer, framering_reader* reader) {
  static const unsigned char kSet[] = {0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 4};
  framering_frame frame = framering_frame_init();
  unsigned char set[64];
  size_t size = sizeof set;
  uint64_t number = 0;

  CHECK(framering_writer_set_parameter_sets(writer, kSet, sizeof kSet, &number) == 0);
  publish(writer, 1, number);
  CHECK(next_frame(reader, &frame, 0) == FRAMERING_FRAME_READY);
  CHECK(holds(&frame, 1));
  CHECK(frame.flags == FRAMERING_FRAME_KEY && frame.pts == 3000 && frame.lost_before == 0);
  CHECK(frame.width == 1280 && frame.height == 720 && frame.published_ns != 0);
  CHECK(frame.generation != 0 && frame.parameter_set == number);
  CHECK(framering_reader_codec(reader) == FRAMERING_CODEC_H264);
  CHECK(framering_reader_state(reader) == FRAMERING_STATE_LIVE);

  CHECK(framering_reader_parameter_set(reader, number, set, &size) == 0);
  CHECK(size == sizeof kSet && memcmp(set, kSet, sizeof kSet) == 0);
  size = 3;
  CHECK(framering_reader_parameter_set(reader, number, set, &size) == -EMSGSIZE);
  CHECK(size == sizeof kSet);
  CHECK(framering_reader_parameter_set(reader, number + 5, set, &size) == -ENOENT);
  CHECK(framering_reader_next(reader, &frame, 0) == FRAMERING_TIMEOUT);
}

static void a_leased_frame_is_the_reserved_span(framering_writer* writer,
                                                framering_reader* reader) {
  framering_frame meta = framering_frame_init();
  framering_frame frame = framering_frame_init();
  framering_memory* memory;
  const void* begin = NULL;
  size_t size = 0;
  uint64_t number = 0;
  void* span = NULL;

  CHECK(framering_writer_commit(writer, 1, &meta, &number) == -EINVAL); /* nothing reserved */
  CHECK(framering_writer_reserve(writer, FRAME_BYTES + 500, &span) == 0 && span != NULL);
  fill(span, FRAME_BYTES, 2);
  CHECK(framering_writer_commit(writer, FRAME_BYTES + 501, &meta, &number) == -EINVAL);
  CHECK(framering_writer_commit(writer, FRAME_BYTES, &meta, &number) == 0 && number == 2);

  CHECK(next_frame(reader, &frame, 1) == FRAMERING_FRAME_READY);
  CHECK(holds(&frame, 2) && frame.flags == 0);
  CHECK(framering_reader_lease_valid(reader, &frame) == 1);
  memory = framering_reader_memory(reader, &begin, &size);
  CHECK(memory != NULL && frame.bytes >= (const uint8_t*)begin);
  CHECK(frame.bytes + frame.size <= (const uint8_t*)begin + size);
  framering_reader_release(reader, &frame);
  framering_memory_release(memory);
  framering_memory_release(NULL);
}

static void too_large_a_frame_is_refused(framering_writer* writer) {
  void* span = &span;
  CHECK(framering_writer_reserve(writer, (size_t)1 << 30, &span) == -EMSGSIZE && span == NULL);
}

/* 2 MB of frames through a history of 4 MB: whoever reads in time loses nothing. */
static void many_frames_come_in_order(framering_writer* writer, framering_reader* reader) {
  framering_frame frame = framering_frame_init();
  uint64_t n;
  for (n = 3; n <= 200; ++n) {
    publish(writer, n, 0);
    CHECK(next_frame(reader, &frame, n % 2 == 0) == FRAMERING_FRAME_READY);
    CHECK(holds(&frame, n) && frame.lost_before == 0);
    if (n % 2 == 0) CHECK(framering_reader_lease_valid(reader, &frame) == 1);
    if (n % 2 == 0) framering_reader_release(reader, &frame);
  }
}

static void a_frame_is_copied_into_the_callers_memory(framering_writer* writer,
                                                      framering_reader* reader, uint64_t number) {
  static unsigned char memory[FRAME_BYTES];
  framering_frame frame = framering_frame_init();
  framering_status status = framering_status_init();
  publish(writer, number, 0);
  CHECK(framering_reader_next_into(reader, &frame, NULL, 0, 5 * SECOND) == -EMSGSIZE);
  CHECK(frame.size == FRAME_BYTES);
  CHECK(framering_reader_next_into(reader, &frame, memory, FRAME_BYTES - 1, 0) == -EMSGSIZE);
  CHECK(framering_reader_next_into(reader, &frame, NULL, 1, 0) == -EINVAL);
  CHECK(framering_reader_next_into(reader, &frame, memory, sizeof memory, 0) == 0);
  CHECK(holds(&frame, number) && frame.bytes == memory && frame.lost_before == 0);
  CHECK(framering_reader_next_into(reader, &frame, memory, 0, 0) == FRAMERING_TIMEOUT);

  CHECK(framering_reader_status(reader, &status) == 0);
  CHECK(status.link == FRAMERING_LINK_ATTACHED && status.state == FRAMERING_STATE_LIVE);
  CHECK(status.head == number && status.generation == frame.generation);
  CHECK(status.delivered == number && status.lost_lapped == 0 && status.leases_revoked == 0);
  CHECK(status.codec == FRAMERING_CODEC_H264 && status.time_base_den != 0);
  CHECK(status.history_frames != 0 && status.history_bytes != 0);
  CHECK(framering_reader_status(NULL, &status) == -EINVAL);
}

static void the_producer_learns_what_readers_want(framering_writer* writer,
                                                  framering_reader* reader) {
  framering_demand demand = framering_demand_init();
  uint64_t before;
  int tries;
  CHECK(framering_writer_announced(writer) == 1);
  CHECK(framering_writer_demand(writer, &demand) == 0);
  CHECK(demand.readers == 1 && demand.wanting == 1);
  before = demand.key_requests;
  framering_reader_request_key(reader);
  framering_reader_set_demand(reader, 0);
  for (tries = 0; tries < 10 * PATIENCE_S && (demand.key_requests == before || demand.wanting != 0);
       ++tries) {
    CHECK(framering_writer_wait(writer, SECOND / 10) >= 0);
    CHECK(framering_writer_demand(writer, &demand) == 0);
  }
  CHECK(demand.key_requests == before + 1 && demand.wanting == 0);
  framering_reader_set_demand(reader, 1);
}

static void an_event_loop_is_woken(framering_writer* writer, framering_reader* reader,
                                   uint64_t number) {
  framering_frame frame = framering_frame_init();
  struct pollfd readable;
  int result;
  int woken = 0;
  int published = 0;
  readable.fd = framering_reader_fd(reader);
  readable.events = POLLIN;
  CHECK(readable.fd >= 0);
  for (;;) {
    while ((result = framering_reader_next(reader, &frame, 0)) != FRAMERING_TIMEOUT) {
      CHECK(result >= 0);
      if (result == FRAMERING_FRAME_READY && frame.number == number) {
        CHECK(published && woken && holds(&frame, number));
        return;
      }
    }
    if (!published && framering_reader_codec(reader) != 0) {
      published = 1;
      woken = 0;
      publish(writer, number, 0);
    }
    CHECK(poll(&readable, 1, 1000 * PATIENCE_S) == 1);
    woken = 1;
  }
}

static void the_end_is_told_after_the_last_frame(framering_writer* writer,
                                                 framering_reader* reader) {
  framering_frame frame = framering_frame_init();
  int result;
  framering_writer_close(writer);
  do {
    result = next_frame(reader, &frame, 0);
  } while (result == FRAMERING_FRAME_READY);
  CHECK(result == FRAMERING_ENDED);
}

int main(int argc, char** argv) {
  framering_writer* writer;
  framering_reader* reader;
  framering_reader* looping;
  if (argc != 2) {
    fprintf(stderr, "usage: %s PATH-OF-FRAMERING-BROKER\n", argv[0]);
    return 2;
  }
  alarm(240); /* a hang is a failure */
  CHECK(strlen(framering_version()) >= 5);
  bad_arguments_are_refused_with_a_sentence();
  start_broker(argv[1]);
  unknown_options_are_refused_unless_they_are_zero();
  options_of_an_older_header_are_taken();

  writer = open_writer();
  reader = open_reader(FRAMERING_BELL_FUTEX);
  a_frame_travels_whole(writer, reader);
  a_leased_frame_is_the_reserved_span(writer, reader);
  too_large_a_frame_is_refused(writer);
  many_frames_come_in_order(writer, reader);
  the_producer_learns_what_readers_want(writer, reader);
  a_frame_is_copied_into_the_callers_memory(writer, reader, 201);
  looping = open_reader(FRAMERING_BELL_LINE);
  an_event_loop_is_woken(writer, looping, 202);
  framering_reader_close(looping);
  the_end_is_told_after_the_last_frame(writer, reader);
  framering_reader_close(reader);
  puts("c_api_test: passed");
  return 0;
}
