"""The creating line where one and the same helper is used in more than one way, or a callable makes what is started."""

import asyncio
import contextlib
import functools
import threading
from types import SimpleNamespace

import pytest
from creation_sites import job, short, task_site, task_sites, thread_site, work

from opentelemetry.instrumentation.concurrency import take_snapshot

pytestmark = pytest.mark.usefixtures("instrumented")


async def guarded(coro):
    if coro is not None:
        await coro
    else:
        await job()


def keep_guarded(coro=None):
    return asyncio.create_task(guarded(coro))


async def guarded_all(coros):
    for coro in coros:
        await guarded(coro)


def keep_guarded_in_a_list(coro=None):
    return asyncio.create_task(guarded_all([coro]))


@pytest.mark.parametrize("keep", [keep_guarded, keep_guarded_in_a_list], ids=["argument", "list"])
@pytest.mark.parametrize("without", [1, 5])
def test_wrapper_first_used_without_coroutine_names_callers(keep, without):
    """A first use that passes None says nothing of the later ones on the same path."""

    def caller():
        for coro in [*[None] * without, job(), job()]:
            keep(coro)

    found = [short(each) for each in task_sites(caller)]

    assert [each.runs for each in found[without:]] == ["job", "job"]
    assert [each.function for each in found] == [keep.__name__] * without + ["caller", "caller"]


def test_wrapper_with_and_without_coroutine_is_distinguished():
    def caller():
        for coro in (job(), None, job(), None):
            keep_guarded(coro)

    found = [short(each) for each in task_sites(caller)]

    assert [each.runs for each in found] == ["job", "guarded", "job", "guarded"]
    assert [each.function for each in found] == ["caller", "keep_guarded", "caller", "keep_guarded"]


class Ticker:
    """Is what it runs itself."""

    async def __call__(self):
        await job()

    def start(self):
        return asyncio.create_task(self())

    def start_in_thread(self):
        threading.Thread(target=self.tick).start()

    def tick(self):
        work()


def run_soon(function):
    return asyncio.create_task(function())


def run_soon_of(registry):
    return asyncio.create_task(registry.function())


def test_object_that_starts_itself_is_named_where_it_does():
    """Like a method of its own, ``self()`` did not come in."""

    def caller():
        Ticker().start()

    assert task_site(caller)[:2] == ("start", "return asyncio.create_task(self())")


def test_object_that_is_started_by_a_helper_names_the_caller():
    def caller():
        run_soon(Ticker())

    assert task_site(caller)[:2] == ("caller", "run_soon(Ticker())")


def test_lambda_that_makes_the_coroutine_names_the_caller():
    def caller():
        run_soon(lambda: job(1))

    assert task_site(caller) == ("caller", "run_soon(lambda: job(1))", "job")


def test_function_that_makes_the_coroutine_names_the_caller():
    def make(number):
        return job(number)

    def caller():
        run_soon(functools.partial(make, 1))

    assert task_site(caller) == ("caller", "run_soon(functools.partial(make, 1))", "job")


def test_attribute_that_makes_the_coroutine_names_the_caller():
    def caller():
        run_soon_of(SimpleNamespace(function=lambda: job()))

    assert task_site(caller) == ("caller", "run_soon_of(SimpleNamespace(function=lambda: job()))", "job")


def notify_and_start(notify):
    notify()
    return asyncio.create_task(job())


def test_callable_beside_a_coroutine_made_here_names_this_line():
    """The frame names the function itself; that what came in could have made it too says nothing."""

    def caller():
        notify_and_start(lambda: job().close())

    assert task_site(caller) == ("notify_and_start", "return asyncio.create_task(job())", "job")


def start_beside(registry):
    assert registry.function
    return asyncio.create_task(job())


def test_function_in_frame_and_attribute_names_the_frame():
    def caller():
        start_beside(SimpleNamespace(function=job))

    assert task_site(caller) == ("start_beside", "return asyncio.create_task(job())", "job")


def test_thread_of_own_method_is_named_at_its_start():
    def caller():
        Ticker().start_in_thread()

    assert thread_site(caller)[:2] == ("start_in_thread", "threading.Thread(target=self.tick).start()")


def test_job_that_waited_for_room_is_known_by_its_function():
    """A done callback of aiojobs starts it, in which nothing leads to the line that spawned it: the library's stays."""
    aiojobs = pytest.importorskip("aiojobs")

    async def first(leave):
        await leave.wait()

    async def caller(scan):
        leave, scheduler = asyncio.Event(), aiojobs.Scheduler(limit=1)
        await scheduler.spawn(first(leave))
        await scheduler.spawn(job())
        leave.set()
        while not any(each.runs == "creation_sites.job" for each in sites()):
            await asyncio.sleep(0)
        scan()

    def sites():
        return [each.site for each in take_snapshot().tasks]

    (queued,) = [each for each in task_sites(caller) if each.runs.endswith(".job")]
    assert queued.function == "aiojobs._job.Job._start"


class Workers:
    def __init__(self, number):
        self.tasks = [asyncio.create_task(self.serve()) for _ in range(number)]

    async def serve(self):
        await job()


def start_all(*coros):
    return [asyncio.create_task(each) for each in coros]


@pytest.mark.parametrize(
    ("starting", "via"), [(lambda: Workers(2), []), (lambda: start_all(job(), job()), ["start_all"])]
)
def test_comprehension_is_not_a_helper(starting, via):
    """It has a frame up to Python 3.11: what stands between is the same on all versions."""
    for site in task_sites(lambda: starting() and None):
        assert [each.function.rpartition(".")[2] for each in site.via] == via


class Once:
    """Runs what a factory makes, once per key."""

    def __init__(self):
        self.running = {}

    def ensure(self, key, make):
        self.running[key] = asyncio.create_task(self._run(key, make))

    async def _run(self, key, make):
        try:
            return await make()
        finally:
            self.running.pop(key, None)


async def retrying(make, *arguments, **options):
    for _ in range(3):
        with contextlib.suppress(ValueError):
            await make(*arguments, **options)
            break


def keep_retrying(make):
    return asyncio.create_task(retrying(make, 1, key=2))


async def telling(done):
    await job()
    done()


def keep_telling(done):
    return asyncio.create_task(telling(done))


def keep_once(make):
    Once().ensure(1, make)


@pytest.mark.parametrize("starting", [keep_once, keep_retrying])
def test_wrapper_that_awaits_a_result_names_the_caller(starting):
    def caller():
        starting(lambda *_, **__: job())

    assert task_site(caller) == ("caller", "starting(lambda *_, **__: job())", "<lambda>")


def test_wrapper_that_calls_back_is_named_itself():
    """What a callback returns is not awaited: it does not run there."""

    def caller():
        keep_telling(lambda: None)

    assert task_site(caller) == ("keep_telling", "return asyncio.create_task(telling(done))", "telling")
