/* The young list: appending an entry, and finding those of unfinished tasks. `young.py` decides all else. */

#include "_compiled.h"

/* Append one entry: all of it or nothing. No other code runs meanwhile. */
int young_append(PyObject *entries, PyObject *const *entry) {
    Py_ssize_t before = PyList_GET_SIZE(entries);
    for (int part = 0; part < ENTRY; part++) {
        if (PyList_Append(entries, entry[part]) < 0) {
            PyObject *error = take_error();
            PyList_SetSlice(entries, before, PyList_GET_SIZE(entries), NULL);
            give_error(error);
            return -1;
        }
    }
    return 0;
}

/* Whether the task of a weak reference exists and is not done. Returns -1 with an exception. */
static int is_living(const ModuleState *state, PyObject *reference) {
    PyObject *task = NULL;
    if (PyWeakref_CheckRefExact(reference)) {
        task = referent_of(reference);
    } else if ((task = PyObject_CallNoArgs(reference)) == NULL) {
        return -1;
    } else if (task == Py_None) {
        Py_CLEAR(task);
    }
    if (task == NULL) {
        return 0;
    }
    PyObject *done = PyObject_CallMethodNoArgs(task, state->strings[STR_DONE]);
    int is_done = done == NULL ? -1 : PyObject_IsTrue(done);
    Py_XDECREF(done);
    Py_DECREF(task);
    return is_done < 0 ? -1 : !is_done;
}

/* living(entries, seen): the entries of unfinished tasks among the first `seen` parts, as a flat list. */
PyObject *young_living(PyObject *module, PyObject *args) {
    PyObject *entries;
    Py_ssize_t seen;
    if (!PyArg_ParseTuple(args, "O!n:living", &PyList_Type, &entries, &seen)) {
        return NULL;
    }
    PyObject *alive = PyList_New(0);
    /* Asking a task may run other code, which may change the list: nothing borrowed is used after it. */
    for (Py_ssize_t at = 0; alive != NULL && at < seen && at + ENTRY <= PyList_GET_SIZE(entries); at += ENTRY) {
        PyObject *reference = Py_NewRef(PyList_GET_ITEM(entries, at));
        int is_kept = is_living(PyModule_GetState(module), reference);
        Py_DECREF(reference);
        if (is_kept > 0 && at + ENTRY <= PyList_GET_SIZE(entries)) {
            is_kept = young_append(alive, ((PyListObject *)(void *)entries)->ob_item + at);
        }
        if (is_kept < 0) {
            Py_CLEAR(alive);
        }
    }
    return alive;
}
