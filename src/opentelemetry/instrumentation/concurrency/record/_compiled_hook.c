/* The hook on task creation. It does what `create_task` in `tasks.py` does, line by line, and decides nothing: for
 * whatever it does not find, it calls the Python functions.
 *
 * - It stands on the loop's class as a method descriptor, so that a call of the method makes no bound method.
 * - It has no Python frame: tracebacks and debug mode need no correction.
 * - Calls that may run other code (also allocations, which may collect garbage) are made with strong references only.
 */

#include "_compiled_frames.h"

enum { MOST_SKIPPED = 2 };

/* What the hook refers to. The first are attributes of the object that `hook_new` receives: see `_Parts`. */
#define NAMED_PARTS(part)                                                                                              \
    part(CREATE, "create")                                                                                             \
    part(TASKS, "tasks") /* the module whose `Task` the hook may create itself, or None */                             \
    part(FAILURE, "failure")                                                                                           \
    part(GUESSES, "guesses")                                                                                           \
    part(FIND, "find")                                                                                                 \
    part(CAPTURE_STACK, "capture_stack")                                                                               \
    part(YOUNG, "young")                                                                                               \
    part(ENTRIES, "entries")                                                                                           \
    part(PRUNE, "prune")                                                                                               \
    part(CURRENT_TASK, "current_task") /* a dictionary by loop, or a function */                                       \
    part(CONTEXT, "context")           /* a context variable, or a function */                                         \
    part(SPAN_KEY, "span_key")                                                                                         \
    part(CREATOR_SPAN, "creator_span")                                                                                 \
    part(THREAD_REFERENCE, "thread_reference")                                                                         \
    part(PLUMBING, "plumbing") /* the file name in the codes of asyncio.tasks */                                       \
    part(MONOTONIC, "monotonic")                                                                                       \
    part(REGISTRY_CALLBACK, "registry_callback") /* of the weak references in asyncio's set of tasks, or None */       \
    part(NODE_TYPE, "node_type")                                                                                       \
    part(SITE_TYPE, "site_type")
#define PART(part, name) part,
/* Consecutive tasks often have the same creator and span. */
enum Part { NAMED_PARTS(PART) LATEST_CREATOR, LATEST_SPAN, LATEST_RECORD, MODULE, ATTRIBUTES, PARTS };
#undef PART

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *parts[PARTS]; /* the named ones are never NULL until the hook is collected */
    PyObject *weak_references;
    ModuleState *state; /* of the module, which is a part */
    /* Slots of the Python classes that are accessed directly, as byte offsets within an instance. */
    Py_ssize_t node_code, node_started, node_site, node_outer, site_left, young_limit;
    int is_armed;
} Hook;

static inline PyObject **slot_of(PyObject *object, Py_ssize_t offset) {
    return (PyObject **)(void *)((char *)object + offset);
}

/* The weak reference that asyncio itself made for its set of tasks, or a new one. */
static PyObject *reference_to(const Hook *hook, PyObject *task) {
#if PY_VERSION_HEX < 0x030E0000
    if (PyType_SUPPORTS_WEAKREFS(Py_TYPE(task))) {
        PyWeakReference *first = *(PyWeakReference **)(void *)PyObject_GET_WEAKREFS_LISTPTR(task);
        /* Any other callback is the application's, which may drop its reference so that it is not called. */
        if (first != NULL && first->wr_callback == hook->parts[REGISTRY_CALLBACK] && PyWeakref_CheckRefExact(first)) {
            return Py_NewRef((PyObject *)first);
        }
    }
#endif
    (void)hook;
    return PyWeakref_NewRef(task, NULL);
}

/* The frame that creates the task, past the frames of asyncio.tasks. */
static Frame creating_frame(const Hook *hook) {
    Frame frame = innermost_frame();
    for (int skipped = 0; skipped < MOST_SKIPPED && frame.code != NULL; skipped++) {
        if (((PyCodeObject *)(void *)frame.code)->co_filename != hook->parts[PLUMBING]) {
            break;
        }
        frame = next_frame(frame);
    }
    return frame;
}

/* The site at the end of the path from a frame outwards, a new reference; NULL if it is undecided, or with an exception.
 * As `follow` in `paths.py`. Consumes the node. */
static PyObject *follow(const Hook *hook, PyObject *node, Frame frame) {
    PyObject *site = *slot_of(node, hook->node_site);
    while (site == Py_None && frame.code != NULL) {
        frame = next_frame(frame);
        PyObject *outer = *slot_of(node, hook->node_outer), *next = NULL;
        PyObject *key = PyLong_FromSize_t(frame.code == NULL ? 0 : (size_t)frame.code + (size_t)frame.lasti);
        if (key != NULL && outer != NULL && PyDict_CheckExact(outer)) {
            next = PyDict_GetItemWithError(outer, key);
        }
        Py_XDECREF(key);
        int is_next = next != NULL && Py_IS_TYPE(next, (PyTypeObject *)(void *)hook->parts[NODE_TYPE]) &&
                      (frame.code == NULL || *slot_of(next, hook->node_code) == frame.code);
        site = is_next ? *slot_of(next, hook->node_site) : NULL;
        Py_SETREF(node, is_next ? Py_NewRef(next) : NULL);
    }
    site = site == Py_None ? NULL : Py_XNewRef(site);
    Py_XDECREF(node);
    return site;
}

/* The site of a creation, a new reference. */
static PyObject *site_of(const Hook *hook, Frame frame, PyObject *coroutine, PyObject *loop) {
    PyObject *site = NULL;
    /* Only of the built-in type can the code be read without running code of the application. */
    if (frame.code != NULL && PyCoro_CheckExact(coroutine)) {
        PyObject *started = code_of_coroutine(hook->state, coroutine);
        PyObject *key = started == NULL ? NULL : PyLong_FromSize_t((size_t)started + (size_t)frame.lasti);
        PyObject *node = key == NULL ? NULL : PyDict_GetItemWithError(hook->parts[GUESSES], key);
        /* The guess is by the sum alone. */
        if (node != NULL && Py_IS_TYPE(node, (PyTypeObject *)(void *)hook->parts[NODE_TYPE]) &&
            *slot_of(node, hook->node_code) == frame.code && *slot_of(node, hook->node_started) == started) {
            site = follow(hook, Py_NewRef(node), frame);
        }
        Py_XDECREF(key);
        Py_XDECREF(started);
    }
    if (site == NULL && !PyErr_Occurred()) {
        PyObject *caller = frame_object(frame.depth);
        site = PyObject_CallFunctionObjArgs(hook->parts[FIND], caller, coroutine, loop, NULL);
        Py_DECREF(caller);
    }
    if (site != NULL && !Py_IS_TYPE(site, (PyTypeObject *)(void *)hook->parts[SITE_TYPE])) {
        PyErr_SetString(PyExc_TypeError, "expected a site");
        Py_CLEAR(site);
    }
    return site;
}

/* Count one creation at a site. Returns whether a stack is due, or -1 with an exception. */
static int count_at(const Hook *hook, PyObject *site) {
    PyObject **slot = slot_of(site, hook->site_left), *before = *slot;
    long left = before == NULL ? 0 : PyLong_AsLong(before) - 1;
    PyObject *after = PyErr_Occurred() ? NULL : PyLong_FromLong(left);
    if (after == NULL) {
        return -1;
    }
    *slot = after;
    Py_XDECREF(before);
    return left <= 0;
}

/* A weak reference to the running task or thread, or None. */
static PyObject *creator_of(Hook *hook, PyObject *loop) {
    PyObject *lookup = hook->parts[CURRENT_TASK], *creator;
    if (PyDict_CheckExact(lookup)) {
        creator = Py_XNewRef(PyDict_GetItemWithError(lookup, loop));
    } else {
        creator = PyObject_CallOneArg(lookup, loop);
    }
    if (creator == NULL || creator == Py_None) {
        Py_XDECREF(creator);
        return PyErr_Occurred() ? NULL : PyObject_CallNoArgs(hook->parts[THREAD_REFERENCE]);
    }
    /* The live object is compared: its address may have been that of an earlier creator. */
    PyObject *latest = hook->parts[LATEST_CREATOR] == NULL ? NULL : referent_of(hook->parts[LATEST_CREATOR]), *reference;
    if (latest == creator) {
        reference = Py_NewRef(hook->parts[LATEST_CREATOR]);
    } else if ((reference = reference_to(hook, creator)) != NULL) {
        Py_XSETREF(hook->parts[LATEST_CREATOR], Py_NewRef(reference));
    }
    Py_XDECREF(latest);
    Py_DECREF(creator);
    return reference;
}

/* The span in the current context, a new reference; NULL if there is none, or with an exception. */
static PyObject *current_span(const Hook *hook) {
    PyObject *values = NULL, *span = NULL;
    if (!PyContextVar_CheckExact(hook->parts[CONTEXT])) {
        values = PyObject_CallNoArgs(hook->parts[CONTEXT]);
    } else if (PyContextVar_Get(hook->parts[CONTEXT], NULL, &values) < 0) {
        return NULL;
    }
    if (values != NULL && PyDict_Check(values)) {
        span = Py_XNewRef(PyDict_GetItemWithError(values, hook->parts[SPAN_KEY]));
    } else if (values != NULL && values != Py_None) {
        span = PyObject_CallMethodOneArg(values, hook->state->strings[STR_GET], hook->parts[SPAN_KEY]);
    }
    Py_XDECREF(values);
    if (span == Py_None) {
        Py_CLEAR(span);
    }
    return span;
}

/* The record of the current span, or None. */
static PyObject *span_record(Hook *hook) {
    PyObject *span = current_span(hook);
    if (span == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *latest = hook->parts[LATEST_SPAN] == NULL ? NULL : referent_of(hook->parts[LATEST_SPAN]), *record;
    if (latest == span) {
        record = Py_NewRef(hook->parts[LATEST_RECORD]);
    } else if ((record = PyObject_CallOneArg(hook->parts[CREATOR_SPAN], span)) != NULL && record != Py_None) {
        PyObject *reference = PyObject_GetAttr(record, hook->state->strings[STR_REFERENCE]);
        if (reference == NULL) {
            Py_CLEAR(record);
        } else if (PyWeakref_CheckRef(reference)) {
            PyObject *before = hook->parts[LATEST_RECORD];
            hook->parts[LATEST_RECORD] = Py_NewRef(record);
            Py_XSETREF(hook->parts[LATEST_SPAN], Py_NewRef(reference));
            Py_XDECREF(before);
        }
        Py_XDECREF(reference);
    }
    Py_XDECREF(latest);
    Py_DECREF(span);
    return record;
}

/* Prune the young list if it is long. Returns -1 with an exception. */
static int prune_if_long(const Hook *hook) {
    PyObject *limit = *slot_of(hook->parts[YOUNG], hook->young_limit);
    Py_ssize_t most = limit == NULL ? 0 : PyLong_AsSsize_t(limit);
    if (!PyErr_Occurred() && PyList_GET_SIZE(hook->parts[ENTRIES]) > most) {
        Py_XDECREF(PyObject_CallNoArgs(hook->parts[PRUNE]));
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Record a task. Returns -1 with an exception. */
static int record_task(Hook *hook, PyObject *task, PyObject *coroutine, PyObject *loop) {
    /* Reference, site, time, creator, span, address: as in `young.py`. */
    PyObject *entry[ENTRY] = {NULL};
    Frame frame = creating_frame(hook);
    int code = -1, is_due;
    if ((entry[1] = site_of(hook, frame, coroutine, loop)) == NULL ||
        (entry[2] = PyObject_CallNoArgs(hook->parts[MONOTONIC])) == NULL || (is_due = count_at(hook, entry[1])) < 0) {
        goto done;
    }
    if (is_due) {
        PyObject *caller = frame_object(frame.depth), *nothing;
        nothing = PyObject_CallFunctionObjArgs(hook->parts[CAPTURE_STACK], entry[1], caller, entry[2], task, NULL);
        Py_DECREF(caller);
        if (nothing == NULL) {
            goto done;
        }
        Py_DECREF(nothing);
    }
    if ((entry[3] = creator_of(hook, loop)) != NULL && (entry[4] = span_record(hook)) != NULL &&
        (entry[0] = reference_to(hook, task)) != NULL && (entry[5] = PyLong_FromVoidPtr(task)) != NULL &&
        young_append(hook->parts[ENTRIES], entry) == 0) {
        code = prune_if_long(hook);
    }
done:
    for (int part = 0; part < ENTRY; part++) {
        Py_XDECREF(entry[part]);
    }
    return code;
}

/* Pass the current exception to `HookFailure`, and return what the hook returns then. Consumes the task. */
static PyObject *failed(Hook *hook, PyObject *task) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_DECREF(task);
        return NULL;
    }
    PyObject *error = take_error(), *disarm = PyObject_GetAttr((PyObject *)hook, hook->state->strings[STR_DISARM]);
    PyObject *result = NULL;
    if (disarm != NULL) {
        result = PyObject_CallFunctionObjArgs(hook->parts[FAILURE], error, disarm, task, NULL);
    }
    PyObject *raised = result == NULL ? take_error() : NULL;
    if (raised != NULL && (raised == error || !PyErr_GivenExceptionMatches(raised, PyExc_Exception))) {
        /* That of a signal handler, which belongs to the caller. */
        give_error(raised);
        Py_CLEAR(task);
    } else {
        /* Any other: the stack or the memory is exhausted, and nothing can be reported. */
        Py_XDECREF(raised);
    }
    Py_XDECREF(result);
    Py_XDECREF(disarm);
    Py_DECREF(error);
    return task;
}

/* Whether the method below would create a `Task` of the loop and do nothing else. Returns -1 with an exception. */
static int is_plain(const Hook *hook, PyObject *loop, Py_ssize_t count, PyObject *names) {
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (hook->parts[TASKS] == Py_None || count != 2 || named > 1 ||
        (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "name") != 0)) {
        return 0;
    }
    PyObject *factory = PyObject_GetAttr(loop, hook->state->strings[STR_TASK_FACTORY]);
    Py_XDECREF(factory);
    if (factory != Py_None) {
        return factory == NULL ? -1 : 0;
    }
    PyObject *closed = PyObject_CallMethodNoArgs(loop, hook->state->strings[STR_CHECK_CLOSED]);
    int is_closed = closed == NULL ? -1 : PyObject_IsTrue(closed);
    Py_XDECREF(closed);
    return is_closed < 0 ? -1 : !is_closed;
}

static PyObject *new_task(const Hook *hook, PyObject *const *args, PyObject *names) {
    PyObject *kind = PyObject_GetAttr(hook->parts[TASKS], hook->state->strings[STR_TASK]);
    if (kind == NULL) {
        return NULL;
    }
    int has_name = names != NULL && PyTuple_GET_SIZE(names) > 0;
    PyObject *given[] = {NULL, args[1], args[0], has_name ? args[2] : NULL};
    PyObject *passed = has_name ? hook->state->names_loop_name : hook->state->names_loop;
    PyObject *task = PyObject_Vectorcall(kind, given + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, passed);
    Py_DECREF(kind);
    return task;
}

/* The argument at a position or with a name, borrowed; NULL if it was not passed. */
static PyObject *argument(PyObject *const *args, Py_ssize_t count, PyObject *names, Py_ssize_t at, const char *name) {
    if (count > at) {
        return args[at];
    }
    for (Py_ssize_t each = 0; names != NULL && each < PyTuple_GET_SIZE(names); each++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, each), name) == 0) {
            return args[count + each];
        }
    }
    return NULL;
}

static PyObject *hook_call(PyObject *self, PyObject *const *args, size_t flagged_count, PyObject *names) {
    Hook *hook = (Hook *)(void *)self;
    if (hook->parts[CREATE] == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the hook has been collected");
        return NULL;
    }
    Py_ssize_t count = PyVectorcall_NARGS(flagged_count);
    PyObject *loop = argument(args, count, names, 0, "self"), *coroutine = argument(args, count, names, 1, "coro");
    int plain = loop == NULL ? 0 : is_plain(hook, loop, count, names);
    if (plain < 0) {
        return NULL;
    }
    PyObject *task = plain ? new_task(hook, args, names)
                           : PyObject_Vectorcall(hook->parts[CREATE], args, flagged_count, names);
    if (task == NULL || !hook->is_armed || loop == NULL || coroutine == NULL) {
        return task;
    }
    return record_task(hook, task, coroutine, loop) < 0 ? failed(hook, task) : task;
}

static PyObject *hook_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner)) {
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyObject *hook_disarm(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    Hook *hook = (Hook *)(void *)self;
    hook->is_armed = 0;
    for (int part = LATEST_CREATOR; part <= LATEST_RECORD; part++) {
        Py_CLEAR(hook->parts[part]);
    }
    Py_RETURN_NONE;
}

static int hook_traverse(PyObject *self, visitproc visit, void *arg) {
    Hook *hook = (Hook *)(void *)self;
    Py_VISIT(Py_TYPE(self));
    for (int part = 0; part < PARTS; part++) {
        Py_VISIT(hook->parts[part]);
    }
    return 0;
}

static int hook_clear(PyObject *self) {
    Hook *hook = (Hook *)(void *)self;
    hook->is_armed = 0;
    for (int part = 0; part < PARTS; part++) {
        Py_CLEAR(hook->parts[part]);
    }
    return 0;
}

static void hook_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((Hook *)(void *)self)->weak_references != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    hook_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef hook_methods[] = {
    {"disarm", hook_disarm, METH_NOARGS, "Record nothing from now on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef hook_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Hook, call), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Hook, parts[ATTRIBUTES]), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Hook, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef hook_properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot hook_slots[] = {
    {Py_tp_dealloc, (void *)hook_dealloc}, {Py_tp_traverse, (void *)hook_traverse},
    {Py_tp_clear, (void *)hook_clear},     {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)hook_get},   {Py_tp_methods, hook_methods},
    {Py_tp_members, hook_members},         {Py_tp_getset, hook_properties},
    {0, NULL},
};

PyType_Spec hook_spec = {
    .name = "opentelemetry.instrumentation.concurrency.record._compiled.CreateTaskHook",
    .basicsize = sizeof(Hook),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hook_slots,
};

/* Find where instances of a class keep a slot. Returns -1 with an exception if the attribute is not a plain slot. */
static Py_ssize_t find_slot(PyObject *type, const char *name) {
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

/* create_task_hook(parts): a hook, from an object that has the named parts as attributes. */
PyObject *hook_new(PyObject *module, PyObject *source) {
#define NAME(part, name) name,
    static const char *const names[] = {NAMED_PARTS(NAME)};
#undef NAME
    ModuleState *state = PyModule_GetState(module);
    Hook *hook = (Hook *)(void *)state->hook_type->tp_alloc(state->hook_type, 0);
    if (hook == NULL) {
        return NULL;
    }
    hook->call = hook_call;
    hook->state = state;
    hook->parts[MODULE] = Py_NewRef(module);
    for (int part = 0; part < LATEST_CREATOR; part++) {
        if ((hook->parts[part] = PyObject_GetAttrString(source, names[part])) == NULL) {
            Py_DECREF(hook);
            return NULL;
        }
    }
    hook->node_code = find_slot(hook->parts[NODE_TYPE], "code");
    hook->node_started = find_slot(hook->parts[NODE_TYPE], "started");
    hook->node_site = find_slot(hook->parts[NODE_TYPE], "site");
    hook->node_outer = find_slot(hook->parts[NODE_TYPE], "outer");
    hook->site_left = find_slot(hook->parts[SITE_TYPE], "samples_until_stack");
    hook->young_limit = find_slot((PyObject *)Py_TYPE(hook->parts[YOUNG]), "limit");
    if (!PyErr_Occurred() && (!PyList_CheckExact(hook->parts[ENTRIES]) || !PyDict_CheckExact(hook->parts[GUESSES]))) {
        PyErr_SetString(PyExc_TypeError, "expected a list of entries and a dictionary of guesses");
    }
    if (PyErr_Occurred()) {
        Py_DECREF(hook);
        return NULL;
    }
    hook->is_armed = 1;
    return (PyObject *)hook;
}
