"""Whether a collection is under way is known exactly, without Python code in the collector's callbacks."""

import gc

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.record import garbage_collection
from opentelemetry.instrumentation.concurrency.record.garbage_collection import CollectionWatch


class Cycle:
    def __init__(self, ending):
        self.ending = ending
        self.itself = self

    def __del__(self):
        self.ending()


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(garbage_collection, "CLEARS_REFERENCES_FIRST", True)
    watch = CollectionWatch()
    watch.install()
    yield watch
    watch.uninstall()


def test_collection_is_under_way_until_it_has_ended(watch):
    seen = []
    for _ in range(2):
        Cycle(lambda: seen.append(watch.is_under_way()))
        seen.append(watch.is_under_way())
        gc.collect()
    assert seen == [False, True, False, True]
    assert not watch.is_under_way()


def test_watch_of_a_forked_child_has_forgotten_the_collection(watch):
    seen = []
    Cycle(lambda: (watch.forget(), seen.append(watch.is_under_way())))
    gc.collect()
    assert seen == [False]
    assert not watch.is_under_way()


def test_uninstall_leaves_other_callbacks_alone(watch):
    class Other:
        def __call__(self, phase, info):
            pass

        def __eq__(self, other):
            raise AssertionError("a comparison of the application was called")

        __hash__ = None

    other, before = Other(), len(gc.callbacks)
    gc.callbacks.insert(0, other)
    gc.callbacks.append(other)
    try:
        watch.install()
        assert len(gc.callbacks) == before + 2
        watch.uninstall()
        assert len(gc.callbacks) == before + 1
        assert gc.callbacks[0] is gc.callbacks[-1] is other
    finally:
        del gc.callbacks[0], gc.callbacks[-1]


def test_callback_is_not_python_code(watch):
    """A signal handler that ran in one would have its exception swallowed by the collector."""
    callback = gc.callbacks[-1]
    assert not hasattr(callback, "__code__")
    assert not hasattr(callback.func, "__code__")


def test_instrumentation_leaves_no_callback_behind():
    before = len(gc.callbacks)
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600)
    during = len(gc.callbacks)
    ConcurrencyInstrumentor().uninstrument()
    assert during - before == int(garbage_collection.CLEARS_REFERENCES_FIRST)
    assert len(gc.callbacks) == before
