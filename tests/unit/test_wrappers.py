"""Where a wrapper coroutine keeps what it runs: learned from one, read in the next one of its code."""

import contextlib

import pytest

from opentelemetry.instrumentation.concurrency.record.wrappers import Wrappers


async def first_job():
    """Stand for the coroutine function that the first wrapper runs."""


async def second_job():
    """Stand for that of a later wrapper."""


async def run_argument(inner):
    await inner


async def run_item(label, items):
    assert label
    await items[1]


class Job:
    """Holds a coroutine in an attribute."""

    def __init__(self, inner):
        self.label = "job"
        self.inner = inner


async def run_attribute(job):
    await job.inner


def run_closure(inner):
    async def run():
        await inner

    return run()


async def call_argument(function):
    await function()


def call_closure(function):
    async def call():
        await function()

    return call()


@pytest.fixture
def opened():
    """Make coroutines that are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(coroutine):
            stack.callback(coroutine.close)
            return coroutine

        yield make


SHAPES = {
    "argument": run_argument,
    "item": lambda inner: run_item("label", [None, inner]),
    "attribute": lambda inner: run_attribute(Job(inner)),
    "closure": run_closure,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_code_within_is_read_at_the_learned_place(shape, opened):
    wrappers, inner = Wrappers(), opened(first_job())
    wrapper = opened(SHAPES[shape](inner))
    assert wrappers.add(wrapper, inner) is True
    assert wrappers.are_of(wrapper.cr_code)
    other = opened(SHAPES[shape](opened(second_job())))
    assert wrappers.code_within(other, other.cr_code) is second_job.__code__


@pytest.mark.parametrize("make", [call_argument, call_closure])
def test_code_within_callable_is_that_of_its_function(make, opened):
    wrappers, wrapper = Wrappers(), opened(make(first_job))
    assert wrappers.add(wrapper, first_job)
    other = opened(make(second_job))
    assert wrappers.code_within(other, other.cr_code) is second_job.__code__


def test_code_within_unknown_wrapper_is_its_own(opened):
    wrapper = opened(run_argument(opened(first_job())))
    assert Wrappers().code_within(wrapper, wrapper.cr_code) is wrapper.cr_code


def test_code_within_place_without_coroutine_is_its_own(opened):
    """Another use of the same function passes it something else."""
    wrappers, inner = Wrappers(), opened(first_job())
    wrappers.add(opened(run_item("label", [None, inner])), inner)
    other = opened(run_item("label", ["shorter"]))
    assert wrappers.code_within(other, other.cr_code) is other.cr_code


def test_code_within_ended_wrapper_is_its_own(opened):
    wrappers, inner = Wrappers(), opened(first_job())
    wrappers.add(opened(run_argument(inner)), inner)
    ended = run_argument(None)
    ended.close()
    assert wrappers.code_within(ended, ended.cr_code) is ended.cr_code


def nested(depth, inner, opened):
    for _ in range(depth):
        inner = opened(run_argument(inner))
    return inner


@pytest.mark.parametrize(("depth", "expected"), [(2, first_job), (8, first_job), (9, run_argument)])
def test_code_within_follows_eight_wrappers(depth, expected, opened):
    wrappers, inner = Wrappers(), opened(first_job())
    wrappers.add(nested(1, inner, opened), inner)
    outermost = nested(depth, opened(first_job()), opened)
    assert wrappers.code_within(outermost, outermost.cr_code) is expected.__code__


def test_add_callable_that_the_wrapper_does_not_hold_is_false(opened):
    """A function of its module is not one of its arguments."""
    wrappers, wrapper = Wrappers(), opened(call_argument(first_job))
    assert wrappers.add(wrapper, second_job) is False


def test_add_coroutine_at_no_known_place_reads_the_first_held(opened):
    """The learned one lies in a list of the list, where no place leads."""
    wrappers, inner = Wrappers(), opened(first_job())
    assert wrappers.add(opened(run_argument([[inner]])), inner) is True
    other = opened(run_argument(opened(second_job())))
    assert wrappers.code_within(other, other.cr_code) is second_job.__code__


def test_add_object_that_is_not_a_coroutine_learns_nothing():
    wrappers = Wrappers()
    assert wrappers.add(object(), first_job) is True
    assert not wrappers._places


def test_clear_forgets_all_wrappers(opened):
    wrappers, inner = Wrappers(), opened(first_job())
    wrapper = opened(run_argument(inner))
    wrappers.add(wrapper, inner)
    wrappers.clear()
    assert not wrappers.are_of(wrapper.cr_code)
