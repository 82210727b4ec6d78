"""Private names of other libraries: a name that a version lacks degrades as its accessor says, and never raises."""

import asyncio
import threading
import types
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection import known_waits
from opentelemetry.instrumentation.concurrency.diagnose.introspection.known_waits import is_pending
from opentelemetry.instrumentation.concurrency.record.internals import of_asyncio, of_futures, of_threading
from opentelemetry.instrumentation.concurrency.record.threads import executor_of, thread_is_finished


class NoNames:
    """A module or an object without any private name."""


def test_active_threads_have_the_running_one():
    ident = threading.get_ident()
    assert of_threading.thread_with_ident(ident) is threading.current_thread() is of_threading.ACTIVE_THREADS[ident]
    assert of_threading.thread_with_ident(None) is None


def test_threading_without_private_names_degrades(monkeypatch):
    """No thread is known by its identifier, the main one counts as the initial one, threads still end."""
    bare = types.SimpleNamespace(main_thread=threading.main_thread, Thread=threading.Thread)
    monkeypatch.setattr(of_threading, "threading", bare)
    assert of_threading.active_threads() == {}
    assert of_threading.thread_with_ident(threading.get_ident()) is None
    assert of_threading.main_is_initial()
    assert of_threading.known_thread_types() == (threading.Thread,)
    assert not thread_is_finished(threading.current_thread())


def test_fields_of_a_thread_are_those_of_its_constructor():
    thread = threading.Thread(target=print, args=(1,), name="worker", daemon=True)
    assert of_threading.target_field(thread) is print
    assert of_threading.name_field(thread) == "worker"
    assert of_threading.is_daemon(thread)
    assert of_threading.thread_ident(thread) == of_threading.thread_native_id(thread) == 0
    assert of_threading.attributes_of_thread(thread)[of_threading.ARGUMENTS] == (1,)


def test_fields_of_a_thread_with_other_names_are_unknown():
    nothing = NoNames()
    assert of_threading.target_field(nothing) is None
    assert of_threading.name_field(nothing) is None
    assert not of_threading.is_daemon(nothing)
    assert of_threading.thread_ident(nothing) == of_threading.thread_native_id(nothing) == 0


@pytest.mark.parametrize("has_method", [True, False])
def test_owned_lock_is_recognized_also_without_its_method(has_method):
    """The text of a lock names its owner."""
    lock = threading.RLock()

    class TextAlone:
        def __repr__(self):
            return repr(lock)

    shown = lock if has_method else TextAlone()
    assert not of_threading.owns_lock(shown)
    with lock:
        assert of_threading.owns_lock(shown)
        answers = []
        other = threading.Thread(target=lambda: answers.append(of_threading.owns_lock(shown)))
        other.start()
        other.join()
        assert answers == [False]


def test_executor_fields_and_their_absence():
    with ThreadPoolExecutor(2) as executor:
        executor.submit(int).result()
        (worker,) = of_futures.workers_of(executor)
        assert executor_of(worker) is executor and of_futures.is_worker(worker)
        assert (of_futures.worker_limit(executor), of_futures.queued_calls(executor)) == (2, 0)
    nothing = NoNames()
    assert of_futures.workers_of(nothing) == set()
    assert of_futures.worker_limit(nothing) is of_futures.queued_calls(nothing) is None
    assert of_futures.future_state(nothing) == ""


def test_worker_without_the_list_of_queues_is_unknown(monkeypatch):
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        (worker,) = of_futures.workers_of(executor)
        with monkeypatch.context() as patched:
            patched.setitem(of_futures.sys.modules, "concurrent.futures.thread", NoNames())
            assert not of_futures.is_worker(worker)


def test_concurrent_future_is_recognized_by_its_type():
    assert of_futures.is_concurrent_future(Future) and not of_futures.is_concurrent_future(asyncio.Future)
    assert of_futures.future_state(Future()) == "PENDING"


def test_running_loop_and_its_thread_are_found():
    async def main():
        loop = asyncio.get_running_loop()
        assert of_asyncio.running_loop() is loop
        assert of_asyncio.thread_running(loop) is threading.current_thread()
        return loop

    loop = asyncio.run(main())
    assert of_asyncio.running_loop() is None
    assert of_asyncio.thread_id_of(loop) == of_asyncio.thread_id_of(NoNames()) == 0


def test_asyncio_without_private_names_degrades(monkeypatch):
    """No loop is seen to run, no registry is read, and the public function returns the current task."""
    monkeypatch.setitem(of_asyncio.sys.modules, "asyncio.events", NoNames())
    monkeypatch.setitem(of_asyncio.sys.modules, "asyncio.tasks", NoNames())
    assert of_asyncio.running_loop() is None
    assert of_asyncio.task_registries() == [] and list(of_asyncio.eager_tasks()) == []
    assert list(of_asyncio.references_in(NoNames())) == []
    monkeypatch.delattr(asyncio.tasks, "_current_tasks", raising=False)
    assert of_asyncio.current_task_lookup() is asyncio.current_task


def test_future_without_a_readable_state_is_not_pending(monkeypatch):
    """Nothing can be proven from a field that this version does not find."""
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    assert is_pending(future)
    monkeypatch.setattr(known_waits, "_read", lambda *_: None)
    assert not is_pending(future)
