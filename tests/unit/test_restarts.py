"""A task that a done callback starts in the place of the ended one joins its site."""

import asyncio
import functools

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@pytest.fixture
def instrumented():
    ConcurrencyInstrumentor().instrument(
        metrics="none", reports="none", agent_disabled=True, eventloop_delay_disabled=True, scan_interval=3600
    )
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


async def job(left):
    if left:
        left.pop()
        raise ConnectionError
    await asyncio.get_running_loop().create_future()


async def other():
    await asyncio.get_running_loop().create_future()


def restart(task, left, successor):
    """Start the successor of an ended task, on a line of its own."""
    if task.exception() is not None:
        made = asyncio.get_running_loop().create_task(job(left) if successor == "job" else other())
        made.add_done_callback(lambda ended: ended.cancelled() or restart(ended, left, successor))


def sites_of(installation) -> dict[tuple[str, str], int]:
    return {
        (site.function.rpartition(".")[2], site.runs.rpartition(".")[2]): site.created
        for site in installation.recorder.task_sites.sites
        if site.runs.endswith((".job", ".other"))
    }


async def supervised(installation, successor, scans):
    left = [1, 2, 3]

    def begin():
        task = asyncio.create_task(job(left))
        task.add_done_callback(lambda ended: restart(ended, left, successor))

    begin()
    if scans:
        installation.census.scan()
    for _ in range(6):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
        await asyncio.wait([task])
    return sites_of(installation)


@pytest.mark.parametrize("scans", [False, True], ids=["in the young list", "in the columns"])
def test_successor_joins_the_site_of_its_predecessor(instrumented, scans):
    assert asyncio.run(supervised(instrumented, "job", scans)) == {("begin", "job"): 4}


def test_successor_that_runs_something_else_has_its_own_line(instrumented):
    found = asyncio.run(supervised(instrumented, "other", False))
    assert found.pop(("begin", "job")) == 1
    assert list(found.values()) == [1]
    assert next(iter(found))[1] == "other"


class Limited:
    """Runs a limited number of jobs at once; the others wait for a done callback to start them."""

    def __init__(self, start):
        self.start_task = start
        self.running = 0
        self.waiting = []

    def submit(self, coro):
        if self.running:
            self.waiting.append(coro)
        else:
            self.start(coro)

    def start(self, coro):
        self.running += 1
        self.start_task(coro).add_done_callback(self.done)

    def done(self, _task):
        self.running -= 1
        if self.waiting:
            self.start(self.waiting.pop(0))


async def guarded(coro):
    await coro


@pytest.mark.parametrize(
    "start",
    [lambda coro: asyncio.create_task(coro), lambda coro: asyncio.create_task(guarded(coro))],
    ids=["itself", "in a wrapper"],
)
def test_job_that_waited_for_another_to_end_is_not_its_successor(instrumented, start):
    """The line that started the first one has nothing to do with the second one."""

    async def main():
        jobs = Limited(start)

        def healthy():
            jobs.submit(job([1]))

        def leaking():
            jobs.submit(job([]))

        healthy()
        leaking()
        for _ in range(6):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])
        return sites_of(instrumented)

    found = asyncio.run(main())
    assert found.pop(("healthy", "job")) == 1
    assert list(found) == [("done", "job")]


def test_successor_made_by_a_factory_joins_its_predecessor(instrumented):
    """The callback does not name the function that it starts."""

    async def main():
        left = [1]

        def again(factory, task):
            asyncio.get_running_loop().create_task(factory())

        def begin(factory):
            return asyncio.create_task(job(left))

        def caller():
            begin(job).add_done_callback(functools.partial(again, functools.partial(job, left)))

        caller()
        for _ in range(6):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])
        return sites_of(instrumented)

    assert list(asyncio.run(main()).values()) == [2]


def test_task_started_by_a_callback_has_its_own_line(instrumented):
    async def main():
        def begin():
            return asyncio.create_task(job([]))

        def add_one(beside):
            assert not beside.done()
            asyncio.get_running_loop().create_task(job([]))

        asyncio.get_running_loop().call_soon(add_one, begin())
        for _ in range(3):
            await asyncio.sleep(0)
        return sites_of(instrumented)

    assert asyncio.run(main()) == {("begin", "job"): 1, ("add_one", "job"): 1}


def test_callbacks_of_two_supervisors_are_distinguished(instrumented):
    """The restart's path of frames is one; whose successor it starts is told by the ended task alone."""

    async def main():
        left = {"first": [1], "second": [1]}

        def first():
            asyncio.create_task(job(left["first"])).add_done_callback(lambda task: restart(task, left["first"], "job"))

        def second():
            asyncio.create_task(job(left["second"])).add_done_callback(
                lambda task: restart(task, left["second"], "job")
            )

        first()
        second()
        for _ in range(6):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])
        return sites_of(instrumented)

    assert asyncio.run(main()) == {("first", "job"): 2, ("second", "job"): 2}
