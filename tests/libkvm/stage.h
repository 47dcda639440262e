/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of its own with a real broker, and a producer on the stand-in for the vendor's library
 * (320x256, 30 pictures a second), which can be killed and told to fail.
 */
#ifndef FRAMERING_TESTS_LIBKVM_STAGE_H_
#define FRAMERING_TESTS_LIBKVM_STAGE_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

/* BROKER PRODUCER LIBKVM_MMF KVM_STANDIN_CTL. Sets FRAMERING_DIR; all ends at exit. */
void set_stage(char** programs);

void start_broker(void);
void start_producer(void);
void kill_broker(void);
void kill_producer(void);
void pause_producer(void);
void resume_producer(void);
/* "no_signal", "still on", ... (tests/vendor_standin/README.md). */
void inject(const char* command);

double seconds_now(void);
/* Mappings of this process whose name contains `name`. */
int mappings_of(const char* name);

#endif
