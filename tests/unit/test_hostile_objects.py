"""Objects that lie, raise or take notes, wherever a diagnosis looks: not one is ever asked anything."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import itertools
import sys
import threading
import types
import weakref
from collections import deque
from io import BytesIO

import pytest
from diagnosed import diagnose, run, wait_with
from hostile import Callable, Hostile, nothing_asked

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot, write_profile
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import WAIT_REASONS
from opentelemetry.instrumentation.concurrency.diagnose.ownership.creator_ended import creator_ended
from opentelemetry.instrumentation.concurrency.diagnose.ownership.infrastructure import is_infrastructure
from opentelemetry.instrumentation.concurrency.diagnose.ownership.owners import (
    is_owned,
    linked_concurrent_future,
)
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import observe
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.started import name_of_target
from opentelemetry.instrumentation.concurrency.record.threads import target_of


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    # What cannot be cancelled ends here, and not in the middle of another test.
    gc.collect()


class DuckFuture(metaclass=type(Hostile)):
    """What asyncio takes for a future, though it is none; nothing can refer to it weakly."""

    __slots__ = ("_asyncio_future_blocking",)

    def __init__(self):
        self._asyncio_future_blocking = False

    def __await__(self):
        self._asyncio_future_blocking = True
        yield self

    def add_done_callback(self, callback, *, context=None):
        pass

    def cancel(self, msg=None):
        return False

    def get_loop(self):
        return asyncio.get_running_loop()


def on_waiter(task, callback):
    asyncio.Future.add_done_callback(task._fut_waiter, callback)


def closure_over(hostile):
    def callback(_):
        return hostile

    return callback


class Holder:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held

    def callback(self, _):
        return self.held


CALLBACKS = {
    "itself": lambda hostile: hostile,
    "cell": closure_over,
    "cell of a container": lambda hostile: closure_over([hostile, (hostile,), {"key": hostile}, deque([hostile])]),
    "cell of what only C traverses": lambda hostile: closure_over(
        [itertools.repeat(hostile), itertools.chain([hostile]), types.SimpleNamespace(held=hostile), slice(hostile)]
    ),
    "default": lambda hostile: lambda _, held=hostile: held,
    "partial of it": lambda hostile: functools.partial(hostile, hostile, key=hostile),
    "bound method of it": lambda hostile: types.MethodType(closure_over(None), hostile),
    "method bound to it and to it": lambda hostile: types.MethodType(hostile, hostile),
    "method of a slotted holder": lambda hostile: Holder(hostile).callback,
    "partials and methods in each other": lambda hostile: functools.reduce(
        lambda inner, _: types.MethodType(functools.partial(inner, hostile), hostile), range(1000), hostile
    ),
}


@pytest.mark.parametrize("place", sorted(CALLBACKS))
def test_done_callback_is_never_asked(place):
    """On the task and on what it waits for: whatever hangs there is walked through, not spoken to."""

    async def main():
        task = asyncio.ensure_future(wait_with())
        await asyncio.sleep(0)
        hostile = Callable()
        task.add_done_callback(CALLBACKS[place](hostile))
        on_waiter(task, CALLBACKS[place](hostile))
        with nothing_asked():
            found = diagnose(task)
        task.remove_done_callback(hostile)
        task.cancel()
        await asyncio.wait({task})
        return found

    reason, owned, _ = run(main())
    assert (reason, owned) == ("future", False)


def test_variables_of_frames_are_never_asked():
    """Whatever a suspended coroutine holds, in variables, cells, containers and things of C."""

    async def main():
        hostile = Hostile()
        held = [hostile, [hostile], {1: hostile}, (hostile,), Holder(hostile), itertools.cycle([hostile])]
        held += [functools.partial(print, hostile), closure_over(hostile), types.MethodType(print, hostile)]
        task = asyncio.ensure_future(wait_with(*held))
        await asyncio.sleep(0)
        with nothing_asked():
            found = diagnose(task)
        task.cancel()
        await asyncio.wait({task})
        return found

    assert run(main()) == ("future", False, True)


def test_waiter_other_than_a_future_is_never_called():
    """asyncio goes by one attribute; the diagnosis by type. Nor can it be marked: it knows no weak references."""

    async def main():
        async def wait():
            await DuckFuture()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        with nothing_asked():
            return diagnose(task)

    reason, owned, proven = run(main())
    assert reason in WAIT_REASONS
    assert (owned, proven) == (False, False)


class HostileTask(asyncio.Task):
    """A task of the application's own class, whose answers must not be relied on."""

    def _note(self, *_):
        Hostile.note("method of a task")

    get_coro = get_loop = get_name = get_context = get_stack = __eq__ = __bool__ = __len__ = _note
    __hash__ = asyncio.Task.__hash__

    def done(self):
        Hostile.note("done")
        return super().done()


def test_overrides_of_a_task_are_never_called():
    async def main():
        hold = HostileTask(wait_with(), loop=asyncio.get_running_loop(), name="mine")
        await asyncio.sleep(0)
        with nothing_asked():
            found = diagnose(hold)
            name = observe("task", hold).name
        asyncio.Task.cancel(hold)
        await asyncio.sleep(0)
        return (*found, name)

    assert run(main()) == ("future", False, True, "mine")


class HostileThread(threading.Thread):
    """A thread of the application's own class."""

    name = daemon = ident = property(lambda self: Hostile.note("property of a thread"))

    def __getattr__(self, name):
        Hostile.note(name)
        raise AttributeError(name)

    def is_alive(self):
        Hostile.note("is_alive")
        return super().is_alive()

    def __eq__(self, other):
        Hostile.note("__eq__")
        return self is other

    def __hash__(self):
        Hostile.note("__hash__")
        return object.__hash__(self)


def test_overrides_of_a_thread_are_never_called():
    """Its target may be anything that can be called."""
    import weakref

    go = threading.Event()
    target = Callable(then=go.wait)
    thread = HostileThread(target=target, daemon=True)
    thread.start()
    with nothing_asked():
        machinery = is_infrastructure(thread)
        alive = creator_ended(weakref.ref(thread), None) is None
        observation = observe("thread", thread)
    go.set()
    threading.Thread.join(thread, 5)
    assert not machinery
    assert alive
    assert observation.is_daemon
    assert observation.wait_reason == "event.wait"


def test_thread_with_a_hostile_target_is_named_by_its_class():
    """Such as a proxy of something that does not exist yet; the census meets it if it started before us."""
    thread = threading.Thread(target=Callable())
    with nothing_asked():
        assert name_of_target(target_of(thread)).endswith("Callable.__call__")


def test_hostile_objects_are_shown_without_calling_them():
    """Scans, snapshot, profiles and the proof, with all of it alive at once."""

    async def main():
        hostile = Hostile()
        tasks = [asyncio.ensure_future(wait_with(hostile)) for _ in range(3)]
        tasks.append(asyncio.ensure_future(on_duck()))
        await asyncio.sleep(0)
        for task, place in zip(itertools.cycle(tasks[:3]), CALLBACKS, strict=False):
            task.add_done_callback(CALLBACKS[place](Callable()))
        census = current_installation().census

        def scan():
            with nothing_asked():
                census.scan()
                census.scan()
                snapshot = take_snapshot()
                for name, debug in (("task", 0), ("task", 2), ("thread", 2), ("taskleak", 1), ("taskleak", 0)):
                    write_profile(name, BytesIO(), debug=debug)
                return snapshot

        snapshot = await asyncio.get_running_loop().run_in_executor(None, scan)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.wait(tasks[:3])
        return snapshot

    async def on_duck():
        await DuckFuture()

    instrumentor = ConcurrencyInstrumentor()
    instrumentor.instrument(metrics="none", reports="none", agent_disabled=True)
    try:
        snapshot = run(main())
    finally:
        instrumentor.uninstrument()
    assert len(snapshot.tasks) == 5
    assert all(task.wait_reason in WAIT_REASONS for task in snapshot.tasks)


def test_del_that_raises_is_nothing_to_us(capsys):
    """Objects whose end raises end when their owner ends, in the owner's thread, and are not kept by a look."""

    class Raising:
        def __del__(self):
            ended.append(threading.get_ident())
            raise RuntimeError

    async def main():
        task = asyncio.ensure_future(wait_with(Raising()))
        await asyncio.sleep(0)
        # The executor keeps what it was given until its worker asks for the next call.
        reference = weakref.ref(task)
        await asyncio.get_running_loop().run_in_executor(None, lambda: diagnose(reference()))
        assert ended == []
        task.cancel()
        await asyncio.wait({task})

    ended = []
    with hook_of_unraisable():
        run(main())
        gc.collect()
    assert ended == [threading.get_ident()]


def test_task_that_ends_during_inspection_raises_nothing():
    """While a loop starts and ends tasks, another thread asks everything about them."""

    async def churn():
        while not stop.is_set():
            tasks.append(asyncio.ensure_future(asyncio.sleep(0)))
            tasks.append(asyncio.ensure_future(asyncio.wait_for(asyncio.sleep(0.001), 1)))
            await asyncio.sleep(0)
        await asyncio.wait(list(tasks))

    tasks, stop = deque(maxlen=50), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(churn(),))
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        scans = 0
        while scans < 500:
            for task in tuple(tasks.copy()):
                reason, *_ = diagnose(task)
                assert reason in WAIT_REASONS
                scans += 1
    finally:
        sys.setswitchinterval(before)
        stop.set()
        thread.join()


def test_concurrent_future_of_a_class_of_its_own():
    """What ties a task to a thread's future is told by its state, not by its methods."""

    class Mine(concurrent.futures.Future):
        def done(self):
            Hostile.note("done")
            return True

    async def main():
        loop, mine = asyncio.get_running_loop(), Mine()
        task = asyncio.ensure_future(wait_with())
        await asyncio.sleep(0)
        asyncio.futures._chain_future(task, mine)
        with nothing_asked():
            assert linked_concurrent_future(task) is mine
            owned = is_owned(task)
        task.cancel()
        await asyncio.wait({task})
        return loop is not None, owned

    assert run(main()) == (True, True)


@contextlib.contextmanager
def hook_of_unraisable():
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = before
