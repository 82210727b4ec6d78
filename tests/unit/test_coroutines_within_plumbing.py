"""The coroutine of the application within coroutines of asyncio."""

import asyncio
import sys

import pytest

from opentelemetry.instrumentation.concurrency.record.started import without_plumbing


async def job():
    """Be what runs."""


def closing(*coroutines):
    for each in coroutines:
        each.close()


def test_coroutine_within_two_levels_of_plumbing_is_found():
    inner = job()
    middle = asyncio.wait_for(inner, 1)
    outer = asyncio.wait_for(middle, 1)
    assert without_plumbing(outer) is inner
    closing(outer, middle, inner)


def test_coroutine_of_the_application_is_itself():
    inner = job()
    assert without_plumbing(inner) is inner
    inner.close()


def test_plumbing_without_a_coroutine_is_itself():
    """The arguments of `asyncio.sleep` are no coroutines."""
    sleeping = asyncio.sleep(5, "result")
    assert without_plumbing(sleeping) is sleeping
    sleeping.close()


def test_awaitable_that_asyncio_wraps_is_found():
    class Awaitable:
        def __await__(self):
            yield

    awaitable = Awaitable()
    wrapped = asyncio.tasks._wrap_awaitable(awaitable)
    assert without_plumbing(wrapped) is awaitable
    wrapped.close()


@pytest.mark.parametrize("found", [3, None, sys])
def test_object_that_is_no_coroutine_is_itself(found):
    assert without_plumbing(found) is found
