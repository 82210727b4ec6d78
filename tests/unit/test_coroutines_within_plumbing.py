"""The coroutine of the application within coroutines of asyncio."""

import asyncio
import sys

import pytest

from opentelemetry.instrumentation.concurrency.record.started import (
    _module_of_path,
    module_of,
    name_of_call,
    without_plumbing,
)


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
    sleeping = asyncio.sleep(5, ["result"])
    assert without_plumbing(sleeping) is sleeping
    sleeping.close()


def test_awaitable_that_asyncio_wraps_is_found():
    class Awaitable:
        def __await__(self):
            yield

    wrap = getattr(asyncio.tasks, "_wrap_awaitable", None)
    if wrap is None:
        pytest.skip("here it is a coroutine within ensure_future")
    awaitable = Awaitable()
    wrapped = wrap(awaitable)
    assert without_plumbing(wrapped) is awaitable
    wrapped.close()


@pytest.mark.parametrize("found", [3, None, sys])
def test_object_that_is_no_coroutine_is_itself(found):
    assert without_plumbing(found) is found


def test_module_of_a_coroutine_is_that_of_its_code():
    inner, sleeping = job(), asyncio.sleep(1)
    assert module_of(inner) == __name__
    assert module_of(sleeping) == "asyncio.tasks"
    closing(inner, sleeping)
    assert module_of(inner) == ""
    assert module_of(3) == ""


def test_module_of_a_path_is_the_one_loaded_from_it():
    assert _module_of_path(sys.modules[__name__].__file__) == __name__
    assert _module_of_path("/nowhere.py") == ""


@pytest.mark.parametrize("item", [{"fn": job, "args": ()}, {"task": (job, (), {})}, {"task": (job, ())}])
def test_call_of_an_executor_is_named_in_both_forms(item):
    assert name_of_call(item) == f"{__name__}.job"
