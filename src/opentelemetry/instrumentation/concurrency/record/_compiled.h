/* What the parts of the compiled recorder share: types, slots, and the differences between Pythons. */

#ifndef OTEL_CONCURRENCY_COMPILED_H
#define OTEL_CONCURRENCY_COMPILED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "The recorder relies on the global interpreter lock. Free-threaded Pythons use the recorder in Python."
#endif

/* The versions whose frames are read directly; see `_compiled_frames.h`. */
#if !defined(OTEL_CONCURRENCY_PUBLIC_FRAMES) && PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030F0000
#define READS_INTERPRETER_FRAMES 1
#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#endif
#undef Py_BUILD_CORE
#endif

#include <frameobject.h>
#include <stddef.h>
#include <structmember.h>

/* State of the module, one per interpreter. Nothing is static, so that sub-interpreters share nothing. */
enum { STR_TASK_FACTORY, STR_CHECK_CLOSED, STR_TASK, STR_CODE, STR_REFERENCE, STR_GET, STR_DONE, STR_DISARM, STRINGS };
typedef struct {
    PyTypeObject *hook_type;
    PyObject *strings[STRINGS];
    PyObject *names_loop;      /* ("loop",) */
    PyObject *names_loop_name; /* ("loop", "name") */
} ModuleState;

/* The young list: see `_compiled_young.c`. */
enum { ENTRY = 6 };
PyObject *young_living(PyObject *module, PyObject *args);
int young_append(PyObject *entries, PyObject *const *entry);

/* The hook: see `_compiled_hook.c`. */
extern PyType_Spec hook_spec;
PyObject *hook_new(PyObject *module, PyObject *parts);

/* The referent of a weak reference, a new reference; NULL if it is gone. */
static inline PyObject *referent_of(PyObject *reference) {
#if PY_VERSION_HEX < 0x030D0000
    PyObject *found = PyWeakref_GET_OBJECT(reference);
    return found == Py_None ? NULL : Py_NewRef(found);
#else
    PyObject *found = NULL;
    if (PyWeakref_GetRef(reference, &found) < 0) {
        PyErr_Clear();
    }
    return found;
#endif
}

/* The current exception, which is cleared; a new reference, or NULL if there is none. */
static inline PyObject *take_error(void) {
#if PY_VERSION_HEX < 0x030C0000
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(error, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
#else
    return PyErr_GetRaisedException();
#endif
}

/* Make an exception the current one. Consumes it. */
static inline void give_error(PyObject *error) {
#if PY_VERSION_HEX < 0x030C0000
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#else
    PyErr_SetRaisedException(error);
#endif
}

/* The code of a coroutine of the built-in type, a new reference; NULL with an exception. */
static inline PyObject *code_of_coroutine(const ModuleState *state, PyObject *coroutine) {
    (void)state;
#if PY_VERSION_HEX < 0x030C0000
    return Py_NewRef((PyObject *)((PyCoroObject *)(void *)coroutine)->cr_code);
#elif defined(Py_DEBUG)
    /* PyGen_GetCode() takes coroutines, but its assertion does not. */
    return PyObject_GetAttr(coroutine, state->strings[STR_CODE]);
#else
    return (PyObject *)PyGen_GetCode((PyGenObject *)(void *)coroutine);
#endif
}

#endif
