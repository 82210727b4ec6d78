/* The hook on task creation in C. It does what `create_task` in `tasks.py` does, line by line, and decides nothing:
 * whatever it does not find, it asks the Python functions for.
 *
 * - It stands on the loop's class as a method descriptor, so that a call of the method makes no bound method.
 * - It has no Python frame: tracebacks and debug mode need no correction.
 * - Every call that may run other code (allocations of tracked objects may collect garbage) is made with strong
 *   references only. An entry is appended without such a call, so that no thread sees half of one.
 */

#include "_compiled_frames.h"

enum { MOST_SKIPPED = 2 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *attributes;
    PyObject *weak_references;
    int is_armed;
    PyObject *module;
    ModuleState *state; /* of the module */
    Slots slots;
    Py_ssize_t young_limit;
    SiteLookup *lookup;
    /* Received from Python; see `CompiledHook` in `compiled.py`. */
    PyObject *create;
    PyObject *tasks; /* NULL unless the hook may create the task itself */
    PyObject *failure;
    PyObject *find;
    PyObject *capture_stack;
    PyObject *young;
    PyObject *entries;
    PyObject *prune;
    PyObject *current_task; /* a dictionary by loop, or a function */
    PyObject *context;      /* a context variable, or a function */
    PyObject *span_key;
    PyObject *creator_span;
    PyObject *thread_reference;
    PyObject *plumbing; /* the file name in the codes of asyncio.tasks */
    PyObject *monotonic;
    PyObject *registry_callback; /* of the weak references in asyncio's set of tasks; None without such a set */
    /* Consecutive tasks often have the same creator and span. */
    PyObject *latest_creator;
    PyObject *latest_span;
    PyObject *latest_record;
} Hook;

/* The weak reference that asyncio itself made for its set of tasks, or a new one. */
static PyObject *
reference_to(const Hook *hook, PyObject *task)
{
#if PY_VERSION_HEX < 0x030E0000
    if (hook->registry_callback != Py_None && PyType_SUPPORTS_WEAKREFS(Py_TYPE(task))) {
        PyWeakReference *each = *(PyWeakReference **)(void *)PyObject_GET_WEAKREFS_LISTPTR(task);
        if (each != NULL && each->wr_callback == hook->registry_callback && PyWeakref_CheckRefExact(each)) {
            return Py_NewRef((PyObject *)each);
        }
    }
#endif
    (void)hook;
    return PyWeakref_NewRef(task, NULL);
}

/* The frame that creates the task, past the frames of asyncio.tasks. */
static Frame
creating_frame(const Hook *hook)
{
    Frame frame = innermost_frame();
    for (int skipped = 0; skipped < MOST_SKIPPED && frame.code != NULL; skipped++) {
        if (((PyCodeObject *)(void *)frame.code)->co_filename != hook->plumbing) {
            break;
        }
        frame = next_frame(frame);
    }
    return frame;
}

/* The site at the end of the path from a frame outwards, a new reference; NULL if it is undecided, or with an exception.
 * As `follow` in `paths.py`. Consumes the node. */
static PyObject *
follow(const Slots *slots, PyObject *node, Frame frame)
{
    PyObject *site = *slot_of(node, slots->node_site);
    while (site == Py_None && frame.code != NULL) {
        frame = next_frame(frame);
        PyObject *outer = *slot_of(node, slots->node_outer), *next = NULL;
        PyObject *key = PyLong_FromSize_t(frame.code == NULL ? 0 : (size_t)frame.code + (size_t)frame.lasti);
        if (key != NULL && outer != NULL && PyDict_CheckExact(outer)) {
            next = PyDict_GetItemWithError(outer, key);
        }
        Py_XDECREF(key);
        int is_next = next != NULL && Py_IS_TYPE(next, slots->node_type) &&
                      (frame.code == NULL || *slot_of(next, slots->node_code) == frame.code);
        site = is_next ? *slot_of(next, slots->node_site) : NULL;
        Py_SETREF(node, Py_XNewRef(is_next ? next : NULL));
    }
    site = site == Py_None ? NULL : Py_XNewRef(site);
    Py_XDECREF(node);
    return site;
}

/* The site of a creation, a new reference. */
static PyObject *
site_of(const Hook *hook, Frame frame, PyObject *coroutine, PyObject *loop)
{
    PyObject *site = NULL;
    /* Only of the built-in type can the code be read without running code of the application. */
    if (frame.code != NULL && PyCoro_CheckExact(coroutine)) {
        PyObject *started = code_of_coroutine(coroutine, hook->state->str_code);
        PyObject *node = started == NULL ? NULL : lookup_find(hook->lookup, frame.code, frame.lasti, started);
        Py_XDECREF(started);
        site = node == NULL ? NULL : follow(&hook->slots, node, frame);
    }
    if (site == NULL && !PyErr_Occurred()) {
        PyObject *caller = frame_object(frame.depth);
        site = PyObject_CallFunctionObjArgs(hook->find, caller, coroutine, loop, NULL);
        Py_DECREF(caller);
    }
    if (site != NULL && !Py_IS_TYPE(site, hook->slots.site_type)) {
        PyErr_SetString(PyExc_TypeError, "expected a site");
        Py_CLEAR(site);
    }
    return site;
}

/* Count one creation at a site. Returns whether a stack is due, or -1 with an exception. */
static int
count_at(const Hook *hook, PyObject *site)
{
    PyObject **place = slot_of(site, hook->slots.site_left), *before = *place;
    long left = before == NULL ? 0 : PyLong_AsLong(before);
    if (before == NULL || (left == -1 && PyErr_Occurred())) {
        return -1;
    }
    PyObject *after = PyLong_FromLong(left - 1);
    if (after == NULL) {
        return -1;
    }
    *place = after;
    Py_DECREF(before);
    return left - 1 <= 0;
}

/* A weak reference to the running task or thread, or None. */
static PyObject *
creator_of(Hook *hook, PyObject *loop)
{
    PyObject *creator = NULL;
    if (PyDict_CheckExact(hook->current_task)) {
        creator = PyDict_GetItemWithError(hook->current_task, loop);
        if (creator == NULL && PyErr_Occurred()) {
            return NULL;
        }
        Py_XINCREF(creator);
    }
    else {
        creator = PyObject_CallOneArg(hook->current_task, loop);
        if (creator == NULL) {
            return NULL;
        }
        if (creator == Py_None) {
            Py_CLEAR(creator);
        }
    }
    if (creator == NULL) {
        return PyObject_CallNoArgs(hook->thread_reference);
    }
    /* The live object is compared: its address may have been that of an earlier creator. */
    PyObject *latest = hook->latest_creator == NULL ? NULL : referent_of(hook->latest_creator), *reference;
    if (latest == creator) {
        reference = Py_NewRef(hook->latest_creator);
    }
    else if ((reference = reference_to(hook, creator)) != NULL) {
        Py_XSETREF(hook->latest_creator, Py_NewRef(reference));
    }
    Py_XDECREF(latest);
    Py_DECREF(creator);
    return reference;
}

/* The span in the current context, a new reference; NULL if there is none, or with an exception. */
static PyObject *
current_span(const Hook *hook)
{
    PyObject *values = NULL;
    if (PyContextVar_CheckExact(hook->context)) {
        if (PyContextVar_Get(hook->context, NULL, &values) < 0) {
            return NULL;
        }
    }
    else if ((values = PyObject_CallNoArgs(hook->context)) == NULL) {
        return NULL;
    }
    PyObject *span = NULL;
    if (values != NULL && PyDict_Check(values)) {
        span = Py_XNewRef(PyDict_GetItemWithError(values, hook->span_key));
    }
    else if (values != NULL && values != Py_None) {
        span = PyObject_CallMethodOneArg(values, hook->state->str_get, hook->span_key);
    }
    Py_XDECREF(values);
    if (span == Py_None) {
        Py_CLEAR(span);
    }
    return span;
}

/* The record of the current span, or None. */
static PyObject *
span_record(Hook *hook)
{
    PyObject *span = current_span(hook);
    if (span == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *latest = hook->latest_span == NULL ? NULL : referent_of(hook->latest_span);
    PyObject *record = NULL;
    if (latest == span) {
        record = Py_NewRef(hook->latest_record);
    }
    else if ((record = PyObject_CallOneArg(hook->creator_span, span)) != NULL && record != Py_None) {
        PyObject *reference = PyObject_GetAttr(record, hook->state->str_reference);
        if (reference != NULL && PyWeakref_CheckRef(reference)) {
            Py_XSETREF(hook->latest_span, Py_NewRef(reference));
            Py_XSETREF(hook->latest_record, Py_NewRef(record));
        }
        Py_XDECREF(reference);
        if (reference == NULL) {
            Py_CLEAR(record);
        }
    }
    Py_XDECREF(latest);
    Py_DECREF(span);
    return record;
}

/* Prune the young list if it is long. Returns -1 with an exception. */
static int
prune_if_long(const Hook *hook)
{
    PyObject *limit = *slot_of(hook->young, hook->young_limit);
    Py_ssize_t most = limit == NULL ? 0 : PyLong_AsSsize_t(limit);
    if (most == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (PyList_GET_SIZE(hook->entries) <= most) {
        return 0;
    }
    PyObject *nothing = PyObject_CallNoArgs(hook->prune);
    Py_XDECREF(nothing);
    return nothing == NULL ? -1 : 0;
}

/* Record a task. Returns -1 with an exception. */
static int
record(Hook *hook, PyObject *task, PyObject *coroutine, PyObject *loop)
{
    PyObject *entry[ENTRY] = {NULL};
    int is_due, code = -1;
    Frame frame = creating_frame(hook);
    if ((entry[1] = site_of(hook, frame, coroutine, loop)) == NULL ||
        (entry[2] = PyObject_CallNoArgs(hook->monotonic)) == NULL || (is_due = count_at(hook, entry[1])) < 0) {
        goto done;
    }
    if (is_due) {
        PyObject *caller = frame_object(frame.depth);
        PyObject *nothing = PyObject_CallFunctionObjArgs(hook->capture_stack, entry[1], caller, entry[2], task, NULL);
        Py_DECREF(caller);
        if (nothing == NULL) {
            goto done;
        }
        Py_DECREF(nothing);
    }
    if ((entry[3] = creator_of(hook, loop)) != NULL && (entry[4] = span_record(hook)) != NULL &&
        (entry[0] = reference_to(hook, task)) != NULL && (entry[5] = PyLong_FromVoidPtr(task)) != NULL &&
        young_append(hook->entries, entry) == 0) {
        code = prune_if_long(hook);
    }
done:
    for (int part = 0; part < ENTRY; part++) {
        Py_XDECREF(entry[part]);
    }
    return code;
}

/* Pass the current exception to `HookFailure`, and return what the hook returns then. Consumes the task. */
static PyObject *
failed(Hook *hook, PyObject *task)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_DECREF(task);
        return NULL;
    }
    PyObject *error = take_error(), *disarm = PyObject_GetAttrString((PyObject *)hook, "disarm");
    PyObject *result =
        disarm == NULL ? NULL : PyObject_CallFunctionObjArgs(hook->failure, error, disarm, task, NULL);
    PyObject *raised = result == NULL ? take_error() : NULL;
    if (raised != NULL && (raised == error || !PyErr_GivenExceptionMatches(raised, PyExc_Exception))) {
        /* That of a signal handler, which belongs to the caller. */
        give_error(raised);
        Py_CLEAR(task);
    }
    else {
        /* Otherwise the stack or the memory is exhausted: not reportable. */
        Py_XDECREF(raised);
    }
    Py_XDECREF(result);
    Py_XDECREF(disarm);
    Py_DECREF(error);
    return task;
}

/* Whether the method below would create a `Task` of the loop and do nothing else. Returns -1 with an exception. */
static int
is_plain(const Hook *hook, PyObject *loop, Py_ssize_t count, PyObject *names)
{
    if (hook->tasks == NULL || count != 2) {
        return 0;
    }
    if (names != NULL && PyTuple_GET_SIZE(names) > 0) {
        PyObject *only = PyTuple_GET_ITEM(names, 0);
        if (PyTuple_GET_SIZE(names) > 1 || !PyUnicode_CheckExact(only) ||
            PyUnicode_CompareWithASCIIString(only, "name") != 0) {
            return 0;
        }
    }
    PyObject *factory = PyObject_GetAttr(loop, hook->state->str_task_factory);
    Py_XDECREF(factory);
    if (factory != Py_None) {
        return factory == NULL ? -1 : 0;
    }
    PyObject *closed = PyObject_CallMethodNoArgs(loop, hook->state->str_check_closed);
    int is_closed = closed == NULL ? -1 : closed == Py_None ? 0 : PyObject_IsTrue(closed);
    Py_XDECREF(closed);
    return is_closed < 0 ? -1 : !is_closed;
}

static PyObject *
new_task(const Hook *hook, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *kind = PyObject_GetAttr(hook->tasks, hook->state->str_task);
    if (kind == NULL) {
        return NULL;
    }
    int has_name = names != NULL && PyTuple_GET_SIZE(names) > 0;
    PyObject *given[] = {NULL, args[1], args[0], has_name ? args[count] : NULL};
    PyObject *task = PyObject_Vectorcall(kind, given + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                         has_name ? hook->state->names_loop_name : hook->state->names_loop);
    Py_DECREF(kind);
    return task;
}

/* The argument at a position or with a name, borrowed; NULL if it was not passed. */
static PyObject *
argument(PyObject *const *args, Py_ssize_t count, PyObject *names, Py_ssize_t at, const char *name)
{
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

static PyObject *
hook_call(PyObject *self, PyObject *const *args, size_t flagged_count, PyObject *names)
{
    Hook *hook = (Hook *)(void *)self;
    if (hook->create == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the hook has been collected");
        return NULL;
    }
    Py_ssize_t count = PyVectorcall_NARGS(flagged_count);
    PyObject *loop = argument(args, count, names, 0, "self"), *coroutine = argument(args, count, names, 1, "coro");
    int plain = loop == NULL ? 0 : is_plain(hook, loop, count, names);
    if (plain < 0) {
        return NULL;
    }
    PyObject *task = plain ? new_task(hook, args, count, names)
                           : PyObject_Vectorcall(hook->create, args, flagged_count, names);
    if (task == NULL || !hook->is_armed || loop == NULL || coroutine == NULL) {
        return task;
    }
    return record(hook, task, coroutine, loop) < 0 ? failed(hook, task) : task;
}

static PyObject *
hook_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyObject *
hook_disarm(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Hook *hook = (Hook *)(void *)self;
    hook->is_armed = 0;
    Py_CLEAR(hook->latest_creator);
    Py_CLEAR(hook->latest_span);
    Py_CLEAR(hook->latest_record);
    Py_RETURN_NONE;
}

#define OBJECTS_OF_HOOK(apply)                                                                                         \
    apply(lookup) apply(create) apply(tasks) apply(failure) apply(find) apply(capture_stack) apply(young)              \
        apply(entries) apply(prune) apply(current_task) apply(context) apply(span_key) apply(creator_span)             \
            apply(thread_reference) apply(plumbing) apply(monotonic) apply(registry_callback) apply(latest_creator)    \
                apply(latest_span) apply(latest_record) apply(module) apply(attributes) apply(slots.node_type)                       \
                    apply(slots.site_type)

static int
hook_traverse(PyObject *self, visitproc visit, void *arg)
{
    Hook *hook = (Hook *)(void *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(name) Py_VISIT(hook->name);
    OBJECTS_OF_HOOK(VISIT)
#undef VISIT
    return 0;
}

static int
hook_clear(PyObject *self)
{
    Hook *hook = (Hook *)(void *)self;
    hook->is_armed = 0;
#define CLEAR(name) Py_CLEAR(hook->name);
    OBJECTS_OF_HOOK(CLEAR)
#undef CLEAR
    return 0;
}

static void
hook_dealloc(PyObject *self)
{
    Hook *hook = (Hook *)(void *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (hook->weak_references != NULL) {
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
    {"__dictoffset__", T_PYSSIZET, offsetof(Hook, attributes), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Hook, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef hook_properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot hook_slots[] = {
    {Py_tp_dealloc, (void *)hook_dealloc},   {Py_tp_traverse, (void *)hook_traverse},
    {Py_tp_clear, (void *)hook_clear},       {Py_tp_call, (void *)PyVectorcall_Call},
    {Py_tp_descr_get, (void *)hook_get},     {Py_tp_methods, hook_methods},
    {Py_tp_members, hook_members},           {Py_tp_getset, hook_properties},
    {0, NULL},
};

PyType_Spec hook_spec = {
    .name = "opentelemetry.instrumentation.concurrency.record._compiled.CreateTaskHook",
    .basicsize = sizeof(Hook),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hook_slots,
};

/* The look-up of a table of sites, a new reference. The first hook replaces the table's dictionary. */
static PyObject *
lookup_of(ModuleState *state, PyObject *table, const Slots *slots)
{
    PyObject *lookup = PyObject_GetAttrString(table, "guesses");
    if (lookup == NULL || is_lookup(state, lookup)) {
        return lookup;
    }
    Py_SETREF(lookup, lookup_new(state, slots));
    if (lookup != NULL && PyObject_SetAttrString(table, "guesses", lookup) < 0) {
        Py_CLEAR(lookup);
    }
    return lookup;
}

static int
find_slots(Slots *slots, PyObject *node, PyObject *site)
{
    *slots = (Slots){
        .node_type = (PyTypeObject *)node,
        .site_type = (PyTypeObject *)site,
        .node_code = find_slot(node, "code"),
        .node_started = find_slot(node, "started"),
        .node_site = find_slot(node, "site"),
        .node_outer = find_slot(node, "outer"),
        .site_left = find_slot(site, "samples_until_stack"),
    };
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *
hook_new(PyObject *module, PyObject *args, PyObject *options)
{
    static char *const names[] = {"create",   "tasks",        "failure",          "table",    "young",
                                  "current_task", "context",  "span_key",         "creator_span", "thread_reference",
                                  "plumbing", "monotonic",    "registry_callback", "node_type", "site_type", NULL};
    PyObject *create, *tasks, *failure, *table, *young, *current_task, *context, *span_key, *creator_span;
    PyObject *thread_reference, *plumbing, *monotonic, *registry_callback, *node_type, *site_type;
    if (!PyArg_ParseTupleAndKeywords(args, options, "$OOOOOOOOOOOOOO!O!:create_task_hook", (char **)(void *)names,
                                     &create, &tasks, &failure, &table, &young, &current_task, &context, &span_key,
                                     &creator_span, &thread_reference, &plumbing, &monotonic, &registry_callback,
                                     &PyType_Type, &node_type, &PyType_Type, &site_type)) {
        return NULL;
    }
    ModuleState *state = PyModule_GetState(module);
    Slots slots;
    Py_ssize_t limit = find_slot((PyObject *)Py_TYPE(young), "limit");
    if (limit < 0 || find_slots(&slots, node_type, site_type) < 0) {
        return NULL;
    }
    Hook *hook = (Hook *)(void *)state->hook_type->tp_alloc(state->hook_type, 0);
    if (hook == NULL) {
        return NULL;
    }
    hook->call = hook_call;
    hook->state = state;
    hook->module = Py_NewRef(module);
    hook->slots = slots;
    Py_INCREF(node_type);
    Py_INCREF(site_type);
    hook->young_limit = limit;
    hook->create = Py_NewRef(create);
    hook->tasks = tasks == Py_None ? NULL : Py_NewRef(tasks);
    hook->failure = Py_NewRef(failure);
    hook->young = Py_NewRef(young);
    hook->current_task = Py_NewRef(current_task);
    hook->context = Py_NewRef(context);
    hook->span_key = Py_NewRef(span_key);
    hook->creator_span = Py_NewRef(creator_span);
    hook->thread_reference = Py_NewRef(thread_reference);
    hook->plumbing = Py_NewRef(plumbing);
    hook->monotonic = Py_NewRef(monotonic);
    hook->registry_callback = Py_NewRef(registry_callback);
    if ((hook->find = PyObject_GetAttrString(table, "find")) == NULL ||
        (hook->capture_stack = PyObject_GetAttrString(table, "capture_stack")) == NULL ||
        (hook->entries = PyObject_GetAttrString(young, "entries")) == NULL ||
        (hook->prune = PyObject_GetAttrString(young, "prune")) == NULL ||
        (hook->lookup = (SiteLookup *)(void *)lookup_of(state, table, &slots)) == NULL) {
        Py_DECREF(hook);
        return NULL;
    }
    if (!PyList_CheckExact(hook->entries)) {
        PyErr_SetString(PyExc_TypeError, "expected a list of entries");
        Py_DECREF(hook);
        return NULL;
    }
    hook->is_armed = 1;
    return (PyObject *)hook;
}
