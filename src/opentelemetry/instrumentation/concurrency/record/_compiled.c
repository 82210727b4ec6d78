/* The module `_compiled`: the task creation hook and its site look-up, in C. `compiled.py` decides whether they run. */

#include "_compiled.h"

#ifndef OTEL_CONCURRENCY_INTERFACE
#error "The build defines OTEL_CONCURRENCY_INTERFACE, which compiled.py compares with its own: see hatch_build.py."
#endif

Py_ssize_t
find_slot(PyObject *type, const char *name)
{
    PyObject *descriptor = PyErr_Occurred() ? NULL : PyObject_GetAttrString(type, name);
    if (descriptor == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        const PyMemberDef *member = ((PyMemberDescrObject *)(void *)descriptor)->d_member;
        offset = member->type == T_OBJECT_EX ? member->offset : -1;
    }
    Py_DECREF(descriptor);
    if (offset <= 0) {
        PyErr_Format(PyExc_TypeError, "%s is not a slot", name);
        return -1;
    }
    return offset;
}

#define OBJECTS_OF_STATE(apply)                                                                                        \
    apply(hook_type) apply(lookup_type) apply(str_task_factory) apply(str_check_closed) apply(str_task)                \
        apply(str_code) apply(str_reference) apply(str_get) apply(str_done) apply(names_loop) apply(names_loop_name)

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ModuleState *state = PyModule_GetState(module);
#define VISIT(name) Py_VISIT(state->name);
    OBJECTS_OF_STATE(VISIT)
#undef VISIT
    return 0;
}

static int
module_clear(PyObject *module)
{
    ModuleState *state = PyModule_GetState(module);
#define CLEAR(name) Py_CLEAR(state->name);
    OBJECTS_OF_STATE(CLEAR)
#undef CLEAR
    return 0;
}

static void
module_free(void *module)
{
    module_clear((PyObject *)module);
}

static int
module_exec(PyObject *module)
{
    ModuleState *state = PyModule_GetState(module);
    state->hook_type = (PyTypeObject *)(void *)PyType_FromModuleAndSpec(module, &hook_spec, NULL);
    state->lookup_type = (PyTypeObject *)(void *)PyType_FromModuleAndSpec(module, &lookup_spec, NULL);
    state->str_task_factory = PyUnicode_InternFromString("_task_factory");
    state->str_check_closed = PyUnicode_InternFromString("_check_closed");
    state->str_task = PyUnicode_InternFromString("Task");
    state->str_code = PyUnicode_InternFromString("cr_code");
    state->str_reference = PyUnicode_InternFromString("reference");
    state->str_get = PyUnicode_InternFromString("get");
    state->str_done = PyUnicode_InternFromString("done");
    state->names_loop = Py_BuildValue("(s)", "loop");
    state->names_loop_name = Py_BuildValue("(ss)", "loop", "name");
#define CHECK(name)                                                                                                    \
    if (state->name == NULL) {                                                                                         \
        return -1;                                                                                                     \
    }
    OBJECTS_OF_STATE(CHECK)
#undef CHECK
    return PyModule_AddStringConstant(module, "INTERFACE", OTEL_CONCURRENCY_INTERFACE);
}

static PyMethodDef module_methods[] = {
    {"create_task_hook", (PyCFunction)(void (*)(void))hook_new, METH_VARARGS | METH_KEYWORDS,
     "Build the replacement of a loop class's create_task."},
    {"living", (PyCFunction)(void (*)(void))young_living, METH_FASTCALL,
     "Return the entries of unfinished tasks among the first of a young list."},
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
    .m_doc = "The task creation hook in C.",
    .m_size = sizeof(ModuleState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__compiled(void)
{
    return PyModuleDef_Init(&compiled_module);
}
