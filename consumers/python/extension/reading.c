/* SPDX-License-Identifier: Apache-2.0
 *
 * Getting the next frame, with the GIL released while the library waits and copies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "extension.h"

#define SECOND INT64_C(1000000000)

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * SECOND + now.tv_nsec;
}

/* Without the GIL. The size is not known beforehand: then the library is asked for it first. */
static int read_into_memory(framering_reader* handle, Reading* reading, int64_t timeout_ns) {
  for (;;) {
    const int result = framering_reader_next_into(handle, &reading->frame, reading->memory,
                                                  reading->capacity, timeout_ns);
    if (result != -EMSGSIZE) return result;
    free(reading->memory);
    reading->memory = malloc(reading->frame.size);
    reading->capacity = reading->memory == NULL ? 0 : reading->frame.size;
    if (reading->memory == NULL) return -ENOMEM;
    timeout_ns = 0;
  }
}

static int read_once(framering_reader* handle, Reading* reading, int64_t timeout_ns) {
  switch (reading->way) {
    case IN_PLACE:
      return framering_reader_lease(handle, &reading->frame, timeout_ns);
    case INTO_TARGET:
      return framering_reader_next_into(handle, &reading->frame, reading->target.buf,
                                        (size_t)reading->target.len, timeout_ns);
    default:
      return read_into_memory(handle, reading, timeout_ns);
  }
}

/* The library returns when a signal comes while it sleeps, but one that comes just before is only
 * seen afterwards: so it sleeps a second at most, which is how often it looks around anyhow. */
static int read_for(Reader* self, Reading* reading, int64_t timeout_ns) {
  const int64_t began_ns = now_ns();
  int64_t left_ns = timeout_ns;
  for (;;) {
    const int64_t slice_ns = left_ns >= 0 && left_ns < SECOND ? left_ns : SECOND;
    PyThreadState* const thread = PyEval_SaveThread();
    const int result = read_once(self->handle, reading, slice_ns);
    PyEval_RestoreThread(thread);
    if (result != FRAMERING_TIMEOUT) return result;
    if (self->closed || PyErr_CheckSignals() != 0 || timeout_ns == 0) return result;
    if (timeout_ns < 0) continue;
    left_ns = began_ns + timeout_ns - now_ns();
    if (left_ns <= 0) return result;
  }
}

/* No frame. What the library said, or an exception. */
static PyObject* tell(const Reader* self, const Reading* reading, int result) {
  char text[96];
  if (PyErr_Occurred()) return NULL; /* of a signal */
  if (self->closed) return raise_named("Closed", "the reader was closed meanwhile");
  switch (result) {
    case -EMSGSIZE:
      snprintf(text, sizeof text, "the next frame has %llu bytes, the buffer %lld",
               (unsigned long long)reading->frame.size, (long long)reading->target.len);
      return raise_named("BufferTooSmall", text);
    case -ENOMEM:
      return PyErr_NoMemory();
    case -EACCES:
      return raise_named("Refused", framering_last_error());
    default:
      return result < 0 ? raise_named("Error", framering_last_error()) : PyLong_FromLong(result);
  }
}

/* 0: the lease is kept, with the memory that it lies in. When the library had no cell left it has
 * given a copy, which it would use again: then we take the bytes now, and are done with it. */
static int keep_lease(Reader* self, Reading* reading) {
  const void* begin = NULL;
  size_t size = 0;
  const framering_frame leased = reading->frame;
  reading->ring = framering_reader_memory(self->handle, &begin, &size);
  if (reading->ring != NULL && leased.bytes >= (const uint8_t*)begin &&
      leased.bytes + leased.size <= (const uint8_t*)begin + size) {
    reading->lease->frame = leased;
    return 0;
  }
  framering_memory_release(reading->ring);
  free(reading->lease);
  reading->ring = NULL;
  reading->lease = NULL;
  reading->memory = malloc(leased.size + 1);
  if (reading->memory != NULL) memcpy(reading->memory, leased.bytes, leased.size);
  reading->frame.bytes = reading->memory;
  framering_reader_release(self->handle, &leased);
  return reading->memory != NULL ? 0 : -1;
}

static PyObject* hand_out(Reader* self, Reading* reading) {
  if (reading->way == IN_PLACE) {
    if (keep_lease(self, reading) != 0) return PyErr_NoMemory();
  } else if (reading->way == INTO_MEMORY) {
    self->usual_size = reading->frame.size == self->last_size ? self->last_size : 0;
    self->last_size = reading->frame.size;
  }
  PyObject* const frame = new_frame(self, reading);
  if (frame == NULL && reading->lease != NULL) {
    return_lease(self, reading->lease);
    reading->lease = NULL;
  }
  return frame;
}

static int prepare(Reader* self, Reading* reading) {
  if (may_use(self) != 0) return -1;
  reading->frame = framering_frame_init();
  if (reading->way == IN_PLACE) {
    reading->lease = calloc(1, sizeof *reading->lease);
    if (reading->lease == NULL) PyErr_NoMemory();
    return reading->lease == NULL ? -1 : 0;
  }
  /* Raw pictures are all of one size; then the library can copy while the producer still does. */
  if (reading->way == INTO_MEMORY && self->usual_size != 0) {
    reading->memory = malloc(self->usual_size);
    reading->capacity = reading->memory == NULL ? 0 : self->usual_size;
  }
  return 0;
}

PyObject* read_frame(Reader* self, Reading* reading, int64_t timeout_ns) {
  PyObject* given = NULL;
  if (prepare(self, reading) == 0) {
    self->busy = 1;
    const int result = read_for(self, reading, timeout_ns);
    self->busy = 0;
    given = result == FRAMERING_FRAME_READY ? hand_out(self, reading) : tell(self, reading, result);
    settle(self);
  }
  free(reading->lease);
  framering_memory_release(reading->ring);
  free(reading->memory);
  PyBuffer_Release(&reading->target); /* does nothing when there is none */
  return given;
}
