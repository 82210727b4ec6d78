"""Creations on paths that are known already: each is counted at its own site, however often the same line creates."""

import asyncio
import functools
import sys
import weakref

import pytest

from opentelemetry.instrumentation.concurrency.record import paths

ROUNDS = 40
"""More than it takes until a line that was unsure is settled."""


async def other(*_values):
    pass


async def quick(*_values):
    pass


async def guarded(coro):
    return await coro


async def calling(function):
    return await function()


async def calling_first(*functions):
    return await functions[0]()


def keep(coro):
    return asyncio.create_task(coro)


def keep_guarded(coro):
    return asyncio.create_task(guarded(coro))


def keep_twice_guarded(coro):
    return asyncio.create_task(guarded(guarded(coro)))


def keep_calling(function):
    return asyncio.create_task(calling(function))


def keep_calling_first(function):
    return asyncio.create_task(calling_first(function))


def keep_inner(function):
    async def inner():
        await function()

    return asyncio.create_task(inner())


def keep_decorated(function):
    @functools.wraps(function)
    async def decorated(*values):
        return await function(*values)

    return asyncio.create_task(decorated())


class Job:
    def __init__(self, coro):
        self.coro = coro

    def start(self):
        return asyncio.create_task(self.run())

    async def run(self):
        await self.coro


def keep_job(coro):
    return Job(coro).start()


def created_by(installation, function):
    """Return how many tasks each site of a function has created, by what they run."""
    sites = [each for each in installation.recorder.task_sites.sites if each.function.endswith(f".{function}")]
    counts = {}
    for site in sites:
        name = site.runs.rpartition(".")[2]
        counts[name] = counts.get(name, 0) + site.created
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("keeper", [keep, keep_guarded, keep_twice_guarded, keep_job])
def test_coroutines_of_one_line_are_counted_by_function(instrumented, keeper):
    async def caller():
        for number in range(ROUNDS):
            await keeper((quick, other, quick)[number % 3]())

    asyncio.run(caller())
    assert created_by(instrumented, "caller") == {"quick": 27, "other": 13}


@pytest.mark.parametrize("keeper", [keep_calling, keep_calling_first, keep_inner, keep_decorated])
def test_functions_of_one_line_are_counted_apart(instrumented, keeper):
    async def caller():
        for number in range(ROUNDS):
            await keeper((quick, other, quick)[number % 3])

    asyncio.run(caller())
    assert created_by(instrumented, "caller") == {"quick": 27, "other": 13}


def test_lines_of_a_wrapper_are_counted_by_function(instrumented):
    """The line names the wrapper, so that its paths are settled at once and later ones are found by a guess."""

    async def caller():
        for number in range(ROUNDS):
            await asyncio.create_task(guarded((quick, other, quick)[number % 3]()))

    asyncio.run(caller())
    assert created_by(instrumented, "caller") == {"quick": 27, "other": 13}


def test_lines_of_one_function_are_counted_each(instrumented):
    async def caller():
        for _ in range(ROUNDS):
            await keep(quick())
            await keep(quick())
            await keep(other())

    asyncio.run(caller())
    sites = [each for each in instrumented.recorder.task_sites.sites if each.function.endswith(".caller")]
    assert sorted(each.created for each in sites) == [ROUNDS] * 3
    assert len({each.line for each in sites}) == 3


def test_callers_of_a_factory_are_counted_each(instrumented):
    def make():
        return asyncio.create_task(quick())

    async def one():
        await make()

    async def two():
        await make()

    async def caller():
        for _ in range(ROUNDS):
            await one()
            await two()
            await two()

    asyncio.run(caller())
    sites = [each for each in instrumented.recorder.task_sites.sites if each.function.endswith(".make")]
    assert {each.caller.function.rpartition(".")[2]: each.created for each in sites} == {"one": 40, "two": 80}


def test_lines_of_one_spawner_are_counted_each(instrumented):
    """A site never merges what the lines that start tasks keep apart."""

    def keep_either(coro, *, first):
        if first:
            return asyncio.create_task(coro)
        return asyncio.create_task(coro)

    async def caller():
        for number in range(ROUNDS):
            await keep_either(quick(), first=number < 10)

    asyncio.run(caller())
    sites = [each for each in instrumented.recorder.task_sites.sites if each.function.endswith(".caller")]
    assert [each.created for each in sites] == [10, 30]
    assert len({each.line for each in sites}) == 1
    assert len({each.via[0].line for each in sites}) == 2
    assert sites[0].spawning is not sites[1].spawning


class Queued:
    """Starts the oldest of the coroutines that it was given."""

    def __init__(self):
        self.pending = []

    def add(self, coro):
        self.pending.append(coro)
        return self.kick()

    def kick(self):
        return asyncio.create_task(self.pending.pop(0))


def test_coroutine_not_passed_to_outer_call_stays_inside(instrumented):
    """The same path as before, but what is started now waited from an earlier call."""

    async def caller():
        queue = Queued()
        for number in range(ROUNDS):
            if number % 2:
                queue.pending.append(quick())
            await queue.add(quick())
            for late in queue.pending:
                late.close()
            queue.pending.clear()

    asyncio.run(caller())
    assert created_by(instrumented, "caller") == {"quick": ROUNDS // 2}
    assert created_by(instrumented, "kick") == {"quick": ROUNDS // 2}


@pytest.mark.parametrize("follow", [paths.follow, paths.follow_to_loop])
def test_frame_with_an_equal_key_sum_is_distinguished(follow):
    """The keys of paths are sums, so that two frames may have one."""
    frame = sys._getframe()
    outer = frame.f_back
    root = paths.Node(frame.f_code, quick.__code__)
    alike = root.outer[id(outer.f_code) + outer.f_lasti] = paths.Node(quick.__code__, None)
    alike.site = alike.site_when_running = object()
    assert follow(root, frame) is None


def test_path_with_an_equal_key_sum_replaces_the_first():
    known = paths.Paths()
    start, first, second = quick.__code__, other.__code__, guarded.__code__
    offset = id(first) + 10 - id(second)
    sites = object(), object()
    known.add([(start, 0), (first, 10)], start, start, sites[0], running=False)
    root = known.add([(start, 0), (second, offset)], start, start, sites[1], running=False)
    (node,) = root.outer.values()
    assert node.code is second
    assert node.site is sites[1]


@pytest.mark.skipif("coverage" in sys.modules, reason="coverage keeps every code that it has seen")
def test_code_that_a_wrapper_runs_is_kept_with_its_path():
    """Else its address may be that of another function later, with the site of the first."""
    scope = {}
    exec("async def generated(): pass", scope)
    known = paths.Paths()
    reference = weakref.ref(scope["generated"].__code__)
    known.add([(quick.__code__, 0)], guarded.__code__, reference(), object(), running=False)
    scope.clear()
    assert reference() is not None
    known.clear()
    assert reference() is None


def test_guess_of_a_creation_is_used_the_next_time(instrumented, monkeypatch):
    """The slow path costs twenty times as much."""
    sites = instrumented.recorder.task_sites
    found = []
    find = sites.find
    monkeypatch.setattr(type(sites), "find", lambda _, *given, **named: found.append(given) or find(*given, **named))
    instrumented.recorder.uninstall()
    instrumented.recorder.install()

    async def caller():
        for number in range(ROUNDS):
            if number == ROUNDS // 2:
                found.clear()
            await keep(quick())
            await asyncio.create_task(quick())

    asyncio.run(caller())
    assert [frame.f_code.co_name for frame, *_ in found if frame.f_code.co_name in ("keep", "caller")] == []


def test_codes_run_by_one_line_are_kept_in_limited_number(instrumented, monkeypatch):
    """Generated code may be given to one line for ever."""
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.record.site_table.MAX_SITES_KNOWN", 20)
    sites = instrumented.recorder.task_sites

    async def caller():
        for _ in range(100):
            scope = {}
            exec("async def generated(): pass", scope)
            await asyncio.create_task(scope["generated"]())

    asyncio.run(caller())
    assert len(sites._sites_of) <= 20
    assert len(sites._codes) < 60
