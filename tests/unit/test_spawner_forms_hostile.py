"""Reading frames for spawners leaves no trace in them, runs none of the application's code, and never raises."""

import asyncio
import collections.abc
import sys
import threading
import types
import weakref

import pytest
from creation_sites import job, task_site, task_sites, thread_site, work
from hostile import Callable, Hostile, nothing_asked

pytestmark = pytest.mark.usefixtures("instrumented")

snapshots_locals = pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 13),
    reason="a trace function refreshes and keeps the locals of frames itself",
)


def keep(coro):
    return asyncio.create_task(coro)


def keep_with(_settings, coro):
    return asyncio.create_task(coro)


class Held:
    """What a test watches the end of."""


def test_deleted_local_of_the_caller_dies_at_once():
    ended = []

    def caller():
        held = Held()
        gone = weakref.ref(held)
        keep(job())
        del held
        ended.append(gone() is None)

    task_sites(caller)
    assert ended == [True]


def test_deleted_local_of_the_spawner_dies_at_once():
    ended = []

    def spawn(coro):
        held = Held()
        gone = weakref.ref(held)
        asyncio.create_task(coro)
        del held
        ended.append(gone() is None)

    def caller():
        spawn(job())

    task_sites(caller)
    assert ended == [True]


def test_deleted_parameter_of_the_spawner_dies_at_once():
    ended = []

    def spawn(coro, held):
        gone = weakref.ref(held)
        asyncio.create_task(coro)
        del held
        ended.append(gone() is None)

    def caller():
        spawn(job(), Held())

    task_sites(caller)
    # CPython ≥ 3.11 moves arguments into the frame of the callee; on 3.10 the caller's stack keeps its own reference.
    assert ended == [sys.version_info >= (3, 11)]


@snapshots_locals
def test_earlier_dictionary_of_locals_is_unchanged():
    seen = []

    def spawn(coro):
        number = 1
        names = locals()
        number = 2
        asyncio.create_task(coro)
        seen.append((names["number"], sorted(names), number))

    def caller():
        number = 1
        names = locals()
        number = 2
        spawn(job())
        seen.append((names["number"], sorted(names), number))

    task_sites(caller)
    assert seen == [(1, ["coro", "number"], 2), (1, ["number", "seen", "spawn"], 2)] or seen == [
        (1, ["coro", "number", "seen"], 2),
        (1, ["number", "seen", "spawn"], 2),
    ]


def test_trace_function_leaves_variables_as_they_are():
    """Under one, locals can be read on Python ≥ 3.13 alone; before that the plain line stands."""
    kept = []

    def spawn(coro):
        mine = Held()
        asyncio.create_task(coro)
        kept.append(mine is not None)

    def caller():
        mine = Held()
        number = 1
        number += 1
        spawn(job())
        kept.append((mine is not None, number))

    def trace(_frame, _event, _argument):
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        site = task_site(caller)
    finally:
        sys.settrace(earlier)
    assert kept == [True, (True, 2)]
    assert site.function == ("caller" if sys.version_info >= (3, 13) else "spawn")
    assert site.runs == "job"


def test_namespace_of_a_class_body_is_unchanged():
    names = []

    def caller():
        class Settings:
            task = asyncio.create_task(job())
            names.extend(sorted(locals()))

    site = task_site(caller)
    assert site == ("Settings", "task = asyncio.create_task(job())", "job")
    assert [name for name in names if not name.startswith("__")] == ["task"]


def test_namespace_of_a_module_is_unchanged():
    scope = {"__name__": "shop.started_at_import", "asyncio": asyncio, "job": job}
    names = []

    def caller():
        exec("task = asyncio.create_task(job())", scope)
        names.extend(sorted(scope))

    (site,) = task_sites(caller)
    assert (site.function, site.line) == ("shop.started_at_import.<module>", 1)
    assert [name for name in names if not name.startswith("__")] == ["asyncio", "job", "task"]


def test_hostile_arguments_are_asked_nothing():
    def handle(_request, *_others, **_options):
        return asyncio.create_task(job())

    def caller():
        hostile = Hostile()
        with nothing_asked():
            handle(hostile, Callable(), option=hostile)

    assert task_site(caller) == ("handle", "return asyncio.create_task(job())", "job")


def test_hostile_arguments_beside_the_coroutine_are_not_called():
    def caller():
        hostile = Hostile()
        with nothing_asked():
            keep_with(hostile, job())

    assert task_site(caller) == ("caller", "keep_with(hostile, job())", "job")


def test_hostile_receiver_and_closure_are_asked_nothing():
    hostile = Hostile()

    class Starter(Hostile):
        def start(self):
            return hostile, asyncio.create_task(job())

    start, starter = Starter.start, Starter()

    def caller():
        with nothing_asked():
            start(starter)

    assert task_site(caller) == ("start", "return hostile, asyncio.create_task(job())", "job")


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_containers_with_methods_of_their_own_are_asked_nothing(kind):
    asked = []

    def note(self, *_):
        asked.append(self)
        return iter(())

    methods = dict.fromkeys(["__iter__", "__len__", "__contains__", "__getitem__", "__eq__", "values", "items"], note)
    hostile = type("Hostile", (kind,), methods)()

    def caller():
        keep_with(hostile, job())

    assert task_site(caller) == ("caller", "keep_with(hostile, job())", "job")
    assert asked == []


def test_descriptors_of_arguments_are_not_run():
    asked = []

    class Request:
        @property
        def coro(self):
            asked.append("coro")

        def __getattr__(self, name):
            asked.append(name)
            raise AttributeError(name)

    def caller():
        keep_with(Request(), job())

    assert task_site(caller) == ("caller", "keep_with(Request(), job())", "job")
    assert asked == []


def test_hostile_argument_of_a_thread_is_asked_nothing():
    thread = threading.Thread(target=work, args=[Hostile()])

    def start(_option):
        thread.start()

    def caller():
        with nothing_asked():
            start(Hostile())

    assert thread_site(caller).runs == "work"


def test_hostile_argument_of_an_asyncio_coroutine_is_not_called():
    """The coroutines of plumbing are searched for the one that they stand for."""

    def caller(scan):
        with nothing_asked():
            task = asyncio.create_task(asyncio.sleep(3600, Hostile()))
        scan()
        task.cancel()

    assert task_site(caller) == ("caller", "task = asyncio.create_task(asyncio.sleep(3600, Hostile()))", "sleep")


def test_parameter_without_a_value_is_left_out():
    def spawn(option, coro):
        del option
        return asyncio.create_task(coro)

    def caller():
        spawn(1, job())

    assert task_site(caller) == ("caller", "spawn(1, job())", "job")


def test_deleted_coroutine_parameter_still_creates():
    """The frame cannot show what came in any more; a line is named all the same."""

    def spawn(coro):
        held = [coro]
        del coro
        return asyncio.create_task(held.pop())

    def caller():
        spawn(job())

    site = task_site(caller)
    assert site.function in ("spawn", "caller")
    assert site.runs == "job"


def test_generated_code_without_a_file_has_its_line():
    scope = {"__name__": "shop.generated", "asyncio": asyncio, "job": job}
    exec("\n\ndef start():\n    return asyncio.create_task(job())", scope)

    (site,) = task_sites(lambda: scope["start"]())
    assert site.function.rpartition(".")[2] == "start"
    assert (site.path, site.line) == ("<string>", 4)
    assert site.runs.endswith("job")


def test_generated_spawner_without_a_file_names_its_caller():
    scope = {"__name__": "shop.generated", "asyncio": asyncio}
    exec("def spawn(coro):\n    return asyncio.create_task(coro)", scope)
    spawn = scope["spawn"]

    def caller():
        spawn(job())

    assert task_site(caller) == ("caller", "spawn(job())", "job")


class Compiled(collections.abc.Coroutine):
    """A coroutine that is none of CPython's, as Cython makes them."""

    def __init__(self):
        self._wait = job().__await__()

    def send(self, value):
        return self._wait.send(value)

    def throw(self, *error):
        return self._wait.throw(*error)

    def close(self):
        self._wait.close()

    def __await__(self):
        return self._wait


def test_coroutine_of_another_kind_has_its_line():
    def caller():
        asyncio.create_task(Compiled())

    assert task_site(caller)[:2] == ("caller", "asyncio.create_task(Compiled())")


def test_coroutine_of_another_kind_through_a_helper_has_a_line():
    def caller():
        keep(Compiled())

    assert task_site(caller).function in ("caller", "keep")


def test_generator_based_coroutine_has_its_line():
    @types.coroutine
    def generating():
        yield from job().__await__()

    async def awaiting():
        await generating()

    def caller():
        asyncio.create_task(awaiting())

    assert task_site(caller) == ("caller", "asyncio.create_task(awaiting())", "awaiting")


def through_levels(count):
    """Return as many functions around each other, the innermost of which starts a task."""
    scope = {"asyncio": asyncio, "__name__": "shop.levels"}
    lines = ["def level_0(coro): return asyncio.create_task(coro)"]
    lines += [f"def level_{number}(coro): return level_{number - 1}(coro)" for number in range(1, count)]
    exec("\n".join(lines), scope)
    return scope[f"level_{count - 1}"]


def recursing(depth, coro):
    return recursing(depth - 1, coro) if depth else asyncio.create_task(coro)


def test_twenty_levels_of_helpers_name_caller_or_plain_line():
    start = through_levels(20)

    def caller():
        start(job())

    site = task_site(caller)
    assert site.function in ("caller", "level_0")
    assert site.runs == "job"


def test_deep_recursion_names_the_caller_or_the_plain_line():
    def caller():
        recursing(300, job())

    site = task_site(caller)
    assert site.function in ("caller", "recursing")
    assert site.runs == "job"


def test_hook_stays_installed_after_all_of_it(instrumented):
    """An exception raised while frames are read would remove the hook, and later tasks would have no line."""

    def caller():
        keep(job())
        keep_with(Hostile(), job())

    assert len(task_sites(caller)) == 2
    assert {site.runs.rpartition(".")[2] for site in task_sites(caller)} == {"job"}
    assert instrumented.recorder.hook_failures == 0
