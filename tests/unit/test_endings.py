"""Tasks that end badly are counted at the line that created them, whichever other lines start the same coroutine."""

import asyncio
import gc

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.young import WIDTH


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


def made(name):
    """Make a coroutine where the line that starts it makes it, so that no caller is named in its place."""
    return {"wait_for_ever": wait_for_ever, "something_else": something_else, "fail": fail}[name]()


def spawn(name):
    return asyncio.get_running_loop().create_task(made(name))


def one_line(name):
    return asyncio.create_task(made(name))


def other_line(name):
    return asyncio.ensure_future(made(name))


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
        await spawn("something_else")
        other = [other_line("wait_for_ever") for _ in range(5)]
        one = [one_line("wait_for_ever") for _ in range(3)]
        by_helper = [spawn("wait_for_ever") for _ in range(400)]
        await asyncio.sleep(0)
        for _ in range(scans):
            instrumented.census.scan()
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


def test_destroyed_task_is_found_between_prunings(instrumented, run):
    """The memory of addresses keeps up with the young list, which forgets what ended, and addresses are used again."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for number in range(2_000):
            line = one_line if number % 3 else other_line
            line("wait_for_ever")
            await one_line("something_else")
            if number % 7 == 0:
                gc.collect(0)
            if number % 500 == 0:
                instrumented.census.scan()
        gc.collect()
        return counted(instrumented, "destroyed")

    assert run(main) == {"one_line": 1_333, "other_line": 667}


@pytest.mark.parametrize("scans_before", [0, 1, 2], ids=["before any scan", "after one", "after two"])
@pytest.mark.parametrize("meets", ["scan", "prunings"])
def test_destroyed_task_is_found_where_a_collection_meets(instrumented, run, scans_before, meets):
    """The collector clears the weak references of all it found before it ends the first of them."""

    async def main():
        first = []

        def meet(_loop, _context):
            if first:
                return
            first.append(True)
            if meets == "scan":
                instrumented.census.scan()
            else:
                for _ in range(1_000):
                    asyncio.create_task(something_else())

        asyncio.get_running_loop().set_exception_handler(meet)
        for _ in range(200):
            one_line("wait_for_ever"), other_line("wait_for_ever")
        await asyncio.sleep(0)
        for _ in range(scans_before):
            instrumented.census.scan()
        gc.collect()
        await asyncio.sleep(0)
        return counted(instrumented, "destroyed")

    assert run(main) == {"one_line": 200, "other_line": 200}


def test_young_list_after_the_next_scan_forgets_drained_entries(instrumented, run):
    async def main():
        task = one_line("something_else")
        address = id(task)
        await task
        young = instrumented.recorder.young_tasks
        found = [young.site_at(address) is not None]
        for _ in range(2):
            instrumented.census.scan()
            found.append(young.site_at(address) is not None)
        return found

    assert run(main) == [True, True, False]


def test_destroyed_unrecorded_task_counts_for_its_function(instrumented, run):
    """A guess at one of the lines that start the same function would blame the wrong one."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        kept = one_line("wait_for_ever")
        asyncio.Task(wait_for_ever())
        await asyncio.sleep(0)
        gc.collect()
        kept.cancel()
        await asyncio.wait([kept])
        return counted(instrumented, "destroyed")

    assert run(main) == {"wait_for_ever": 1}


def test_unretrieved_failure_is_counted_at_its_line(instrumented, run):
    """A failed task is forgotten as ended; a line that is not the only one is not blamed for it."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        known = [one_line("fail"), other_line("fail"), other_line("fail")]
        await asyncio.sleep(0)
        del known[:]
        gc.collect()
        first = counted(instrumented, "unretrieved")
        forgotten = [one_line("fail"), other_line("fail")]
        await asyncio.sleep(0)
        instrumented.census.scan()
        instrumented.census.scan()
        del forgotten[:]
        gc.collect()
        return first, counted(instrumented, "unretrieved")

    assert run(main) == ({"one_line": 1, "other_line": 2}, {"one_line": 1, "other_line": 2, "fail": 2})


class Bystander:
    """Garbage of a cycle of its own, whose end comes before that of what was created later."""

    def __init__(self, ending):
        self.ending = ending
        self.itself = self

    def __del__(self):
        self.ending()


@pytest.mark.parametrize("scans_before", [0, 1, 2], ids=["before any scan", "after one", "after two"])
@pytest.mark.parametrize("meets", ["scans", "prunings", "both"])
def test_destroyed_task_is_found_where_garbage_before_it_runs(instrumented, run, scans_before, meets):
    """All references are cleared, no end has been asked for yet, and scans and prunings take what looks ended."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        def meet():
            for _ in range(3):
                if meets != "prunings":
                    instrumented.census.scan()
                if meets != "scans":
                    for _ in range(1_000):
                        asyncio.create_task(something_else())

        Bystander(meet)
        for _ in range(200):
            one_line("wait_for_ever"), other_line("wait_for_ever")
        await asyncio.sleep(0)
        for _ in range(scans_before):
            instrumented.census.scan()
        gc.collect()
        await asyncio.sleep(0)
        return counted(instrumented, "destroyed")

    assert run(main) == {"one_line": 200, "other_line": 200}


def test_destroyed_task_is_found_after_scans_in_a_collection(instrumented, run):
    """An exception handler that takes long leaves time for scans between two ends."""

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: instrumented.census.scan())
        for _ in range(20):
            one_line("wait_for_ever"), other_line("wait_for_ever")
        await asyncio.sleep(0)
        instrumented.census.scan()
        for _ in range(20):
            one_line("wait_for_ever"), other_line("wait_for_ever")
        await asyncio.sleep(0)
        gc.collect()
        return counted(instrumented, "destroyed")

    assert run(main) == {"one_line": 40, "other_line": 40}


@pytest.mark.parametrize("ending", ["destroyed", "unretrieved"])
@pytest.mark.parametrize("function", ["wait_for_ever", "fail"])
def test_ended_task_that_no_hook_saw_has_no_line_of_another(instrumented, run, function, ending):
    """It has the address of a recorded task that ended before, which ran another function."""
    coroutine, young = made(function), instrumented.recorder.young_tasks

    async def main():
        task = one_line("something_else")
        await task
        unseen = asyncio.Task(coroutine)
        # As if the address had been used again.
        young.entries += [*young.entries[-WIDTH:-1], id(unseen)]
        instrumented.recorder._on_ending(unseen, ending)
        unseen.cancel()
        await asyncio.wait([unseen])
        return counted(instrumented, ending)

    assert run(main) == {function: 1}
