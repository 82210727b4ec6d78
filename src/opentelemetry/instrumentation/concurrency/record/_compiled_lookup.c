/* The site look-up: a hash table from (code, instruction, started code) to the node of a decided path.
 *
 * It takes the place of the dictionary `SiteTable.guesses`, in which only the Python slow path stores nodes; it decides
 * nothing itself. Open addressing with linear probing; nothing is removed but everything at once. A node keeps both
 * codes alive, so that their addresses are not reused while they are keys.
 */

#include "_compiled.h"

typedef struct {
    PyObject *node; /* NULL: a free place */
    PyObject *code; /* borrowed from the node, as is the started code */
    PyObject *started;
    int lasti;
} Place;

struct SiteLookup {
    PyObject_HEAD
    Slots slots;
    Place *places;
    size_t mask; /* number of places, a power of two, less one */
    size_t used;
};

enum { FIRST_PLACES = 64 };

static size_t
hash_of(PyObject *code, int lasti, PyObject *started)
{
    /* Addresses are multiples of 16; the odd constants spread the rest. */
    size_t key = ((size_t)code >> 4) ^ (((size_t)started >> 4) * 31u) ^ ((size_t)(unsigned int)lasti * 0x9E3779B1u);
    return key ^ (key >> 15);
}

/* The place of a key, or the free place where it belongs. There is always a free one. */
static Place *
place_of(const SiteLookup *lookup, PyObject *code, int lasti, PyObject *started)
{
    size_t at = hash_of(code, lasti, started) & lookup->mask;
    for (;;) {
        Place *place = &lookup->places[at];
        if (place->node == NULL || (place->code == code && place->started == started && place->lasti == lasti)) {
            return place;
        }
        at = (at + 1) & lookup->mask;
    }
}

PyObject *
lookup_find(const SiteLookup *lookup, PyObject *code, int lasti, PyObject *started)
{
    if (lookup->places == NULL) {
        return NULL;
    }
    return Py_XNewRef(place_of(lookup, code, lasti, started)->node);
}

static int
grow(SiteLookup *lookup)
{
    size_t count = lookup->places == NULL ? FIRST_PLACES : 2 * (lookup->mask + 1);
    Place *places = PyMem_Calloc(count, sizeof(Place)), *before = lookup->places;
    if (places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t count_before = before == NULL ? 0 : lookup->mask + 1;
    lookup->places = places;
    lookup->mask = count - 1;
    for (size_t at = 0; at < count_before; at++) {
        if (before[at].node != NULL) {
            *place_of(lookup, before[at].code, before[at].lasti, before[at].started) = before[at];
        }
    }
    PyMem_Free(before);
    return 0;
}

static int
lookup_clear(SiteLookup *lookup)
{
    Place *places = lookup->places;
    size_t count = places == NULL ? 0 : lookup->mask + 1;
    /* Emptied first: releasing a node may run other code. */
    lookup->places = NULL;
    lookup->mask = lookup->used = 0;
    for (size_t at = 0; at < count; at++) {
        Py_XDECREF(places[at].node);
    }
    PyMem_Free(places);
    return 0;
}

static PyObject *
lookup_clear_method(SiteLookup *lookup, PyObject *Py_UNUSED(ignored))
{
    lookup_clear(lookup);
    Py_RETURN_NONE;
}

/* lookup[lasti + id(started)] = node, as the slow path stores into the dictionary. */
static int
lookup_store(SiteLookup *lookup, PyObject *key, PyObject *node)
{
    const Slots *slots = &lookup->slots;
    if (node == NULL || !Py_IS_TYPE(node, slots->node_type)) {
        PyErr_SetString(PyExc_TypeError, "expected a node of a path");
        return -1;
    }
    PyObject *code = *slot_of(node, slots->node_code), *started = *slot_of(node, slots->node_started);
    if (code == NULL || started == NULL) {
        PyErr_SetString(PyExc_ValueError, "the node has no code");
        return -1;
    }
    unsigned long long sum = PyLong_AsUnsignedLongLong(key);
    if (sum == (unsigned long long)-1 && PyErr_Occurred()) {
        return -1;
    }
    int lasti = (int)(long long)(sum - (unsigned long long)(size_t)started);
    if ((lookup->places == NULL || lookup->used * 2 > lookup->mask) && grow(lookup) < 0) {
        return -1;
    }
    Place *place = place_of(lookup, code, lasti, started);
    PyObject *before = place->node;
    lookup->used += before == NULL;
    *place = (Place){.node = Py_NewRef(node), .code = code, .started = started, .lasti = lasti};
    Py_XDECREF(before);
    return 0;
}

static Py_ssize_t
lookup_length(SiteLookup *lookup)
{
    return (Py_ssize_t)lookup->used;
}

static int
lookup_traverse(SiteLookup *lookup, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(lookup));
    Py_VISIT(lookup->slots.node_type);
    Py_VISIT(lookup->slots.site_type);
    for (size_t at = 0; lookup->places != NULL && at <= lookup->mask; at++) {
        Py_VISIT(lookup->places[at].node);
    }
    return 0;
}

static void
lookup_dealloc(SiteLookup *lookup)
{
    PyTypeObject *type = Py_TYPE(lookup);
    PyObject_GC_UnTrack(lookup);
    lookup_clear(lookup);
    Py_CLEAR(lookup->slots.node_type);
    Py_CLEAR(lookup->slots.site_type);
    type->tp_free(lookup);
    Py_DECREF(type);
}

PyObject *
lookup_new(ModuleState *state, const Slots *slots)
{
    SiteLookup *lookup = (SiteLookup *)(void *)state->lookup_type->tp_alloc(state->lookup_type, 0);
    if (lookup == NULL) {
        return NULL;
    }
    lookup->slots = *slots;
    Py_INCREF(slots->node_type);
    Py_INCREF(slots->site_type);
    return (PyObject *)lookup;
}

int
is_lookup(ModuleState *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->lookup_type);
}

static PyMethodDef lookup_methods[] = {
    {"clear", (PyCFunction)(void (*)(void))lookup_clear_method, METH_NOARGS, "Remove all nodes."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lookup_slots[] = {
    {Py_tp_doc, "Nodes of decided paths by the code, instruction and started code of their first frame."},
    {Py_tp_dealloc, (void *)lookup_dealloc},
    {Py_tp_traverse, (void *)lookup_traverse},
    {Py_tp_clear, (void *)lookup_clear},
    {Py_tp_methods, lookup_methods},
    {Py_mp_ass_subscript, (void *)lookup_store},
    {Py_mp_length, (void *)lookup_length},
    {0, NULL},
};

PyType_Spec lookup_spec = {
    .name = "opentelemetry.instrumentation.concurrency.record._compiled.SiteLookup",
    .basicsize = sizeof(SiteLookup),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lookup_slots,
};
