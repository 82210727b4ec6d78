/* The module `_compiled`: the hook on task creation in C. `compiled.py` decides whether it runs. */

#include "_compiled.h"

#ifndef OTEL_CONCURRENCY_INTERFACE
#error "The build defines OTEL_CONCURRENCY_INTERFACE, which compiled.py compares with its own: see hatch_build.py."
#endif

static const char *const strings[STRINGS] = {
    [STR_TASK_FACTORY] = "_task_factory", [STR_CHECK_CLOSED] = "_check_closed",
    [STR_TASK] = "Task",                  [STR_CODE] = "cr_code",
    [STR_REFERENCE] = "reference",        [STR_GET] = "get",
    [STR_DONE] = "done",                  [STR_DISARM] = "disarm",
};

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    ModuleState *state = PyModule_GetState(module);
    Py_VISIT(state->hook_type);
    Py_VISIT(state->names_loop);
    Py_VISIT(state->names_loop_name);
    for (int at = 0; at < STRINGS; at++) {
        Py_VISIT(state->strings[at]);
    }
    return 0;
}

static int module_clear(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    Py_CLEAR(state->hook_type);
    Py_CLEAR(state->names_loop);
    Py_CLEAR(state->names_loop_name);
    for (int at = 0; at < STRINGS; at++) {
        Py_CLEAR(state->strings[at]);
    }
    return 0;
}

static int module_exec(PyObject *module) {
    ModuleState *state = PyModule_GetState(module);
    for (int at = 0; at < STRINGS; at++) {
        if ((state->strings[at] = PyUnicode_InternFromString(strings[at])) == NULL) {
            return -1;
        }
    }
    if ((state->names_loop = Py_BuildValue("(s)", "loop")) == NULL ||
        (state->names_loop_name = Py_BuildValue("(ss)", "loop", "name")) == NULL ||
        (state->hook_type = (PyTypeObject *)(void *)PyType_FromModuleAndSpec(module, &hook_spec, NULL)) == NULL) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "INTERFACE", OTEL_CONCURRENCY_INTERFACE);
}

static PyMethodDef module_methods[] = {
    {"create_task_hook", hook_new, METH_O, "Build the replacement of a loop class's create_task from its parts."},
    {"living", young_living, METH_VARARGS, "Return the entries of unfinished tasks among the first of a young list."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef compiled_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_compiled",
    .m_doc = "The hook on task creation in C.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = (freefunc)(void (*)(void))module_clear,
};

PyMODINIT_FUNC PyInit__compiled(void) {
    return PyModuleDef_Init(&compiled_module);
}
