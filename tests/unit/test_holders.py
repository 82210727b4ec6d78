"""Names of the variables that hold leaked tasks and what they wait for; no code of the application runs."""

import asyncio
import collections
import functools
import gc
import sys
import threading
import types
import weakref

import pytest
import wrapt
from hostile import Hostile, nothing_asked
from starlette.datastructures import State
from werkzeug.local import LocalProxy

from opentelemetry.instrumentation.concurrency import check_leaks
from opentelemetry.instrumentation.concurrency.diagnose.impact import holders as holders_module
from opentelemetry.instrumentation.concurrency.diagnose.impact import named_walk
from opentelemetry.instrumentation.concurrency.diagnose.impact.collections import entries_of, is_collection, iterate
from opentelemetry.instrumentation.concurrency.diagnose.impact.holders import Holders, find_holders, path_text
from opentelemetry.instrumentation.concurrency.diagnose.impact.named_walk import Root, application_modules
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut

shop = sys.modules[__name__]


class Hub:
    registry = None

    def __init__(self):
        self.queues = {}
        self.state = None


class Slotted:
    __slots__ = ("inner",)


def limit_work(monkeypatch, max_work):
    monkeypatch.setitem(named_walk.NamedWalk.__init__.__kwdefaults__, "max_work", max_work)


def modules_here():
    return ((name, vars(sys.modules[name])) for name in (__name__, "lying") if name in sys.modules)


@pytest.fixture(autouse=True)
def variable(monkeypatch):
    """Remove what a test put into a variable of this module, the only one of the application besides those in /srv."""
    monkeypatch.setattr(named_walk, "is_application_path", lambda path: path.startswith(("/srv/", __file__)))
    # Hundreds of test modules, threads of the test runner that hold them, and functions of modules that a test has
    # unloaded would use up the limit of a walk.
    limit_work(monkeypatch, 100 * named_walk.MAX_WORK)
    monkeypatch.setattr(named_walk, "application_modules", lambda _application: modules_here())
    running, current_frames = set(sys._current_frames()), sys._current_frames
    monkeypatch.setattr(
        sys, "_current_frames", lambda: {each: top for each, top in current_frames().items() if each not in running}
    )
    shop.kept = None
    yield
    shop.kept, Hub.registry = None, None


async def wait_for(awaitable):
    await awaitable


async def found_for(*coroutines, others=(), count=1):
    """Return the holders of tasks that run these coroutines, as one group; they are in ``shop.tasks`` meanwhile."""
    shop.tasks = {asyncio.create_task(each) for each in coroutines}
    try:
        return await _found(list(shop.tasks), others)
    finally:
        for task in shop.tasks:
            task.cancel()
        await asyncio.wait(shop.tasks)
        del shop.tasks


async def _found(tasks, others=()):
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    references = [[weakref.ref(task) for task in tasks]]
    tasks.clear()
    (holders,), _ = find_holders(references, others, [loop], {__name__.partition(".")[0]}, Cut([loop]), lambda: None)
    return holders


def waits_on(make):
    """Return the name of what a task waits on after ``make`` put an event into ``shop.kept``."""

    async def main():
        event = asyncio.Event()
        shop.kept = make(event)
        coroutine = wait_for(event.wait())
        del event
        return (await found_for(coroutine)).waits_on.removeprefix(f"{__name__}.")

    return asyncio.run(main())


def hub_with(event):
    hub = Hub()
    hub.queues["user 191"] = [event]
    return hub


def slotted_with(event):
    slotted = Slotted()
    slotted.inner = event
    return slotted


def closure_over(event):
    def inner():
        return event

    return inner


def state_with(event):
    state = State()
    state.hub = hub_with(event)
    return state


def class_with(event):
    Hub.registry = {"key": event}


class TestNames:
    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda event: event, "kept"),
            (hub_with, "kept.queues[…]"),
            (lambda event: {"secret": (event,)}, "kept[…]"),
            (lambda event: collections.deque([slotted_with(event)]), "kept[…].inner"),
            (closure_over, "kept"),
            (lambda event: functools.partial(print, event), "kept"),
            (lambda event: slotted_with(event), "kept.inner"),
            (lambda event: types.SimpleNamespace(**{"not a name": event}), "kept[…]"),
            (state_with, "kept.hub.queues[…]"),
            (lambda event: event.wait, "kept"),
            (class_with, "Hub.registry[…]"),
            (lambda event: wrapt.ObjectProxy(hub_with(event)), "kept.queues[…]"),
        ],
        ids=range(12),
    )
    def test_path_has_names_and_masks_keys(self, make, name):
        found = waits_on(make)
        assert found == name or found.startswith(name)
        assert "secret" not in found and "191" not in found

    def test_tasks_are_held_by_the_collection_that_has_them(self):
        """Even if another variable holds one of them."""

        async def main():
            tasks = [asyncio.create_task(wait_for(asyncio.Event().wait())) for _ in range(10)]
            shop.kept, shop.tasks = tasks[0], set(tasks)
            return await _found(tasks)

        assert asyncio.run(main()) == Holders(held_by=f"{__name__}.tasks")
        del shop.tasks

    def test_tasks_held_only_by_what_they_wait_for(self):
        async def main():
            shop.kept = hub_with(asyncio.Event())
            task = asyncio.create_task(wait_for(shop.kept.queues["user 191"][0].wait()))
            tasks = [task]
            del task
            return await _found(tasks)

        name = f"{__name__}.kept.queues[…]"
        assert asyncio.run(main()) == Holders(name, name)

    def test_sleeping_task_waits_on_a_timer(self):
        async def main():
            return await found_for(wait_for(asyncio.sleep(3600)))

        assert asyncio.run(main()).waits_on == "a timer of the event loop"

    def test_variable_of_a_suspended_function_is_named_after_it(self):
        async def serve(started):
            event = asyncio.Event()
            started.set_result(event)
            await asyncio.get_running_loop().create_future()
            return event

        async def main():
            started = asyncio.get_running_loop().create_future()
            server = asyncio.create_task(serve(started))
            coroutine = wait_for((await started).wait())
            del started
            found = await found_for(coroutine, others=iter([server]))
            server.cancel()
            return found

        assert asyncio.run(main()).waits_on.endswith("serve().event")

    def test_variable_of_a_running_thread_is_named_after_its_function(self):
        ready, done = threading.Event(), threading.Event()

        def run_service(events):
            event = events.pop()
            ready.set()
            done.wait()
            return event

        async def main():
            events = [asyncio.Event()]
            coroutine = wait_for(events[0].wait())
            thread = threading.Thread(target=run_service, args=(events,))
            thread.start()
            ready.wait()
            try:
                return await found_for(coroutine)
            finally:
                done.set()
                thread.join()

        assert asyncio.run(main()).waits_on.endswith("run_service().event")

    def test_long_path_is_cut_in_the_middle(self):
        first = Hub()
        path = [first]
        for _ in range(20):
            path[-1].state = Hub()
            path.append(path[-1].state)
        text = path_text([Root("shop", {"hub": first}), *path], keeps_index=True)
        assert text.count(".state") == 11 and ".…" in text

    def test_dictionaries_of_objects_are_no_steps(self):
        first = Hub()
        first.state = Hub()
        first.state.queue = Hub()
        path = [first, first.__dict__, first.state, first.state.__dict__, first.state.queue]
        text = path_text([Root("shop", {"hub": first}), *path], keeps_index=True)
        assert text == "shop.hub.state.queue"

    def test_path_of_the_longest_length_is_not_cut(self, monkeypatch):
        monkeypatch.setattr(holders_module, "_MOST_STEPS", 3)
        first = Hub()
        first.state = Hub()
        first.state.queue = Hub()
        root, path = Root("shop", {"hub": first}), [first, first.state, first.state.queue]
        assert path_text([root, *path], keeps_index=True) == "shop.hub.state.queue"
        monkeypatch.setattr(holders_module, "_MOST_STEPS", 2)
        assert ".…" in path_text([root, *path], keeps_index=True)

    def test_attributes_of_a_state_are_entries_of_its_own_dictionary(self):
        class State:
            """As Starlette has one."""

        State.__module__ = "starlette.datastructures"
        state, other, entries = State(), Hub(), {"hub": 1}
        state._state = other._state = entries
        assert holders_module._has_attributes_in(state, entries)
        assert not holders_module._has_attributes_in(state, {"hub": 1})
        assert not holders_module._has_attributes_in(other, entries)


class TestLimits:
    def test_large_collection_is_compared_with_all_its_entries(self):
        async def main():
            event = asyncio.Event()
            shop.kept = {number: [number] for number in range(20_000)}
            shop.kept[10_000] = event
            coroutine = wait_for(event.wait())
            del event
            return await found_for(coroutine)

        # The event is no target itself, but behind an entry that is not followed.
        assert asyncio.run(main()).waits_on == ""

    def test_tasks_in_a_large_collection_are_found(self):
        async def main():
            tasks = [asyncio.create_task(wait_for(asyncio.Event().wait())) for _ in range(3)]
            shop.kept = {number: [number] for number in range(10_000)}
            shop.kept |= {f"{number}": task for number, task in enumerate(tasks)}
            shop.kept |= {number: [number] for number in range(20_000, 30_000)}
            await asyncio.sleep(0)
            copies = list(tasks)
            tasks.clear()
            return await _found(copies)

        assert asyncio.run(main()).held_by == f"{__name__}.kept"

    def test_limit_ends_the_walk(self, monkeypatch):
        limit_work(monkeypatch, 0)
        assert waits_on(hub_with) == ""

    def test_failure_names_nothing(self, monkeypatch):
        def fail(*_arguments):
            raise RuntimeError

        monkeypatch.setattr(holders_module, "NamedWalk", fail)
        assert waits_on(hub_with) == ""

    def test_walk_starts_no_garbage_collection(self):
        async def main():
            task = asyncio.create_task(wait_for(asyncio.Event().wait()))
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            gc.collect()
            before = [each["collections"] for each in gc.get_stats()]
            find_holders([[weakref.ref(task)]], [], [loop], {__name__}, Cut([loop]), lambda: None)
            after = [each["collections"] for each in gc.get_stats()]
            task.cancel()
            return after == before

        assert asyncio.run(main())


class LyingModule(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(name)


def refuse():
    raise AssertionError("called")


class TestForeignCode:
    def test_hostile_holders_are_never_called(self, monkeypatch):
        module = LyingModule("lying")
        module.__file__ = "/srv/lying.py"
        monkeypatch.setitem(sys.modules, "lying", module)

        async def main():
            event = asyncio.Event()
            shop.kept = [Hostile(), Hostile, LocalProxy(refuse), {"proxy": LocalProxy(refuse)}]
            module.event = [event]
            tasks = [asyncio.create_task(wait_for(event.wait()))]
            del event
            await asyncio.sleep(0)
            references = [[weakref.ref(tasks[0])]]
            with nothing_asked():
                return find_holders(references, [], [], {__name__}, Cut([]), lambda: None)

        ((holder,), _) = asyncio.run(main())
        assert holder.waits_on == "lying.event[…]"

    def test_modules_of_libraries_and_of_this_package_are_no_roots(self):
        names = {name for name, _ in application_modules(frozenset())}
        assert __name__ in names
        assert not names & {"asyncio", "wrapt", "opentelemetry.instrumentation.concurrency.record.tasks"}
        assert "wrapt" in {name for name, _ in application_modules(frozenset({"wrapt"}))}


def test_collections_are_read_without_their_methods():
    class Lying(dict):
        __len__ = __iter__ = values = keys = refuse

    lying = Lying(a=1)
    assert is_collection(lying) and entries_of(lying) == 1 and list(iterate(lying)) == [1, "a"]
    assert list(iterate(collections.deque([1]))) == [1] and entries_of(3) == 0 and not is_collection("text")


def test_leak_test_names_what_holds_the_task():
    async def main():
        shop.kept = hub_with(asyncio.Event())
        shop.tasks = {asyncio.create_task(wait_for(shop.kept.queues["user 191"][0].wait()))}
        await asyncio.sleep(0)

    with pytest.raises(AssertionError) as caught, check_leaks(timeout=0):
        asyncio.run(main())
    (leak,) = caught.value.leaks
    assert (leak.held_by, leak.waits_on) == (f"{__name__}.tasks", f"{__name__}.kept.queues[…]")
    assert f"  held by: {__name__}.tasks\n" in str(caught.value)
    assert leak.advice.startswith("Cancel the task when ") and leak.advice.endswith(f" from {__name__}.kept.queues[…].")
    assert str(caught.value).endswith(f"\n  advice: {leak.advice}")
    del shop.tasks
