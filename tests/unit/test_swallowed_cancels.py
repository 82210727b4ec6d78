"""Requests to cancel that a task swallowed are counted; those on their way, taken back or obeyed are not."""

import asyncio
import sys

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection import swallowed_cancels as module
from opentelemetry.instrumentation.concurrency.diagnose.introspection.swallowed_cancels import (
    cancel_requests_of,
    swallowed_cancels,
    swallowed_text,
)
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import observe
from opentelemetry.instrumentation.concurrency.diagnose.verdict.reason import reason
from opentelemetry.instrumentation.concurrency.record.site import Site

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio counts no requests before 3.11")


async def stubborn(gate):
    while not gate.is_set():
        try:
            await gate.wait()
        except asyncio.CancelledError:
            continue


async def obedient(gate):
    await gate.wait()


async def awaits(task):
    await task


async def gathers(*tasks):
    await asyncio.gather(*tasks)


async def shields(task):
    await asyncio.shield(task)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def counted(make, requests=1, kind=None):
    """Return what is counted while the request is on its way, and after it has arrived."""
    gate = asyncio.Event()
    coroutine = make(gate)
    task = asyncio.create_task(coroutine) if kind is None else kind(coroutine, loop=asyncio.get_running_loop())
    await settle()
    before = swallowed_cancels(task)
    for _ in range(requests):
        task.cancel()
        at_once = swallowed_cancels(task)
        await settle()
    result = before, at_once, swallowed_cancels(task)
    gate.set()
    await asyncio.gather(task, return_exceptions=True)
    return result


class Overridden(asyncio.Task):
    """A task of the application; its methods are not called."""

    def cancelling(self):
        raise AssertionError


@pytest.mark.parametrize("kind", [None, asyncio.tasks._PyTask, Overridden])
def test_swallowed_request_is_counted_once_it_has_arrived(kind):
    assert asyncio.run(counted(stubborn, kind=kind)) == (0, 0, 1)


def test_swallowed_requests_are_all_counted():
    assert asyncio.run(counted(stubborn, 3))[2] == 3


def test_obeyed_request_is_not_counted():
    assert asyncio.run(counted(obedient)) == (0, 0, 0)


@pytest.mark.parametrize("wrap", [awaits, gathers])
def test_swallowed_request_counts_where_what_it_awaits_swallows_it(wrap):
    """The outer task was asked, the inner one went on."""
    held = []

    def make(gate):
        held.append(asyncio.ensure_future(stubborn(gate)))
        return wrap(*held)

    assert asyncio.run(counted(make)) == (0, 0, 1)


def test_timeout_that_ended_took_its_request_back():
    async def late(gate):
        try:
            async with asyncio.timeout(0):
                await gate.wait()
        except TimeoutError:
            await gate.wait()

    async def main():
        gate = asyncio.Event()
        task = asyncio.create_task(late(gate))
        await settle()
        await asyncio.sleep(0.01)
        found = swallowed_cancels(task)
        gate.set()
        await task
        return found

    assert asyncio.run(main()) == 0


def test_shield_hides_the_request_from_the_inner_task():
    async def main():
        gate = asyncio.Event()
        inner = asyncio.create_task(stubborn(gate))
        outer = asyncio.create_task(shields(inner))
        await settle()
        outer.cancel()
        await settle()
        found = swallowed_cancels(inner), swallowed_cancels(outer)
        gate.set()
        await inner
        return found

    assert asyncio.run(main()) == (0, 0)


def test_task_behind_too_many_others_is_not_counted(monkeypatch):
    monkeypatch.setattr(module, "_MOST_AWAITED", 1)

    def make(gate):
        return awaits(asyncio.ensure_future(stubborn(gate)))

    assert asyncio.run(counted(make)) == (0, 0, 0)


@pytest.mark.parametrize("found", [None, object(), 3])
def test_other_objects_have_no_requests(found):
    assert cancel_requests_of(found) == swallowed_cancels(found) == 0


def test_observation_holds_the_requests():
    async def main():
        gate = asyncio.Event()
        task = asyncio.create_task(stubborn(gate))
        await settle()
        task.cancel()
        await settle()
        found = observe("task", task)
        gate.set()
        await task
        return found

    assert asyncio.run(main()).cancel_requests == 1


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        (0, ""),
        (1, "it was asked to cancel once and went on"),
        (2, "it was asked to cancel twice and went on"),
        (7, "it was asked to cancel 7 times and went on"),
    ],
)
def test_text_says_how_often(requests, text):
    assert swallowed_text(requests) == text


@pytest.mark.parametrize(("requests", "said"), [(0, False), (1, True)])
def test_reason_says_that_a_request_was_swallowed(requests, said):
    site = Site("task", 0, None, -1, "shop.query")
    group = Group(site, "orphaned", 1, "its creator ended", 0.0)
    assert ("It was asked to cancel once and went on." in reason(group, "future", 9.0, None, requests)) is said
