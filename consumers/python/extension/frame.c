/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame: what is known of it, and its bytes through the buffer protocol. */
#include <stdio.h>
#include <stdlib.h>

#include "extension.h"

PyObject* new_frame(Reader* reader, Reading* reading) {
  Frame* self = (Frame*)PyType_GenericAlloc(reader->frame_type, 0);
  if (self == NULL) return NULL;
  self->frame = reading->frame;
  self->lease = reading->lease;
  self->ring = reading->ring;
  self->memory = reading->memory;
  self->target = reading->target;
  if (self->lease != NULL) {
    Py_INCREF((PyObject*)reader);
    self->reader = reader;
  }
  reading->lease = NULL;
  reading->ring = NULL;
  reading->memory = NULL;
  memset(&reading->target, 0, sizeof reading->target);
  return (PyObject*)self;
}

static void give_back(Frame* self) {
  Reader* const reader = self->reader;
  if (self->lease != NULL) return_lease(reader, self->lease);
  self->lease = NULL;
  self->reader = NULL;
  Py_XDECREF((PyObject*)reader);
}

/* Every view of the bytes holds a reference, so nobody looks at them any more. */
static void frame_dealloc(PyObject* object) {
  Frame* const self = (Frame*)object;
  PyTypeObject* const type = Py_TYPE(object);
  give_back(self);
  framering_memory_release(self->ring);
  free(self->memory);
  Py_XDECREF(self->bytes);
  PyBuffer_Release(&self->target); /* does nothing when there is none */
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF((PyObject*)type);
}

static int frame_getbuffer(PyObject* object, Py_buffer* view, int flags) {
  static char nothing[1];
  Frame* const self = (Frame*)object;
  if (self->released) {
    view->obj = NULL;
    PyErr_SetString(PyExc_ValueError, "this frame was released");
    return -1;
  }
  /* A ring cannot be written; whoever tried would be ended by the kernel. */
  return PyBuffer_FillInfo(view, object,
                           self->frame.size == 0 ? nothing : (void*)(uintptr_t)self->frame.bytes,
                           (Py_ssize_t)self->frame.size, self->ring != NULL, flags);
}

static PyObject* frame_valid(PyObject* object, PyObject* nothing) {
  Frame* const self = (Frame*)object;
  (void)nothing;
  if (self->released) return PyBool_FromLong(self->whole);
  const int valid = self->lease == NULL ? 1 : lease_is_valid(self->reader, self->lease);
  return valid < 0 ? NULL : PyBool_FromLong(valid);
}

/* Borrowed; null: nobody has it. Not kept here, for the two would keep each other alive. */
static PyObject* given_bytes(const Frame* self) {
  PyObject* const view = self->bytes == NULL ? NULL : PyWeakref_GetObject(self->bytes);
  return view == Py_None ? NULL : view;
}

static PyObject* frame_bytes(PyObject* object, void* closure) {
  Frame* const self = (Frame*)object;
  PyObject* view = given_bytes(self);
  (void)closure;
  if (view != NULL) {
    Py_INCREF(view);
    return view;
  }
  view = PyMemoryView_FromObject(object);
  if (view == NULL) return NULL;
  Py_XDECREF(self->bytes);
  self->bytes = PyWeakref_NewRef(view, NULL);
  if (self->bytes == NULL) PyErr_Clear(); /* it is not released with the frame, then */
  return view;
}

/* Not when something was made of it: then it stays readable, like all other views. */
static void release_bytes(const Frame* self) {
  PyObject* const view = given_bytes(self);
  if (view == NULL) return;
  Py_INCREF(view);
  PyObject* const released = PyObject_CallMethod(view, "release", NULL);
  if (released == NULL) PyErr_Clear();
  Py_XDECREF(released);
  Py_DECREF(view);
}

static PyObject* frame_release(PyObject* object, PyObject* nothing) {
  Frame* const self = (Frame*)object;
  PyObject* const valid = frame_valid(object, nothing);
  if (valid == NULL || self->released) return valid;
  self->whole = valid == Py_True;
  self->released = 1;
  give_back(self);
  release_bytes(self);
  return valid;
}

static PyObject* frame_enter(PyObject* self, PyObject* nothing) {
  (void)nothing;
  Py_INCREF(self);
  return self;
}

/* Raises Revoked, also in place of what went wrong because of the bytes it is about. */
static PyObject* frame_exit(PyObject* object, PyObject* arguments) {
  PyObject *kind, *error, *trace;
  char text[96];
  if (!PyArg_ParseTuple(arguments, "OOO", &kind, &error, &trace)) return NULL;
  PyObject* const valid = frame_release(object, NULL);
  if (valid == NULL) return NULL;
  const int whole = valid == Py_True;
  Py_DECREF(valid);
  const int replaces = kind == Py_None ? 1 : PyObject_IsSubclass(kind, PyExc_Exception);
  if (replaces < 0) return NULL;
  if (whole || !replaces) Py_RETURN_NONE;
  snprintf(text, sizeof text, "frame %llu was taken back: throw away what was computed from it",
           (unsigned long long)((Frame*)object)->frame.number);
  return raise_named("Revoked", text);
}

static PyObject* of_planes(const uint32_t* values) {
  return Py_BuildValue("(IIII)", values[0], values[1], values[2], values[3]);
}

static PyObject* frame_stride(PyObject* self, void* closure) {
  (void)closure;
  return of_planes(((Frame*)self)->frame.stride);
}

static PyObject* frame_plane_offset(PyObject* self, void* closure) {
  (void)closure;
  return of_planes(((Frame*)self)->frame.plane_offset);
}

static PyObject* frame_colour(PyObject* self, void* closure) {
  const framering_frame* const frame = &((Frame*)self)->frame;
  (void)closure;
  return Py_BuildValue("(BBBB)", frame->colour_primaries, frame->transfer, frame->matrix,
                       frame->full_range);
}

static PyObject* frame_leased(PyObject* self, void* closure) {
  (void)closure;
  return PyBool_FromLong(((Frame*)self)->ring != NULL);
}

#define MEMBER(name, kind, field) \
  { name, kind, offsetof(Frame, frame) + offsetof(framering_frame, field), READONLY, NULL }
static PyMemberDef members[] = {
    MEMBER("number", T_ULONGLONG, number),
    MEMBER("generation", T_ULONGLONG, generation),
    MEMBER("lost", T_ULONGLONG, lost_before),
    MEMBER("flags", T_UINT, flags),
    MEMBER("size", T_ULONGLONG, size),
    MEMBER("pts", T_LONGLONG, pts),
    MEMBER("dts", T_LONGLONG, dts),
    MEMBER("captured_ns", T_ULONGLONG, captured_ns),
    MEMBER("encoded_ns", T_ULONGLONG, encoded_ns),
    MEMBER("published_ns", T_ULONGLONG, published_ns),
    MEMBER("parameter_set", T_ULONGLONG, parameter_set),
    MEMBER("fourcc", T_UINT, codec),
    MEMBER("width", T_UINT, width),
    MEMBER("height", T_UINT, height),
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"bytes", frame_bytes, NULL, "The bytes in place; released with the frame.", NULL},
    {"stride", frame_stride, NULL, NULL, NULL},
    {"plane_offset", frame_plane_offset, NULL, NULL, NULL},
    {"colour", frame_colour, NULL, NULL, NULL},
    {"leased", frame_leased, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef methods[] = {
    {"valid", frame_valid, METH_NOARGS,
     "True: the bytes are unaltered. Of a released frame: they were until then."},
    {"release", frame_release, METH_NOARGS,
     "Gives the lease back. True: the bytes were unaltered until now."},
    {"__enter__", frame_enter, METH_NOARGS, NULL},
    {"__exit__", frame_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, (void*)frame_dealloc},
    {Py_bf_getbuffer, (void*)frame_getbuffer},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec frame_spec = {
    .name = "framering._framering.Frame",
    .basicsize = sizeof(Frame),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};
