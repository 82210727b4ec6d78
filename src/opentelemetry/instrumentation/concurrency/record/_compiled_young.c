/* The young list: appending an entry, and finding those of unfinished tasks. `young.py` decides all else. */

#include "_compiled.h"

/* Append one entry to the young list: all of it or nothing. */
int
young_append(PyObject *entries, PyObject *const *entry)
{
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

/* Append the entry at a place to a list. */
static int
copy_entry(PyObject *alive, PyObject *entries, Py_ssize_t at)
{
    PyObject *entry[ENTRY];
    for (int part = 0; part < ENTRY; part++) {
        entry[part] = PyList_GET_ITEM(entries, at + part);
    }
    return young_append(alive, entry);
}

/* Whether the task of a weak reference exists and is not done. Returns -1 with an exception. */
static int
is_living(const ModuleState *state, PyObject *reference)
{
    PyObject *task = NULL;
    if (PyWeakref_CheckRefExact(reference)) {
        task = referent_of(reference);
    }
    else if ((task = PyObject_CallNoArgs(reference)) == NULL) {
        return -1;
    }
    else if (task == Py_None) {
        Py_CLEAR(task);
    }
    if (task == NULL) {
        return 0;
    }
    PyObject *done = PyObject_CallMethodNoArgs(task, state->str_done);
    int is_done = done == NULL ? -1 : PyObject_IsTrue(done);
    Py_XDECREF(done);
    Py_DECREF(task);
    return is_done < 0 ? -1 : !is_done;
}

/* living(entries, seen): the entries of unfinished tasks among the first `seen` parts. */
PyObject *
young_living(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    ModuleState *state = PyModule_GetState(module);
    Py_ssize_t seen = count == 2 && PyList_CheckExact(args[0]) ? PyLong_AsSsize_t(args[1]) : -1;
    if (seen < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "expected a list and a number");
        }
        return NULL;
    }
    PyObject *entries = args[0], *alive = PyList_New(0);
    /* Asking a task may run other code, which may append. */
    for (Py_ssize_t at = 0; alive != NULL && at < seen && at + ENTRY <= PyList_GET_SIZE(entries); at += ENTRY) {
        PyObject *reference = Py_NewRef(PyList_GET_ITEM(entries, at));
        int is_kept = is_living(state, reference);
        Py_DECREF(reference);
        if (is_kept < 0 ||
            (is_kept && at + ENTRY <= PyList_GET_SIZE(entries) && copy_entry(alive, entries, at) < 0)) {
            Py_CLEAR(alive);
        }
    }
    return alive;
}
