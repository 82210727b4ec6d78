"""How far the walk from the handles of a loop goes: through objects, into tasks, and where it stops."""

import asyncio

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection.loop_handles import Handles
from opentelemetry.instrumentation.concurrency.diagnose.proof import woken_by_handles
from opentelemetry.instrumentation.concurrency.diagnose.proof.closure import Cut, Pace, TooMuchWorkError
from opentelemetry.instrumentation.concurrency.diagnose.proof.woken_by_handles import tasks_woken_by


class Holder:
    """An object with attributes."""

    def __init__(self, value):
        self.value = value


class Loop:
    """A loop whose tasks are suspended at once."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()

    def start(self, coroutine):
        task = self.loop.create_task(coroutine)
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))
        return task

    def woken(self, *, ready=(), timers=(), descriptors=(), cut=(), task_of=None, limit=None):
        """Return the tasks that handles lead to, in order of creation; None if there are too many objects."""
        handles = Handles(list(ready), list(timers), list(descriptors))
        pace = Pace(lambda: None, limit)
        found = tasks_woken_by([handles], Cut([self.loop, *cut]), pace, task_of or {})
        if found is None:
            return None
        return {task for task in asyncio.all_tasks(self.loop) if id(task) in found}


@pytest.fixture
def loop():
    made = Loop()
    yield made
    for task in asyncio.all_tasks(made.loop):
        task.cancel()
    for _ in range(3):
        made.loop.run_until_complete(asyncio.sleep(0))
    made.loop.close()


@pytest.fixture
def suspended(loop):
    """Start a task that waits for a future."""
    return lambda: loop.start(wait(loop))


async def wait(loop):
    await loop.loop.create_future()


def nested(found, depth):
    for _ in range(depth):
        found = [found]
    return found


def test_tasks_woken_by_no_handles_are_none(loop, suspended):
    suspended()
    assert loop.woken() == set()


@pytest.mark.parametrize("kind", ["ready", "timers", "descriptors"])
def test_tasks_woken_by_handle_that_holds_one(kind, loop, suspended):
    task, _ = suspended(), suspended()
    assert loop.woken(**{kind: [Holder(task)]}) == {task}


@pytest.mark.parametrize(("kind", "steps"), [("ready", 10), ("timers", 10), ("descriptors", 8)])
def test_tasks_woken_by_handle_are_within_its_steps(kind, steps, loop, suspended):
    task = suspended()
    assert loop.woken(**{kind: [nested(task, steps)]}) == {task}
    assert loop.woken(**{kind: [nested(task, steps + 1)]}) == set()


def test_tasks_woken_by_handle_stop_at_the_cut(loop, suspended):
    known = [suspended()]
    assert loop.woken(timers=[[known]], cut=[known]) == set()


def test_tasks_woken_by_timer_include_awaited_tasks(loop, suspended):
    """A cancelled task cancels what it awaits; one that is merely stepped does not."""
    child = suspended()

    async def parent(children):
        await asyncio.gather(*children)

    task = loop.start(parent([child]))
    assert loop.woken(timers=[task]) == {task, child}
    assert loop.woken(ready=[task]) == {task}


def test_tasks_woken_by_timer_include_those_in_variables(loop, suspended):
    """A watchdog cancels a task that it knows by a variable, by an attribute of one or by a closure."""
    argument, holder, inner, shared = suspended(), Holder(suspended()), suspended(), suspended()
    # From Python 3.11 on, an object has a dictionary only once it was accessed.
    accessed = Holder(suspended())
    assert vars(accessed)

    async def below(watched):
        await asyncio.shield(loop.loop.create_future())
        watched.cancel()

    async def watchdog(argument, holder, accessed, below):
        await below
        argument.cancel()
        holder.value.cancel()
        accessed.value.cancel()
        shared.cancel()

    task = loop.start(watchdog(argument, holder, accessed, below(inner)))
    assert loop.woken(timers=[task]) == {task, argument, holder.value, accessed.value, inner, shared}


def test_tasks_woken_by_timer_omit_collections_of_objects(loop, suspended):
    """Code whose objects hold many tasks does not cancel them all when it is woken."""

    async def supervise(holder):
        await loop.loop.create_future()
        holder.value.clear()

    task = loop.start(supervise(Holder({suspended()})))
    assert loop.woken(timers=[task]) == {task}


def test_tasks_woken_by_coroutine_are_those_that_await_it(loop, suspended):
    task = suspended()
    awaited = Holder(None)
    assert loop.woken(timers=[awaited]) == set()
    assert loop.woken(timers=[awaited], task_of={id(awaited): task}) == {task}


@pytest.mark.parametrize("kind", ["ready", "timers"])
def test_tasks_woken_by_handles_beyond_the_limit_are_unknown(kind, loop, suspended, monkeypatch):
    monkeypatch.setattr(woken_by_handles, "MAX_OBJECTS", 20)
    task = suspended()
    assert loop.woken(**{kind: [[[] for _ in range(30)], task]}) is None


def test_tasks_woken_by_handles_report_their_work(loop):
    with pytest.raises(TooMuchWorkError):
        loop.woken(timers=[[[] for _ in range(100)]], limit=50)
