"""Tasks that end badly are counted at the line that created them, whichever other lines start the same coroutine."""

import asyncio
import gc

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@pytest.fixture
def instrumented():
    gc.collect()
    # Which line a collection hits must not depend on when an automatic one comes.
    gc.disable()
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600)
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()
    gc.enable()


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def something_else():
    await asyncio.sleep(0)


async def fail():
    raise ValueError


def spawn(coro):
    return asyncio.get_running_loop().create_task(coro)


def one_line(coro):
    return asyncio.create_task(coro)


def other_line(coro):
    return asyncio.ensure_future(coro)


def counted(installation, counter: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for site in installation.recorder.task_sites.sites:
        if number := getattr(site, counter):
            name = site.function.rpartition(".")[2]
            found[name] = found.get(name, 0) + number
    return found


@pytest.mark.parametrize("scans", [0, 1, 2], ids=["before any scan", "after one", "after two"])
def test_destroyed_task_is_counted_at_its_own_line_among_several(instrumented, run, scans):
    """Three lines start the same coroutine function, one of them started another one first: none is guessed at."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await spawn(something_else())
        other = [other_line(wait_for_ever()) for _ in range(5)]
        one = [one_line(wait_for_ever()) for _ in range(3)]
        by_helper = [spawn(wait_for_ever()) for _ in range(400)]
        await asyncio.sleep(0)
        for _ in range(scans):
            instrumented.census.look()
        del one[0], by_helper[:301]
        gc.collect()
        del other[:]
        gc.collect()
        found = counted(instrumented, "destroyed")
        for task in one + by_helper:
            task.cancel()
        await asyncio.gather(*one, *by_helper, return_exceptions=True)
        return found

    assert run(main) == {"one_line": 1, "spawn": 301, "other_line": 5}


def test_destroyed_task_is_found_in_between_creations_and_prunings(instrumented, run):
    """The memory of addresses keeps up with the young list, which forgets what ended, and addresses are used again."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for number in range(2_000):
            line = one_line if number % 3 else other_line
            line(wait_for_ever())
            await one_line(something_else())
            if number % 7 == 0:
                gc.collect(0)
            if number % 500 == 0:
                instrumented.census.look()
        gc.collect()
        return counted(instrumented, "destroyed")

    assert run(main) == {"one_line": 1_333, "other_line": 667}


def test_destroyed_task_that_no_hook_saw_is_counted_under_its_own_function(instrumented, run):
    """A guess at one of the lines that start the same function would blame the wrong one."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        kept = one_line(wait_for_ever())
        asyncio.Task(wait_for_ever())
        await asyncio.sleep(0)
        gc.collect()
        kept.cancel()
        await asyncio.wait([kept])
        return counted(instrumented, "destroyed")

    assert run(main) == {"wait_for_ever": 1}


def test_unretrieved_failure_is_counted_at_its_line_or_where_that_is_forgotten_under_its_function(instrumented, run):
    """A failed task is forgotten as ended; a line that is not the only one is not blamed for it."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        known = [one_line(fail()), other_line(fail()), other_line(fail())]
        await asyncio.sleep(0)
        del known[:]
        gc.collect()
        first = counted(instrumented, "unretrieved")
        forgotten = [one_line(fail()), other_line(fail())]
        await asyncio.sleep(0)
        instrumented.census.look()
        del forgotten[:]
        gc.collect()
        return first, counted(instrumented, "unretrieved")

    assert run(main) == ({"one_line": 1, "other_line": 2}, {"one_line": 1, "other_line": 2, "fail": 2})
