/* SPDX-License-Identifier: Apache-2.0
 *
 * _framering, the part of the Python package that is C: framering.h as Python objects, nothing
 * else. What a Python programmer sees is made of it in ../framering.
 *
 * Three rules keep careless Python from crashing the process:
 *  - A frame owns the memory of its bytes, a leased one by framering_memory. A memoryview or an
 *    array of it holds the frame, and so reads mapped memory whatever was closed, revoked or killed
 *    meanwhile; the bytes may be of a later frame by then.
 *  - A framering_reader belongs to one thread at a time. Which one, `busy` says, under the GIL;
 *    what others want of it meanwhile is an error, or (a lease that they drop) waits in `returned`.
 *  - A child after fork() has the memory but not the reader: it may look, and nothing else.
 */
#ifndef FRAMERING_PYTHON_EXTENSION_H
#define FRAMERING_PYTHON_EXTENSION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "framering.h"

typedef struct Lease {
  framering_frame frame;
  struct Lease* next;
} Lease;

typedef struct {
  PyObject_HEAD framering_reader* handle; /* null: closed */
  PyTypeObject* frame_type; /* of the frames that it hands out: a subclass of _framering.Frame */
  Lease* returned;          /* given back by whoever may not call the library just now */
  uint64_t usual_size;      /* of the last copy, if that was as large as the one before; else 0 */
  uint64_t last_size;
  int forks; /* how often this process was forked when it was opened */
  char busy; /* a thread is inside the library, without the GIL */
  char closed;
} Reader;

typedef struct {
  PyObject_HEAD framering_frame frame;
  Reader* reader; /* leases only: whose */
  Lease* lease;   /* null: a copy, or given back */
  /* What holds the bytes, until the frame is gone; one of: */
  framering_memory* ring;
  void* memory;     /* malloc */
  Py_buffer target; /* the caller's; target.obj may be null */

  PyObject* bytes; /* a weak reference to the memoryview that frame.bytes gave; may be null */
  char released;   /* nobody gets at the bytes any more; those who have them keep them */
  char whole;      /* once released: the lease was valid until then */
} Frame;

/* One read under way: where it wants the bytes, what it holds for that, and what came. */
typedef struct {
  enum { IN_PLACE, INTO_TARGET, INTO_MEMORY } way;
  Lease* lease; /* IN_PLACE: where the lease will be kept */
  framering_memory* ring;
  void* memory; /* INTO_MEMORY: as large as it has to be, once that is known */
  uint64_t capacity;
  Py_buffer target; /* INTO_TARGET: the caller's */
  framering_frame frame;
} Reading;

extern PyType_Spec reader_spec;
extern PyType_Spec frame_spec;

/* The frame, or what the library said instead (enum framering_read_result). Takes over what
 * `reading` holds. timeout_ns as in framering.h. */
PyObject* read_frame(Reader* reader, Reading* reading, int64_t timeout_ns);
/* Takes what `reading` holds, unless it fails. */
PyObject* new_frame(Reader* reader, Reading* reading);

/* 0: this thread may call the library; else -1 and an exception. */
int may_use(const Reader* reader);
/* Gives back what was returned meanwhile, and closes what is to be closed, unless a thread is
 * inside the library: that one does it then. */
void settle(Reader* reader);
/* Gives a lease back to the library, or keeps it for the thread that is inside. */
void return_lease(Reader* reader, Lease* lease);
/* What a lease says of itself: 1 valid, 0 revoked, -1 with an exception. */
int lease_is_valid(Reader* reader, const Lease* lease);

/* Raises framering.NAME(text); null. */
PyObject* raise_named(const char* name, const char* text);
int forks_so_far(void);

#endif
