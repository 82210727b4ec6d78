"""Who owns a task: what waits for it, and what an object of the application leads to."""

import asyncio

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.ownership import owners
from opentelemetry.instrumentation.concurrency.diagnose.ownership.owners import owning_tasks


class Manager:
    """An object of the application that holds a future."""

    def __init__(self, future):
        self.future = future


class Runner:
    """Has a coroutine of its own, so that it is asked through it alone."""

    def __init__(self, future):
        self.future = future

    def send(self, _value):
        """Be like a coroutine."""

    def throw(self, *_):
        """Be like a coroutine."""

    def close(self):
        """Be like a coroutine."""


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    if tasks := asyncio.all_tasks(made):
        for task in tasks:
            task.cancel()
        made.run_until_complete(asyncio.wait(tasks))
    made.close()


def test_held_directly_by_an_object_are_its_attributes(loop):
    future = loop.create_future()
    assert owners._held_directly(Manager(future)) == [future]


def test_held_directly_by_a_container_are_its_items(loop):
    future = loop.create_future()
    assert owners._held_directly([future]) == [future]
    assert owners._held_directly((future, 1)) == [future, 1]
    assert future in owners._held_directly({"key": future})


def test_held_directly_by_primitives_and_futures_is_nothing(loop):
    """The waiters of an event are released by it; they do not own what waits."""
    event = asyncio.Event()
    event._waiters.append(loop.create_future())
    assert owners._held_directly(event) == []
    assert owners._held_directly(loop.create_future()) == []


def test_owning_tasks_are_found_once_behind_gathers(loop):
    async def wait():
        await loop.create_future()

    async def await_both(one, two):
        await asyncio.gather(one, two, return_exceptions=True)

    async def main():
        inner = loop.create_task(wait())
        middle = asyncio.gather(inner)
        outer = loop.create_task(await_both(middle, middle))
        await asyncio.sleep(0)
        # From 3.14 on, the task that called gather is one, too.
        return [each for each in owning_tasks(inner) if each is not asyncio.current_task()], outer

    found, outer = loop.run_until_complete(main())
    assert found == [outer]
