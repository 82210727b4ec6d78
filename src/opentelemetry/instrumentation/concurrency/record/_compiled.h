/* What the parts of the compiled recorder share: the state of the module, differences between Pythons, and slots. */

#ifndef OTEL_CONCURRENCY_COMPILED_H
#define OTEL_CONCURRENCY_COMPILED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The versions whose frames are read directly, see `_compiled_frames.h`. */
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

#ifdef Py_GIL_DISABLED
#error "The recorder relies on the global interpreter lock. Free-threaded Pythons use the recorder in Python."
#endif

/* One per interpreter: nothing is static, so that sub-interpreters share nothing. */
typedef struct {
    PyTypeObject *hook_type;
    PyTypeObject *lookup_type;
    PyObject *str_task_factory;
    PyObject *str_check_closed;
    PyObject *str_task;
    PyObject *str_code;
    PyObject *str_reference;
    PyObject *str_get;
    PyObject *str_done;
    PyObject *names_loop;      /* ("loop",) */
    PyObject *names_loop_name; /* ("loop", "name") */
} ModuleState;

/* The slots of the Python classes that are read and written directly, as byte offsets within an instance. */
typedef struct {
    PyTypeObject *node_type;
    PyTypeObject *site_type;
    Py_ssize_t node_code, node_started, node_site, node_outer;
    Py_ssize_t site_left;
} Slots;

/* The object in a slot, borrowed; NULL if it is unset. */
static inline PyObject **
slot_of(PyObject *object, Py_ssize_t offset)
{
    return (PyObject **)(void *)((char *)object + offset);
}

/* Find where instances of a class keep a slot. Returns -1 with an exception if the attribute is not a plain slot. */
Py_ssize_t find_slot(PyObject *type, const char *name);

/* The site look-up: see lookup in `_compiled_lookup.c`. */
typedef struct SiteLookup SiteLookup;
extern PyType_Spec lookup_spec;
PyObject *lookup_new(ModuleState *state, const Slots *slots);
/* The node of a path that begins at an instruction and starts a code; a new reference, or NULL without an exception. */
PyObject *lookup_find(const SiteLookup *lookup, PyObject *code, int lasti, PyObject *started);
int is_lookup(ModuleState *state, PyObject *object);

/* The young list: see `_compiled_young.c`. */
enum { ENTRY = 6 };
PyObject *young_living(PyObject *module, PyObject *const *args, Py_ssize_t count);
int young_append(PyObject *entries, PyObject *const *entry);

/* The hook: see `_compiled_hook.c`. */
extern PyType_Spec hook_spec;
PyObject *hook_new(PyObject *module, PyObject *args, PyObject *options);

/* Differences between Pythons. */

#if PY_VERSION_HEX < 0x030D0000
/* The referent of a weak reference as a new reference, or NULL if it is gone. */
static inline PyObject *
referent_of(PyObject *reference)
{
    PyObject *found = PyWeakref_GET_OBJECT(reference);
    return found == Py_None ? NULL : Py_NewRef(found);
}
#else
static inline PyObject *
referent_of(PyObject *reference)
{
    PyObject *found = NULL;
    if (PyWeakref_GetRef(reference, &found) < 0) {
        PyErr_Clear();
    }
    return found;
}
#endif

/* The current exception, which is cleared; a new reference, or NULL if there is none. */
static inline PyObject *
take_error(void)
{
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
static inline void
give_error(PyObject *error)
{
#if PY_VERSION_HEX < 0x030C0000
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#else
    PyErr_SetRaisedException(error);
#endif
}

/* The code of a coroutine of the built-in type, a new reference; NULL with an exception. */
static inline PyObject *
code_of_coroutine(PyObject *coroutine, PyObject *name)
{
#if PY_VERSION_HEX < 0x030C0000
    (void)name;
    return Py_XNewRef((PyObject *)((PyCoroObject *)(void *)coroutine)->cr_code);
#elif defined(Py_DEBUG)
    /* PyGen_GetCode() takes coroutines, but its assertion does not. */
    return PyObject_GetAttr(coroutine, name);
#else
    (void)name;
    return (PyObject *)PyGen_GetCode((PyGenObject *)(void *)coroutine);
#endif
}

/* The offset of the instruction that a frame executes, as `frame.f_lasti`. */
static inline int
lasti_of(PyFrameObject *frame)
{
#if PY_VERSION_HEX < 0x030B0000
    return frame->f_lasti < 0 ? -1 : frame->f_lasti * (int)sizeof(_Py_CODEUNIT);
#else
    return PyFrame_GetLasti(frame);
#endif
}

#endif
