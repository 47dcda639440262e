/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's reader, and who may use it when. */
#include <errno.h>
#include <stdlib.h>

#include "extension.h"

int may_use(const Reader* self) {
  if (self->closed || self->handle == NULL) {
    raise_named("Closed", "the reader is closed");
  } else if (self->forks != forks_so_far()) {
    raise_named("Error", "this reader belongs to the process that opened it: open one after fork");
  } else if (self->busy) {
    PyErr_SetString(PyExc_RuntimeError,
                    "another thread is using this reader: open one for each thread");
  } else {
    return 0;
  }
  return -1;
}

void settle(Reader* self) {
  const int ours = self->handle != NULL && self->forks == forks_so_far();
  if (self->busy) return;
  while (self->returned != NULL) {
    Lease* const lease = self->returned;
    self->returned = lease->next;
    if (ours) framering_reader_release(self->handle, &lease->frame);
    free(lease);
  }
  if (!self->closed || !ours) return;
  framering_reader_close(self->handle);
  self->handle = NULL;
}

void return_lease(Reader* self, Lease* lease) {
  lease->next = self->returned;
  self->returned = lease;
  settle(self);
}

int lease_is_valid(Reader* self, const Lease* lease) {
  if (self->busy || self->forks != forks_so_far()) {
    PyErr_SetString(PyExc_RuntimeError,
                    "a lease belongs to the thread and process that read it, and another thread is "
                    "reading: give others copies");
    return -1;
  }
  if (self->handle == NULL) return 0; /* closed: nothing protects it any more */
  return framering_reader_lease_valid(self->handle, &lease->frame);
}

/* Reader(stream, policy, start, bell, max_lag, socket_dir, name, paused, predictive, frame_type) */
static PyObject* reader_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  framering_reader_options options = framering_reader_options_init();
  PyTypeObject* frame_type;
  int paused;
  int predictive;
  if (keywords != NULL && PyDict_Size(keywords) != 0) {
    PyErr_SetString(PyExc_TypeError, "no keywords");
    return NULL;
  }
  if (!PyArg_ParseTuple(arguments, "sIIIIzzppO", &options.stream, &options.policy, &options.start,
                        &options.bell, &options.max_lag_frames, &options.socket_dir, &options.name,
                        &paused, &predictive, &frame_type)) {
    return NULL;
  }
  if (!PyType_Check((PyObject*)frame_type)) {
    PyErr_SetString(PyExc_TypeError, "frame_type is no type");
    return NULL;
  }
  options.paused = paused != 0;
  options.predictive = predictive != 0;
  Reader* self = (Reader*)PyType_GenericAlloc(type, 0);
  if (self == NULL) return NULL;
  Py_INCREF((PyObject*)frame_type);
  self->frame_type = frame_type;
  self->forks = forks_so_far();
  const int result = framering_reader_open(&options, &self->handle);
  if (result == 0) return (PyObject*)self;
  if (result == -ENOMEM) {
    PyErr_NoMemory();
  } else if (result == -EINVAL) {
    PyErr_SetString(PyExc_ValueError, framering_last_error());
  } else {
    raise_named("Error", framering_last_error());
  }
  Py_DECREF((PyObject*)self);
  return NULL;
}

static PyObject* reader_close(PyObject* object, PyObject* nothing) {
  Reader* const self = (Reader*)object;
  (void)nothing;
  self->closed = 1; /* a thread that is inside sees it within a second, and then settles */
  settle(self);
  Py_RETURN_NONE;
}

static void reader_dealloc(PyObject* object) {
  Reader* const self = (Reader*)object;
  PyTypeObject* const type = Py_TYPE(object);
  self->closed = 1;
  settle(self);
  Py_XDECREF((PyObject*)self->frame_type);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF((PyObject*)type);
}

static PyObject* reader_lease(PyObject* self, PyObject* arguments) {
  Reading reading = {.way = IN_PLACE};
  long long timeout_ns;
  if (!PyArg_ParseTuple(arguments, "L", &timeout_ns)) return NULL;
  return read_frame((Reader*)self, &reading, timeout_ns);
}

static PyObject* reader_next(PyObject* self, PyObject* arguments) {
  Reading reading = {.way = INTO_MEMORY};
  long long timeout_ns;
  if (!PyArg_ParseTuple(arguments, "L", &timeout_ns)) return NULL;
  return read_frame((Reader*)self, &reading, timeout_ns);
}

static PyObject* reader_next_into(PyObject* self, PyObject* arguments) {
  Reading reading = {.way = INTO_TARGET};
  long long timeout_ns;
  if (!PyArg_ParseTuple(arguments, "w*L", &reading.target, &timeout_ns)) return NULL;
  return read_frame((Reader*)self, &reading, timeout_ns);
}

static PyObject* reader_fileno(PyObject* self, PyObject* nothing) {
  (void)nothing;
  if (may_use((Reader*)self) != 0) return NULL;
  return PyLong_FromLong(framering_reader_fd(((Reader*)self)->handle));
}

/* Any thread, also while another one reads. */
static PyObject* reader_request_key(PyObject* object, PyObject* nothing) {
  Reader* const self = (Reader*)object;
  (void)nothing;
  if ((!self->busy || self->forks != forks_so_far()) && may_use(self) != 0) return NULL;
  framering_reader_request_key(self->handle);
  Py_RETURN_NONE;
}

static PyObject* reader_set_demand(PyObject* object, PyObject* wanted) {
  Reader* const self = (Reader*)object;
  const int wants_frames = PyObject_IsTrue(wanted);
  if (wants_frames < 0 || may_use(self) != 0) return NULL;
  framering_reader_set_demand(self->handle, wants_frames);
  Py_RETURN_NONE;
}

/* In the order of framering.Status. */
static PyObject* reader_status(PyObject* self, PyObject* nothing) {
  framering_status status = framering_status_init();
  (void)nothing;
  if (may_use((Reader*)self) != 0) return NULL;
  (void)framering_reader_status(((Reader*)self)->handle, &status);
  return Py_BuildValue(
      "(IIIIIIKKKKKKKK)", status.link, status.state, status.codec, status.time_base_num,
      status.time_base_den, status.history_frames, (unsigned long long)status.history_bytes,
      (unsigned long long)status.generation, (unsigned long long)status.head,
      (unsigned long long)status.delivered, (unsigned long long)status.lost_lapped,
      (unsigned long long)status.lost_skipped, (unsigned long long)status.lost_undecodable,
      (unsigned long long)status.leases_revoked);
}

/* None: no longer kept. */
static PyObject* reader_parameter_set(PyObject* self, PyObject* arguments) {
  char set[4096];
  size_t size = sizeof set;
  unsigned long long number;
  if (!PyArg_ParseTuple(arguments, "K", &number) || may_use((Reader*)self) != 0) return NULL;
  switch (framering_reader_parameter_set(((Reader*)self)->handle, number, set, &size)) {
    case 0:
      return PyBytes_FromStringAndSize(set, (Py_ssize_t)size);
    case -ENOENT:
      Py_RETURN_NONE;
    default:
      return raise_named("Error", framering_last_error());
  }
}

static PyMethodDef methods[] = {
    {"close", reader_close, METH_NOARGS, NULL},
    {"lease", reader_lease, METH_VARARGS, NULL},
    {"next", reader_next, METH_VARARGS, NULL},
    {"next_into", reader_next_into, METH_VARARGS, NULL},
    {"fileno", reader_fileno, METH_NOARGS, NULL},
    {"request_key", reader_request_key, METH_NOARGS, NULL},
    {"set_demand", reader_set_demand, METH_O, NULL},
    {"status", reader_status, METH_NOARGS, NULL},
    {"parameter_set", reader_parameter_set, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void*)reader_new},
    {Py_tp_dealloc, (void*)reader_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec reader_spec = {
    .name = "framering._framering.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
