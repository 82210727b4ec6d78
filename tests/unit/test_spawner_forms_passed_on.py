"""The creating line where a coroutine reaches the function that starts it inside another object, or is made late."""

import asyncio
import contextlib
import functools
import threading
from typing import NamedTuple

import pytest
from creation_sites import job, short, task_site, task_sites, thread_site, work

pytestmark = pytest.mark.usefixtures("instrumented")


def keep_all(tasks):
    for task in tasks:
        assert not task.done()


def keep_each_of(*groups):
    keep_all(groups[0])


def first_of(things):
    return next(iter(things))


class Order(NamedTuple):
    coro: object
    number: int = 0


def start_order(order):
    return asyncio.create_task(order.coro)


class Named(dict):
    """Holds coroutines by name."""

    def values(self):
        raise AssertionError("a method of the application was called")


def start_named(named):
    return asyncio.create_task(named["first"])


class Run:
    """Runs a coroutine that it was given."""

    def __init__(self, coro, unused=None):
        self.coro, self.unused = coro, unused

    async def run(self):
        await self.coro

    async def idle(self):
        await job()


def start_run_of(coro):
    return asyncio.create_task(Run(coro).run())


def made_by(function):
    return function()


async def watch(coro):
    while coro.cr_frame is not None:
        await asyncio.sleep(0)


async def await_both(first, second):
    await first
    await second


def noting(function):
    @functools.wraps(function)
    def note(*values):
        return function(*values)

    return note


@noting
def noted():
    work()


def start_idle_beside(coro):
    run = Run(coro)
    return run, asyncio.create_task(run.idle())


class Poller:
    """Starts a method of its own through a partial that it keeps."""

    def __init__(self):
        self._job = functools.partial(self._poll, 1)

    async def _poll(self, _count):
        await job()

    def start(self):
        return asyncio.create_task(self._job())


class Given:
    """Starts a partial of another object's method."""

    def __init__(self, function):
        self._job = functools.partial(function, 1)

    def start(self):
        return asyncio.create_task(self._job())


def periodic(function):
    """Start a function that stands beside the one that is returned."""

    async def again():
        await function()

    @functools.wraps(function)
    def start():
        return asyncio.create_task(again())

    return start


def in_background(function):
    def start():
        return asyncio.create_task(function())

    return start


@periodic
async def refresh():
    await job()


class Awaitable:
    """What asyncio wraps: in a generator up to Python 3.11, in a coroutine later."""

    def __await__(self):
        return job().__await__()


def ensure(awaitable):
    return asyncio.ensure_future(awaitable)


def test_generator_expression_as_argument_is_its_own_line():
    def caller():
        keep_all(asyncio.create_task(job()) for _ in range(2))

    expected = ("caller", "keep_all(asyncio.create_task(job()) for _ in range(2))", "job")
    assert [short(site) for site in task_sites(caller)] == [expected] * 2


def test_generator_expression_given_on_is_its_own_line():
    def caller():
        keep_each_of(asyncio.create_task(job()) for _ in range(2))

    assert task_site(caller).function == "caller"


def test_generator_expression_consumed_here_is_its_own_line():
    """The function that writes it was given another generator, which creates nothing."""

    def start(numbers):
        return [first_of(asyncio.create_task(job()) for _ in numbers)]

    def caller():
        start(number for number in range(2))

    assert task_site(caller) == ("start", "return [first_of(asyncio.create_task(job()) for _ in numbers)]", "job")


def test_coroutine_in_a_named_tuple_names_the_caller():
    def caller():
        start_order(Order(job()))

    assert task_site(caller) == ("caller", "start_order(Order(job()))", "job")


def test_coroutine_in_a_derived_dictionary_names_the_caller():
    def caller():
        start_named(Named(first=job()))

    assert task_site(caller) == ("caller", "start_named(Named(first=job()))", "job")


def test_object_made_around_the_coroutine_names_the_caller():
    def caller():
        start_run_of(job())

    assert task_site(caller) == ("caller", "start_run_of(job())", "job")


def test_objects_around_different_coroutines_have_a_site_each():
    async def other():
        await job()

    def caller():
        for function in (job, other, job, other):
            start_run_of(function())

    assert [short(site).runs for site in task_sites(caller)] == ["job", "other"] * 2


def test_coroutine_that_the_started_method_does_not_name_is_left():
    def caller():
        run, _ = start_idle_beside(job())
        run.coro.close()

    assert task_site(caller) == ("start_idle_beside", "return run, asyncio.create_task(run.idle())", "idle")


def test_argument_replaced_by_outer_function_is_not_sought():
    """What stands there now was perhaps made there, so that it did not come into what that function calls."""
    pending = []

    def kick():
        return asyncio.create_task(pending.pop())

    def start(work):
        work = made_by(work)
        pending.append(work)
        kick()

    def caller():
        start(job)

    assert task_site(caller) == ("kick", "return asyncio.create_task(pending.pop())", "job")


def test_coroutine_already_running_is_not_the_wrapped_one():
    async def caller():
        task = asyncio.create_task(job())
        await asyncio.sleep(0)
        asyncio.create_task(watch(task.get_coro()))

    assert {short(site).runs for site in task_sites(caller)} == {"job", "watch"}


def test_wrapper_of_several_coroutines_is_the_function():
    async def caller():
        idle = asyncio.sleep(0)
        asyncio.create_task(await_both(job(), idle))

    assert task_site(caller) == ("caller", "asyncio.create_task(await_both(job(), idle))", "await_both")


def test_decorated_target_of_a_thread_is_the_started_function():
    def caller():
        threading.Thread(target=noted).start()

    assert thread_site(caller).runs == "noted"


def test_walk_ends_where_a_plain_function_runs_a_coroutine():
    """What calls ``send`` is a loop of its own: no line of it created anything."""

    async def begin(coro):
        return asyncio.create_task(coro)

    def run_to_the_end(coro):
        with contextlib.suppress(StopIteration):
            coro.send(None)

    def caller():
        run_to_the_end(begin(job()))

    assert task_site(caller) == ("begin", "return asyncio.create_task(coro)", "job")


def test_partial_of_an_own_method_did_not_come_in():
    def caller():
        Poller().start()

    assert task_site(caller) == ("start", "return asyncio.create_task(self._job())", "_poll")


def test_partial_of_another_function_came_in():
    def caller():
        Given(job).start()

    assert task_site(caller) == ("caller", "Given(job).start()", "job")


def test_function_beside_the_decorators_own_names_the_caller():
    def caller():
        refresh()

    assert task_site(caller) == ("caller", "refresh()", "refresh")


def test_function_made_beside_the_starter_did_not_come_in():
    async def fetch():
        await job()

    async def again():
        await fetch()

    def start():
        return asyncio.create_task(again())

    def caller():
        start()

    assert task_site(caller).function == "start"


def test_decorated_function_beside_caller_names_the_caller():
    @in_background
    async def fetch():
        await job()

    def caller():
        fetch()

    def outer():
        caller()

    assert task_site(outer).function in ("caller", "outer")
    assert task_site(outer).function == "caller"


def test_awaitable_through_a_helper_names_the_caller():
    def caller():
        ensure(Awaitable())

    assert task_site(caller)[:2] == ("caller", "ensure(Awaitable())")
