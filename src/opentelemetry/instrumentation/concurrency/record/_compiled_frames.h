/* The frames of the current thread, innermost first.
 *
 * From 3.11 to 3.14 the interpreter's own structures are read: the public functions create an object for each frame,
 * a quarter of a microsecond per task. On any other version the public functions are used.
 * A frame is valid only while no other code runs. Its code lives as long as the frame executes.
 */

#ifndef OTEL_CONCURRENCY_COMPILED_FRAMES_H
#define OTEL_CONCURRENCY_COMPILED_FRAMES_H

#include "_compiled.h"

typedef struct {
    PyObject *code; /* borrowed; NULL beyond the outermost frame */
    int lasti;      /* offset of the instruction in bytes, as `frame.f_lasti` */
    int depth;      /* 0 for the innermost frame */
    void *place;
} Frame;

#ifdef READS_INTERPRETER_FRAMES

static inline Frame frame_at(struct _PyInterpreterFrame *place, int depth) {
    while (place != NULL && _PyFrame_IsIncomplete(place)) {
        place = place->previous;
    }
    if (place == NULL) {
        return (Frame){.depth = depth};
    }
#if PY_VERSION_HEX < 0x030D0000
    PyObject *code = (PyObject *)place->f_code;
#else
    PyObject *code = (PyObject *)_PyFrame_GetCode(place);
#endif
    int lasti = _PyInterpreterFrame_LASTI(place) * (int)sizeof(_Py_CODEUNIT);
    return (Frame){.code = code, .lasti = lasti, .depth = depth, .place = place};
}

static inline Frame innermost_frame(void) {
#if PY_VERSION_HEX < 0x030D0000
    return frame_at(PyThreadState_Get()->cframe->current_frame, 0);
#else
    return frame_at(PyThreadState_Get()->current_frame, 0);
#endif
}

static inline Frame next_frame(Frame frame) {
    return frame_at(((struct _PyInterpreterFrame *)frame.place)->previous, frame.depth + 1);
}

#else

/* Consumes the reference to the frame object, which lives as long as the frame executes, as its code does. */
static inline Frame frame_at(PyFrameObject *place, int depth) {
    if (place == NULL) {
        return (Frame){.depth = depth};
    }
    PyCodeObject *code = PyFrame_GetCode(place);
#if PY_VERSION_HEX < 0x030B0000
    int lasti = place->f_lasti < 0 ? -1 : place->f_lasti * (int)sizeof(_Py_CODEUNIT);
#else
    int lasti = PyFrame_GetLasti(place);
#endif
    Py_DECREF(code);
    Py_DECREF(place);
    return (Frame){.code = (PyObject *)code, .lasti = lasti, .depth = depth, .place = place};
}

static inline Frame innermost_frame(void) {
    return frame_at((PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame()), 0);
}

static inline Frame next_frame(Frame frame) {
    return frame_at(PyFrame_GetBack(frame.place), frame.depth + 1);
}

#endif

/* The frame object at a depth, a new reference; None beyond the outermost frame. */
static inline PyObject *frame_object(int depth) {
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame());
    for (; frame != NULL && depth > 0; depth--) {
        Py_SETREF(frame, PyFrame_GetBack(frame));
    }
    return frame == NULL ? Py_NewRef(Py_None) : (PyObject *)frame;
}

#endif
