"""The self-test: all is well here, each broken assumption is reported, and nothing remains of a run."""

import asyncio
import gc
import logging
import sys
import threading
import types
import warnings
from concurrent.futures import thread as executors

import pytest

from opentelemetry.instrumentation.concurrency import live_counts
from opentelemetry.instrumentation.concurrency.diagnose.introspection import known_waits
from opentelemetry.instrumentation.concurrency.diagnose.self_test import (
    of_asyncio,
    of_asyncio_links,
    of_libraries,
    of_threads,
    of_waiting_functions,
    self_test,
)
from opentelemetry.instrumentation.concurrency.diagnose.self_test.assumption import (
    Assumption,
    codes_named,
    library_of,
    mentions,
)
from opentelemetry.instrumentation.concurrency.diagnose.self_test.self_test import check_internals

LIBRARIES = (
    "anyio._backends._asyncio",
    "asyncio.staggered",
    "celery.app.trace",
    "dramatiq.worker",
    "opentelemetry.sdk._logs",
    "opentelemetry.sdk.trace",
    "tornado.iostream",
    "uvloop",
)


def broken():
    """Return library and noun phrase of each assumption that does not hold."""
    return [(each.library, each.what) for each in check_internals() if not each.works]


def test_imported_libraries_are_as_expected():
    for name in LIBRARIES:
        pytest.importorskip(name)
    checks = check_internals()
    assert [each for each in checks if not each.works] == []
    assert {"Python", "anyio", "asyncio", "celery", "concurrent.futures", "dramatiq", "opentelemetry"} <= {
        each.library for each in checks
    }
    assert {"threading", "tornado", "uvloop"} <= {each.library for each in checks}


def test_python_tasks_and_futures_are_as_expected(monkeypatch):
    """Those of an interpreter without the C module, which an application may also use on its own."""
    pure = known_waits.known_asyncio()._replace(c_future=asyncio.futures._PyFuture, c_task=asyncio.tasks._PyTask)
    monkeypatch.setattr(known_waits, "_asyncio", pure)
    for owner in (asyncio, asyncio.futures):
        monkeypatch.setattr(owner, "Future", asyncio.futures._PyFuture)
    for owner in (asyncio, asyncio.tasks):
        monkeypatch.setattr(owner, "Task", asyncio.tasks._PyTask)
    for name in ("_register_task", "_unregister_task"):
        monkeypatch.setattr(asyncio.tasks, name, getattr(asyncio.tasks, f"_py{name}"))
    if sys.version_info >= (3, 14):
        for owner in (asyncio, asyncio.futures):
            monkeypatch.setattr(owner, "future_add_to_awaited_by", asyncio.futures._py_future_add_to_awaited_by)
    assert broken() == []


def renamed(monkeypatch, *owners_and_names):
    for owner, name in owners_and_names:
        monkeypatch.delattr(owner, name)


def no_field(monkeypatch, name):
    """Hide a field of tasks and futures, as if a version had renamed it."""
    read, has = known_waits._read, of_asyncio.has_field
    monkeypatch.setattr(
        known_waits, "_read", lambda kind, field, found: None if field == name else read(kind, field, found)
    )
    monkeypatch.setattr(of_asyncio, "has_field", lambda found, field: field != name and has(found, field))


def with_other_init(monkeypatch, owner):
    def other(self):
        self.renamed = None

    monkeypatch.setattr(owner, "__init__", other)


def with_other_code(monkeypatch, owner, name):
    monkeypatch.setattr(owner, name, lambda *_: None)


def a_function(*_, **__):
    """Return a future without callbacks."""
    return of_asyncio.StandInLoop().create_future()


FIELDS = {
    "Task._coro": "_coro",
    "Task._fut_waiter": "_fut_waiter",
    "Task._loop": "_loop",
    "Future._state": "_state",
    "Future._callbacks": "_callbacks",
}


@pytest.mark.skipif(known_waits.known_asyncio().c_task is asyncio.tasks._PyTask, reason="fields of C are read")
@pytest.mark.parametrize("what", FIELDS)
def test_field_of_tasks_that_is_renamed_is_reported(monkeypatch, what):
    no_field(monkeypatch, FIELDS[what])
    assert ("asyncio", what) in broken()


IN_ASYNCIO = {
    "Task._name": lambda patch: patch.setattr(of_asyncio, "name_of", lambda _: ""),
    "the frame of a suspended coroutine": lambda patch: patch.setattr(of_asyncio, "_outer", of_asyncio._generator),
    "_get_running_loop": lambda patch: patch.delattr(asyncio, "_get_running_loop"),
    "BaseEventLoop._ready and _scheduled": lambda patch: patch.setattr(of_asyncio, "handles_of", lambda _: None),
    "BaseSelectorEventLoop._selector": lambda patch: with_other_init(
        patch, asyncio.selector_events.BaseSelectorEventLoop
    ),
    "BaseEventLoop._thread_id": lambda patch: patch.setattr(of_asyncio, "mentions", lambda *_: False),
    "BaseEventLoop._run_once": lambda patch: patch.delattr(asyncio.BaseEventLoop, "_run_once"),
    "Handle._run": lambda patch: patch.delattr(asyncio.Handle, "_run"),
    "_run_until_complete_cb": lambda patch: patch.delattr(asyncio.base_events, "_run_until_complete_cb"),
    "runners._cancel_all_tasks": lambda patch: patch.delattr(asyncio.runners, "_cancel_all_tasks"),
    "the report of a destroyed task": lambda patch: patch.setattr(of_asyncio, "DESTROYED", "Task was dropped!"),
    "the report of an exception that was never retrieved": lambda patch: patch.setattr(
        of_asyncio, "UNRETRIEVED", "Task exception was dropped"
    ),
    "the outer future of gather": lambda patch: patch.setattr(asyncio, "gather", a_function),
    "the callback of shield": lambda patch: patch.setattr(asyncio, "shield", a_function),
    "the callback of run_in_executor": lambda patch: patch.setattr(asyncio, "wrap_future", a_function),
    "the callback of run_coroutine_threadsafe": lambda patch: patch.delattr(asyncio.futures, "_chain_future"),
}
if sys.version_info >= (3, 11):
    IN_ASYNCIO["TaskGroup._parent_task"] = lambda patch: with_other_init(patch, asyncio.TaskGroup)
if sys.version_info >= (3, 14):
    IN_ASYNCIO["Future._asyncio_awaited_by"] = lambda patch: patch.setattr(of_asyncio_links, "awaited_by", lambda _: ())
else:
    IN_ASYNCIO["the registry of tasks"] = lambda patch: patch.setattr(of_asyncio, "task_registries", list)
    IN_ASYNCIO["_current_tasks"] = lambda patch: patch.delattr(asyncio.tasks, "_current_tasks")


@pytest.mark.parametrize("what", IN_ASYNCIO)
def test_change_in_asyncio_is_reported(monkeypatch, what):
    IN_ASYNCIO[what](monkeypatch)
    assert ("asyncio", what) in broken()


class WithoutFields(threading.Thread):
    """A thread whose fields have other names."""

    def __init__(self, **_):
        pass


IN_THREADING = {
    "_active": lambda patch: patch.setattr(threading, "_active", {}),
    "_MainThread": lambda patch: patch.delattr(threading, "_MainThread"),
    "_DummyThread": lambda patch: patch.delattr(threading, "_DummyThread"),
    "Thread._target": lambda patch: patch.setattr(of_threads, "_thread", WithoutFields),
    "Thread._args and _kwargs": lambda patch: patch.setattr(of_threads, "_thread", WithoutFields),
    "Thread._name and _daemonic": lambda patch: patch.setattr(of_threads, "_thread", WithoutFields),
    "Thread._ident and _native_id": lambda patch: patch.setattr(of_threads, "_thread", WithoutFields),
    "RLock._is_owned": lambda patch: patch.setattr(threading, "RLock", threading.Lock),
}


@pytest.mark.parametrize("what", IN_THREADING)
def test_change_in_threading_is_reported(monkeypatch, what):
    IN_THREADING[what](monkeypatch)
    found = [(each.library, each.what) for each in map_checks(of_threads.assumptions_on_threads)]
    monkeypatch.undo()
    assert ("threading", what) in found


def map_checks(source):
    """Return the assumptions of one source that do not hold."""
    return [each for each in source() if not self_test._holds(each)]


IN_EXECUTORS = {
    "_threads_queues": lambda patch: patch.delattr(executors, "_threads_queues"),
    "ThreadPoolExecutor._threads, _max_workers and _work_queue": lambda patch: patch.setattr(
        executors.ThreadPoolExecutor, "__init__", lambda *_: None
    ),
    "_worker": lambda patch: patch.delattr(executors, "_worker"),
    "_WorkItem.future": lambda patch: with_other_init(patch, executors._WorkItem),
    "Future._state": lambda patch: patch.setattr(of_threads, "future_state", lambda _: ""),
    "the variable self of run": lambda patch: with_other_code(patch, executors._WorkItem, "run"),
}


@pytest.mark.parametrize("what", IN_EXECUTORS)
def test_change_in_executors_is_reported(monkeypatch, what):
    if what == "the variable self of run" and sys.version_info >= (3, 14):
        pytest.skip("the module has a second function of that name with that variable")
    IN_EXECUTORS[what](monkeypatch)
    assert ("concurrent.futures", what) in broken()


IN_LIBRARIES = {
    "anyio": ("anyio._backends._asyncio", "TaskGroup.", lambda patch, each: with_other_init(patch, each.TaskGroup)),
    "tornado": ("tornado.iostream", "BaseIOStream.", lambda patch, each: with_other_init(patch, each.BaseIOStream)),
    "celery": ("celery.app.trace", "the variable", lambda patch, each: with_other_code(patch, each, "build_tracer")),
    "dramatiq": (
        "dramatiq.worker",
        "the variable",
        lambda patch, each: with_other_code(patch, each.WorkerThread, "process_message"),
    ),
    "opentelemetry": ("opentelemetry.sdk.trace", "Tracer.", lambda patch, each: with_other_init(patch, each.Tracer)),
}


@pytest.mark.parametrize("library", IN_LIBRARIES)
def test_change_in_a_library_is_reported(monkeypatch, library):
    name, what, change = IN_LIBRARIES[library]
    pytest.importorskip(name)
    assert broken() == []
    change(monkeypatch, sys.modules[name])
    found = broken()
    assert [each for each, _ in found] == [library] and found[0][1].startswith(what)


def test_other_names_of_opentelemetry_are_reported(monkeypatch):
    import opentelemetry.sdk._logs._internal as logs

    from opentelemetry import trace

    with_other_init(monkeypatch, trace.ProxyTracer)
    with_other_init(monkeypatch, logs.Logger)
    monkeypatch.setattr(of_libraries, "raw_context", lambda: (dict, "span"))
    whats = ["the runtime context", "_real_tracer and _real_logger", "Logger._log_record_limits"]
    assert broken() == [("opentelemetry", what) for what in whats]


def test_uvloop_that_hides_its_timers_is_reported(monkeypatch):
    pytest.importorskip("uvloop")
    monkeypatch.setattr(of_libraries, "handles_of", lambda _: None)
    assert broken() == [("uvloop", "the list of a loop's timers")]


def test_uvloop_without_file_descriptors_is_not_reported(monkeypatch):
    """Such a process can't open a loop; only the type is checked."""
    uvloop = pytest.importorskip("uvloop")

    class NoDescriptors(uvloop.Loop):
        def __init__(self):
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(uvloop, "Loop", NoDescriptors)
    assert broken() == []


def test_renamed_waiting_function_is_reported(monkeypatch):
    """There is an assumption per wait reason."""
    monkeypatch.delattr(asyncio.Queue, "get")
    assert broken() == [("asyncio", "asyncio.queues.Queue.get")]


def test_weak_set_without_its_references_is_reported(monkeypatch):
    monkeypatch.setattr(of_asyncio_links, "references_in", lambda _: ())
    assert broken() == [("Python", "WeakSet.data and _remove")]


def test_source_that_raises_is_reported(monkeypatch):
    def assumptions_on_nothing():
        raise LookupError

    monkeypatch.setattr(self_test, "SOURCES", (assumptions_on_nothing, *self_test.SOURCES[2:3]))
    first, *others = check_internals()
    assert not first.works and "LookupError" in first.what and all(each.works for each in others)


def test_assumption_that_raises_does_not_hold(monkeypatch):
    monkeypatch.setattr(
        self_test,
        "SOURCES",
        (lambda: [Assumption("asyncio", "x", "y", lambda: 1 // 0)],),  # type: ignore[arg-type]
    )
    assert [each.works for each in check_internals()] == [False]


def registered():
    sets = [getattr(asyncio.tasks, name, ()) for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks")]
    return {id(task) for tasks in sets for task in tasks}


def test_run_leaves_nothing_visible(instrumented, caplog):
    """No task, thread, loop, executor, site, log line or warning, also within a running loop and in debug mode."""
    check_internals()
    gc.collect()

    def state():
        recorder = instrumented.live.recorder
        # Not threads: the package's own may start meanwhile, and the live count has all others.
        kinds = (asyncio.Future, asyncio.AbstractEventLoop, executors.ThreadPoolExecutor)
        objects = [sum(issubclass(type(each), kind) for each in gc.get_objects()) for kind in kinds]
        sites = [len(recorder.task_sites.sites), len(recorder.thread_sites.sites), len(recorder.executor_sites)]
        return live_counts(), registered(), objects, sites, asyncio._get_running_loop()

    async def within():
        before = state()
        assert all(each.works for each in check_internals())
        gc.collect()
        assert state() == before
        assert len(asyncio.all_tasks()) == 1

    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        before = state()
        assert broken() == []
        # Freed at once, before any collection.
        assert state() == before
        asyncio.run(within(), debug=True)
    # asyncio logs which selector it uses, and that this test takes long.
    assert [each for each in caplog.records if each.name != "asyncio"] == []
    assert [text for text in caplog.messages if "destroyed" in text or "retrieved" in text] == []


def test_run_imports_nothing():
    before = set(sys.modules)
    check_internals()
    assert set(sys.modules) == before


def test_library_that_is_not_imported_is_not_checked(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("uvloop", "tornado", "anyio")]:
        monkeypatch.delitem(sys.modules, name)
    assert {"uvloop", "tornado", "anyio"}.isdisjoint(each.library for each in check_internals())


def test_greenlets_in_place_of_threads_are_not_checked(monkeypatch):
    """gevent and eventlet replace the classes of `threading` and `queue`, and greenlets get no verdict."""
    for module in (of_threads, of_waiting_functions):
        monkeypatch.setattr(module, "threads_are_greenlets", lambda: True)
    checks = check_internals()
    assert "threading" not in {each.library for each in checks}
    assert not [each for each in checks if each.what.startswith("queue.")]


def test_helpers_of_assumptions_find_names_and_codes():
    module = types.ModuleType("sample")
    lines = ("class Outer:", " __module__ = 'sample'", " def run(self):", "  def inner(): self.field = 1")
    exec("\n".join(lines), vars(module))
    assert [code.co_freevars for code in codes_named(module, "inner")] == [("self",)]
    assert [code.co_name for code in codes_named(module, "run")] == ["run"]
    assert mentions(threading.Event.__init__, "_flag") and not mentions(threading.Event.__init__, "_other")
    assert [library_of(name) for name in ("asyncio.tasks", "queue", "anyio.x")] == ["asyncio", "Python", "anyio"]


def test_executors_of_greenlets_are_not_looked_into(monkeypatch):
    """The queues of gevent show nothing."""
    shown = {each.what for each in of_threads.assumptions_on_threads() if each.library == "concurrent.futures"}
    monkeypatch.setattr(of_threads, "threads_are_greenlets", lambda: True)
    with_greenlets = {each.what for each in of_threads.assumptions_on_threads() if each.library == "concurrent.futures"}
    assert shown - with_greenlets == {
        "ThreadPoolExecutor._threads, _max_workers and _work_queue",
        "objects in queue.SimpleQueue",
    }


def test_fields_of_threads_are_name_and_daemon(monkeypatch):
    assert of_threads._fields()
    monkeypatch.setattr(of_threads, "is_daemon", lambda _: False)
    assert not of_threads._fields()
    monkeypatch.undo()
    monkeypatch.setattr(of_threads, "name_field", lambda _: "")
    assert not of_threads._fields()
