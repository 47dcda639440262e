/* SPDX-License-Identifier: Apache-2.0
 *
 * libkvm.so as a server uses it that was built for the vendor's: against a real broker, and a
 * producer on the stand-in for the vendor's encoder.
 *
 *   libkvm_test BROKER PRODUCER LIBKVM_MMF KVM_STANDIN_CTL
 */
#include "kvm_vision.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "stage.h"

#define READERS 3
#define PATIENCE_S 30 /* for what comes at once, unless the machine is slow and busy */
#define ATTEMPTS 5    /* such a machine is late now and then, but not every time */

static uint8_t* data;
static uint32_t size;

static int read_type(uint8_t type) {
  return kvmv_read_img(0, 0, type, 0, &data, &size);
}

/* What was read is what its result says. Gives it back. */
static void check_and_free(int result, uint8_t* bytes, uint32_t length) {
  static const uint8_t kSps[] = {0, 0, 0, 1, 0x67};
  if (result != KVMV_IS_JPEG && result != KVMV_IS_I && result != KVMV_IS_P) {
    CHECK(bytes == NULL && length == 0);
    return;
  }
  CHECK(bytes != NULL && length > 8);
  if (result == KVMV_IS_JPEG) {
    CHECK(bytes[0] == 0xff && bytes[1] == 0xd8);
    CHECK(bytes[length - 2] == 0xff && bytes[length - 1] == 0xd9);
  } else if (result == KVMV_IS_I) {
    CHECK(memcmp(bytes, kSps, sizeof kSps) == 0);
  } else {
    CHECK(memcmp(bytes, kSps, 3) == 0 && (bytes[4] & 0x1f) == 1);
  }
  CHECK(free_kvmv_data(&bytes) == result && bytes == NULL);
}

static int read_and_free(uint8_t type) {
  const int result = read_type(type);
  check_and_free(result, data, size);
  return result;
}

/* The same for a source that sends: a read that waited in vain, on a busy machine, is made again. */
static int read_picture(uint16_t width, uint16_t height, uint8_t type, uint16_t quality,
                        uint8_t** bytes, uint32_t* length) {
  const double deadline = seconds_now() + PATIENCE_S;
  int result;
  do {
    result = kvmv_read_img(width, height, type, quality, bytes, length);
  } while (result == KVMV_RETRIEVING && seconds_now() < deadline);
  return result;
}

static int read_picture_and_free(uint8_t type) {
  const int result = read_picture(0, 0, type, 0, &data, &size);
  check_and_free(result, data, size);
  return result;
}

static void until_signal_is(uint8_t active) {
  const double deadline = seconds_now() + PATIENCE_S;
  while (kvmv_hdmi_signal_active() != active) {
    CHECK(seconds_now() < deadline);
    usleep(10000);
  }
}

/* Reads until the result is `wanted`. */
static void until(uint8_t type, int wanted) {
  int seen[16] = {0};
  const double deadline = seconds_now() + PATIENCE_S;
  while (seconds_now() < deadline) {
    const int result = read_and_free(type);
    CHECK(result >= -7 && result <= 5);
    if (result == wanted) return;
    ++seen[result + 8];
  }
  for (int i = 0; i < 16; ++i) {
    if (seen[i] != 0) fprintf(stderr, "result %d: %d times\n", i - 8, seen[i]);
  }
  fprintf(stderr, "but never %d\n", wanted);
  exit(1);
}

/* The producer's encoder makes key frames so many frames apart. */
static void until_gop_is(int gop) {
  int frames = 0;
  int seen = 0;
  const double deadline = seconds_now() + PATIENCE_S;
  while (seen < 3 && seconds_now() < deadline) {
    const int result = read_and_free(KVMV_H264);
    ++frames;
    if (result < 0) seen = 0;
    if (result != KVMV_IS_I) continue;
    seen = frames == gop ? seen + 1 : 0;
    frames = 0;
  }
  CHECK(seen == 3);
}

static int width_of_jpeg(const uint8_t* jpeg, uint32_t length) {
  for (uint32_t at = 2; at + 9 < length;) {
    if (jpeg[at + 1] >= 0xc0 && jpeg[at + 1] <= 0xc2) return jpeg[at + 7] << 8 | jpeg[at + 8];
    at += 2U + ((uint32_t)jpeg[at + 2] << 8 | jpeg[at + 3]);
  }
  return 0;
}

static void before_init_nothing_is_there(void) {
  uint8_t other = 0;
  uint8_t* none = &other;
  CHECK(read_and_free(KVMV_H264) == KVMV_NO_IMAGE);
  CHECK(kvmv_hdmi_control(1) == 255 && kvmv_hdmi_signal_active() == 0);
  CHECK(free_kvmv_data(&none) == -1 && none == NULL);
  CHECK(free_kvmv_data(&none) == -1 && free_kvmv_data(NULL) == -1);
  set_h264_gop(30);
  free_all_kvmv_data();
  kvmv_deinit();
}

static void without_a_broker_nothing_waits_long(void) {
  double took = 1.5;
  for (int attempt = 0; attempt < ATTEMPTS && took >= 1.5; ++attempt) {
    const double begin = seconds_now();
    kvmv_init(1);
    kvmv_init(1);
    set_h264_gop(7);
    set_venc_auto_recyc(1);
    CHECK(read_and_free(KVMV_H264) == KVMV_NO_IMAGE);
    CHECK(read_and_free(KVMV_MJPEG) == KVMV_NO_IMAGE);
    CHECK(kvmv_hdmi_control(1) == 255 && kvmv_hdmi_signal_active() == 0);
    took = seconds_now() - begin;
  }
  CHECK(took < 1.5);
}

static void it_connects_when_broker_and_producer_come(void) {
  int result;
  start_broker();
  for (int i = 0; i < 5; ++i) CHECK(read_and_free(KVMV_H264) == KVMV_NO_IMAGE);
  start_producer();
  do {
    result = read_and_free(KVMV_H264);
  } while (result < 0);
  CHECK(result == KVMV_IS_I); /* a decoder can begin here */
  until(KVMV_H264, KVMV_IS_P);
  until(KVMV_MJPEG, KVMV_IS_JPEG);
  until_signal_is(1);
  until_gop_is(7); /* as was wanted when there was no broker */
}

static void bad_arguments_are_refused(void) {
  CHECK(kvmv_read_img(0, 0, KVMV_H264, 0, NULL, &size) == KVMV_NO_IMAGE);
  CHECK(kvmv_read_img(0, 0, KVMV_H264, 0, &data, NULL) == KVMV_NO_IMAGE);
  CHECK(read_and_free(2) == KVMV_NO_IMAGE); /* H.265 */
}

static void buffers_are_the_callers_until_freed(void) {
  uint8_t* held[64];
  uint8_t* again;
  uint32_t length;
  int count = 0;
  int result;
  while ((result = read_picture(0, 0, KVMV_MJPEG, 0, &held[count], &length)) != KVMV_BUFFER_FULL) {
    CHECK(result == KVMV_IS_JPEG && held[count][0] == 0xff && held[count][length - 1] == 0xd9);
    CHECK(++count < 64);
  }
  CHECK(count == 16 && held[count] == NULL);
  again = held[0];
  CHECK(free_kvmv_data(&held[0]) == KVMV_IS_JPEG && held[0] == NULL);
  CHECK(free_kvmv_data(&again) == -1); /* twice */
  until(KVMV_MJPEG, KVMV_IS_JPEG);
  free_all_kvmv_data();
  CHECK(free_kvmv_data(&held[1]) == -1);
  until(KVMV_MJPEG, KVMV_IS_JPEG);
}

static void faults_of_the_source_are_the_vendors_results(void) {
  static const struct {
    const char* command;
    int result;
  } kFaults[] = {{"no_signal", KVMV_NO_IMAGE},
                 {"unsupported_resolution", KVMV_UNSUPPORTED_RESOLUTION},
                 {"resolution 640x480", KVMV_CHANGING_RESOLUTION},
                 {"encoder_error 40", KVMV_ENCODER_ERROR}};
  for (int i = 0; i < 2; ++i) {
    const uint8_t type = i == 0 ? KVMV_MJPEG : KVMV_H264;
    const int good = i == 0 ? KVMV_IS_JPEG : KVMV_IS_I;
    for (size_t fault = 0; fault < sizeof kFaults / sizeof kFaults[0]; ++fault) {
      until(type, good);
      inject(kFaults[fault].command);
      until(type, kFaults[fault].result);
      if (kFaults[fault].result == KVMV_NO_IMAGE) until_signal_is(0);
      inject("ok");
    }
    until(type, good);
    until_signal_is(1);
  }
}

static void a_frame_too_large_for_the_ring_is_a_full_buffer(void) {
  inject("big_key_always 3000000");
  until(KVMV_H264, KVMV_BUFFER_FULL);
  inject("ok");
  until(KVMV_H264, KVMV_IS_I);
}

static void the_same_picture_again_is_unchanged(void) {
  set_frame_detact(5);
  until(KVMV_MJPEG, KVMV_IS_JPEG);
  inject("still on");
  until(KVMV_MJPEG, KVMV_UNCHANGED);
  for (int i = 0; i < 3; ++i) CHECK(read_picture_and_free(KVMV_MJPEG) == KVMV_UNCHANGED);
  inject("still off");
  until(KVMV_MJPEG, KVMV_IS_JPEG);
  set_frame_detact(0);
}

static void reads_of_a_viewer_set_the_size_and_a_screenshot_does_not(void) {
  int width = 0;
  const double deadline = seconds_now() + PATIENCE_S;
  while (width != 448 && seconds_now() < deadline) { /* several reads, as a viewer's */
    const int result = kvmv_read_img(448, 320, KVMV_MJPEG, 100, &data, &size);
    if (result == KVMV_IS_JPEG) width = width_of_jpeg(data, size);
    check_and_free(result, data, size);
  }
  CHECK(width == 448);
  CHECK(read_picture(192, 128, KVMV_MJPEG, 60, &data, &size) == KVMV_IS_JPEG);
  check_and_free(KVMV_IS_JPEG, data, size);
  for (int i = 0; i < 30; ++i) {
    CHECK(read_picture(448, 320, KVMV_MJPEG, 100, &data, &size) == KVMV_IS_JPEG);
    CHECK(width_of_jpeg(data, size) == 448);
    check_and_free(KVMV_IS_JPEG, data, size);
  }
}

static void hdmi_switched_off_is_no_signal(void) {
  until(KVMV_H264, KVMV_IS_I);
  CHECK(kvmv_hdmi_control(0) == 0);
  until(KVMV_H264, KVMV_NO_IMAGE);
  until_signal_is(0);
  CHECK(kvmv_hdmi_control(1) == 0);
  until(KVMV_H264, KVMV_IS_I);
}

struct caller {
  pthread_t thread;
  uint8_t type;
  int frames;
};

static atomic_bool callers_stop;

static void* call(void* argument) {
  struct caller* caller = argument;
  while (!atomic_load(&callers_stop)) {
    uint8_t* bytes;
    uint32_t length;
    const int result = kvmv_read_img(0, 0, caller->type, 0, &bytes, &length);
    check_and_free(result, bytes, length);
    if (result >= 0) ++caller->frames;
  }
  return NULL;
}

/* The vendor's gives a third to each. */
static bool callers_get_the_same(unsigned seconds) {
  struct caller callers[2 * READERS];
  int least = INT_MAX;
  int most = 0;
  memset(callers, 0, sizeof callers);
  until(KVMV_H264, KVMV_IS_I);
  until(KVMV_MJPEG, KVMV_IS_JPEG);
  atomic_store(&callers_stop, false);
  for (int i = 0; i < 2 * READERS; ++i) {
    callers[i].type = i < READERS ? KVMV_H264 : KVMV_MJPEG;
    CHECK(pthread_create(&callers[i].thread, NULL, call, &callers[i]) == 0);
  }
  sleep(seconds);
  atomic_store(&callers_stop, true);
  for (int i = 0; i < 2 * READERS; ++i) {
    CHECK(pthread_join(callers[i].thread, NULL) == 0);
    fprintf(stderr, "caller %d, type %d: %d frames in %u s\n", i, callers[i].type,
            callers[i].frames, seconds);
    if (callers[i].frames > most) most = callers[i].frames;
    if (callers[i].frames < least) least = callers[i].frames;
  }
  return least * 2 > most && most > 40;
}

static void callers_at_once_get_every_frame(void) {
  unsigned seconds = 3;
  while (!callers_get_the_same(seconds)) {
    CHECK(seconds < 24);
    seconds *= 2;
  }
}

static void frames_flow_while_the_broker_is_dead(void) {
  until(KVMV_H264, KVMV_IS_I);
  kill_broker();
  for (int i = 0; i < 45; ++i) CHECK(read_picture_and_free(KVMV_H264) >= 0);
  set_h264_gop(11);
  start_broker();
  for (int i = 0; i < 45; ++i) CHECK(read_picture_and_free(KVMV_H264) >= 0);
  until_gop_is(11);
}

static void the_next_producer_is_told_what_holds(void) {
  kill_producer();
  until(KVMV_H264, KVMV_NO_IMAGE);
  until_signal_is(0);
  start_producer();
  until(KVMV_H264, KVMV_IS_I);
  until_gop_is(11);
}

static void streams_that_nobody_reads_are_let_go_of(void) {
  double deadline = seconds_now() + PATIENCE_S;
  do { /* the first may be let go of while the second is waited for */
    until(KVMV_H264, KVMV_IS_I);
    until(KVMV_MJPEG, KVMV_IS_JPEG);
  } while (mappings_of("framering-reader") != 2 && seconds_now() < deadline);
  CHECK(mappings_of("framering-reader") == 2);
  deadline = seconds_now() + PATIENCE_S;
  while (mappings_of("framering-reader") != 0 && seconds_now() < deadline) usleep(100000);
  CHECK(mappings_of("framering-reader") == 0);
  until(KVMV_H264, KVMV_IS_I);
}

static void a_read_waits_as_long_as_the_vendors(void) {
  double took = 1.5;
  until(KVMV_H264, KVMV_IS_I);
  pause_producer();
  until(KVMV_H264, KVMV_RETRIEVING);
  for (int attempt = 0; attempt < ATTEMPTS && took >= 1.5; ++attempt) {
    const double begin = seconds_now();
    CHECK(read_and_free(KVMV_H264) == KVMV_RETRIEVING);
    took = seconds_now() - begin;
    CHECK(took > 1);
  }
  CHECK(took < 1.5);
}

/* How long it takes. The producer stands, so that the read waits. */
static double deinit_during_a_read(void) {
  struct caller caller = {.type = KVMV_H264};
  double begin;
  atomic_store(&callers_stop, false);
  CHECK(pthread_create(&caller.thread, NULL, call, &caller) == 0);
  usleep(200000);
  begin = seconds_now();
  kvmv_deinit();
  atomic_store(&callers_stop, true);
  CHECK(pthread_join(caller.thread, NULL) == 0);
  CHECK(caller.frames == 0);
  return seconds_now() - begin;
}

static void deinit_ends_a_read_that_waits(void) {
  double took = deinit_during_a_read(); /* the producer still stands */
  for (int attempt = 1; attempt < ATTEMPTS && took >= 0.7; ++attempt) {
    resume_producer();
    kvmv_init(0);
    until(KVMV_H264, KVMV_IS_I);
    pause_producer();
    until(KVMV_H264, KVMV_RETRIEVING);
    took = deinit_during_a_read();
  }
  CHECK(took < 0.7);
  CHECK(read_and_free(KVMV_H264) == KVMV_NO_IMAGE);
  CHECK(mappings_of("framering-reader") == 0);
  resume_producer();
}

static void it_can_be_initialised_again(void) {
  uint8_t* held = NULL;
  kvmv_init(0);
  until(KVMV_H264, KVMV_IS_I);
  CHECK(kvmv_read_img(0, 0, KVMV_H264, 0, &held, &size) >= 0 && held != NULL);
  kvmv_deinit(); /* takes it back */
  CHECK(free_kvmv_data(&held) == -1);
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s BROKER PRODUCER LIBKVM_MMF KVM_STANDIN_CTL\n", argv[0]);
    return 2;
  }
  alarm(400); /* a hang is a failure */
  set_stage(argv + 1);
  before_init_nothing_is_there();
  without_a_broker_nothing_waits_long();
  it_connects_when_broker_and_producer_come();
  bad_arguments_are_refused();
  buffers_are_the_callers_until_freed();
  faults_of_the_source_are_the_vendors_results();
  a_frame_too_large_for_the_ring_is_a_full_buffer();
  the_same_picture_again_is_unchanged();
  reads_of_a_viewer_set_the_size_and_a_screenshot_does_not();
  hdmi_switched_off_is_no_signal();
  callers_at_once_get_every_frame();
  frames_flow_while_the_broker_is_dead();
  the_next_producer_is_told_what_holds();
  streams_that_nobody_reads_are_let_go_of();
  a_read_waits_as_long_as_the_vendors();
  deinit_ends_a_read_that_waits();
  it_can_be_initialised_again();
  return 0;
}
