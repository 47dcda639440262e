/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "extension.h"

static int forks; /* written by a child that has one thread */

static void count_fork(void) {
  ++forks;
}

int forks_so_far(void) {
  return forks;
}

PyObject* raise_named(const char* name, const char* text) {
  PyObject* module = PyImport_ImportModule("framering._errors");
  PyObject* type = module == NULL ? NULL : PyObject_GetAttrString(module, name);
  if (type != NULL) PyErr_SetString(type, text);
  Py_XDECREF(type);
  Py_XDECREF(module);
  return NULL;
}

static int add_type(PyObject* module, PyType_Spec* spec) {
  PyObject* type = PyType_FromSpec(spec);
  const int failed = type == NULL || PyModule_AddType(module, (PyTypeObject*)type) != 0;
  Py_XDECREF(type);
  return failed ? -1 : 0;
}

static int fill_module(PyObject* module) {
  static int watching;
  if (!watching && pthread_atfork(NULL, NULL, count_fork) != 0) {
    PyErr_NoMemory();
    return -1;
  }
  watching = 1;
  if (add_type(module, &reader_spec) != 0 || add_type(module, &frame_spec) != 0) return -1;
  return PyModule_AddStringConstant(module, "version", framering_version());
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void*)fill_module}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_framering",
    .m_doc = "framering.h as Python objects. Use the package framering instead.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__framering(void);
PyMODINIT_FUNC PyInit__framering(void) {
  return PyModuleDef_Init(&definition);
}
