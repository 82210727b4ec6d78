"""Whether a started object came into a frame from outside: the rules of spawners, one frame at a time."""

import sys

import pytest

from opentelemetry.instrumentation.concurrency.record.came_in import (
    came_in,
    holds_as_argument,
    is_given_generator,
    passes_through,
    subject_of,
)

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 13),
    reason="below Python 3.13 the variables of a traced frame are not read",
)


class Holder:
    """An object with attributes."""


async def job():
    """Stand for the coroutine function of the application."""


@pytest.fixture
def coroutine():
    made = job()
    yield made
    made.close()


def answer(frame, started, **options):
    return came_in(frame, subject_of(started, started, started.cr_code), **options)


def given(value):
    """Return the frame of a function that was called with a value."""
    assert value is not None
    return sys._getframe()


def test_came_in_argument_is_yes(coroutine):
    assert answer(given(coroutine), coroutine) == "yes"


def test_came_in_item_of_an_argument_is_yes(coroutine):
    assert answer(given({"coroutine": coroutine}), coroutine) == "yes"


def test_came_in_made_by_the_frame_is_no():
    def makes():
        made = job()
        return sys._getframe(), made

    frame, made = makes()
    assert answer(frame, made) == "no"
    made.close()


def test_came_in_attribute_of_an_argument_is_yes(coroutine):
    holder = Holder()
    holder.kept = coroutine
    assert answer(given(holder), coroutine) == "yes"


def test_came_in_attribute_that_the_frame_stores_is_no():
    def stores(holder):
        holder.kept = job()
        return sys._getframe(), holder.kept

    frame, made = stores(Holder())
    assert answer(frame, made) == "no"
    made.close()


def test_came_in_closure_is_yes_unless_the_frame_stores_it(coroutine):
    def enclosing(kept):
        def reads():
            assert kept is not None
            return sys._getframe()

        def stores():
            nonlocal kept
            kept = job()
            return sys._getframe(), kept

        return reads, stores

    reads, stores = enclosing(coroutine)
    assert answer(reads(), coroutine) == "yes"
    frame, made = stores()
    assert answer(frame, made) == "no"
    made.close()


def test_came_in_result_of_a_given_function_is_yes():
    def calls(function):
        made = function()
        return sys._getframe(), made

    frame, made = calls(job)
    assert answer(frame, made) == "yes"
    made.close()


@pytest.mark.parametrize(("still_runs", "expected"), [(False, "yes"), (True, "no")])
def test_came_in_made_by_a_given_function_that_returned_is_yes(still_runs, expected):
    """A given function that still runs did not make it for this frame."""

    def makes():
        return [job()]

    def calls(function):
        (made,) = function()
        return sys._getframe(), made

    frame, made = calls(makes)
    subject = subject_of(made, made, made.cr_code)
    subject.inside += [makes.__code__] * still_runs
    assert came_in(frame, subject) == expected
    made.close()


def test_came_in_result_of_an_own_method_is_no():
    """Also if it is called by an attribute."""

    class Worker:
        def __init__(self):
            self.chosen = self.run

        async def run(self):
            """Stand for the work."""

        def start(self):
            made = self.chosen()
            return sys._getframe(), made

    frame, made = Worker().start()
    assert answer(frame, made) == "no"
    made.close()


def test_came_in_awaitable_that_asyncio_wraps_is_yes():
    """``ensure_future(awaitable)`` starts a coroutine of its own."""

    class Awaitable:
        def __await__(self):
            yield

    namespace = {"__name__": "asyncio.tasks"}
    exec("async def _wrap_awaitable(awaitable):\n    return await awaitable", namespace)
    awaitable = Awaitable()
    wrapped = namespace["_wrap_awaitable"](awaitable)
    assert came_in(given(awaitable), subject_of(wrapped, wrapped, None)) == "yes"
    assert came_in(given(Awaitable()), subject_of(wrapped, wrapped, None)) == "no"
    wrapped.close()


def test_came_in_module_frame_is_unreadable(coroutine):
    """Reading the variables of a module has side effects on some versions of Python."""
    namespace = {"coroutine": coroutine}
    exec("import sys\nframe = sys._getframe()", namespace)
    assert answer(namespace["frame"], coroutine) == "unreadable"


async def await_result(function):
    await function()


@pytest.mark.parametrize(("is_library", "expected"), [(False, "yes"), (True, "no")])
def test_came_in_awaited_callable_is_yes_except_in_a_library(is_library, expected):
    """A server awaits ``receive()`` for itself."""

    def guards(function):
        made = await_result(function)
        return sys._getframe(), made

    frame, made = guards(lambda: None)
    assert answer(frame, made, is_library=is_library) == expected
    made.close()


def test_holds_as_argument_replaced_argument_is_false(coroutine):
    def replaces(value):
        value = [value][0]
        return sys._getframe()

    subject = subject_of(coroutine, coroutine, coroutine.cr_code)
    assert holds_as_argument(given(coroutine), subject)
    assert holds_as_argument(given([coroutine]), subject)
    assert not holds_as_argument(replaces(coroutine), subject)
    assert not holds_as_argument(given(job), subject)


def test_is_given_generator_only_for_the_one_passed():
    passed, other = (each for each in ()), (each for each in ())
    assert is_given_generator(given(passed), passed.gi_frame)
    assert is_given_generator(given([passed]), passed.gi_frame)
    assert not is_given_generator(given(passed), other.gi_frame)


def test_passes_through_calls_only_its_arguments():
    def other():
        """Stand for a function that the frame knows by itself."""

    assert passes_through(given(other), other.__code__)
    assert not passes_through(given(given), other.__code__)
