"""Which frames run an event loop."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency.record import loop_frames
from opentelemetry.instrumentation.concurrency.record.loop_frames import (
    is_handle_run,
    may_run_loop,
    stands_in_run_call,
)


class Loop:
    """Tells where the frame stands that calls one of its methods."""

    def run_until_complete(self, _main, **_options):
        frame = sys._getframe(1)
        return stands_in_run_call(frame.f_code, frame.f_lasti)

    run_forever = run_until_complete


def plain(loop, main):
    return loop.run_until_complete(main)


def with_keywords(loop, main):
    return loop.run_forever(main, debug=True)


def with_all(loop, *mains):
    return loop.run_until_complete(*mains)


def nested(loop, main):
    return str(loop.run_until_complete(main)) == "True"


def argument(loop, make):
    """The frame is in the call that makes the argument."""
    found = []
    loop.run_until_complete(make(found))
    return found


def before(loop, make):
    return make([]) or loop.run_until_complete(None)


def test_frame_in_the_call_that_runs_a_loop_stands_in_it():
    assert plain(Loop(), None) is True
    assert with_keywords(Loop(), None) is True
    assert with_all(Loop(), None) is True
    assert nested(Loop(), None) is True


def test_frame_in_another_call_of_the_same_line_does_not():
    def make(found):
        frame = sys._getframe(1)
        found.append(stands_in_run_call(frame.f_code, frame.f_lasti))
        return found

    assert argument(Loop(), make) == [False]
    assert before(Loop(), make) == [False]


def test_frame_that_has_not_begun_does_not():
    assert stands_in_run_call(plain.__code__, -1) is False


@pytest.mark.parametrize(
    ("name", "argument", "may_be_method", "pushes"),
    [
        ("LOAD_METHOD", 2, False, True),
        ("LOAD_METHOD_ADAPTIVE", 2, False, True),
        ("LOAD_ATTR", 3, True, True),
        ("LOAD_ATTR", 2, True, False),
        ("LOAD_ATTR", None, True, False),
        ("LOAD_ATTR", 3, False, False),
    ],
)
def test_attribute_is_loaded_with_its_object_if_it_is_a_method(monkeypatch, name, argument, may_be_method, pushes):
    """Since 3.12, the lowest bit of the argument says so."""
    monkeypatch.setattr(loop_frames, "_ATTRIBUTE_MAY_BE_METHOD", may_be_method)
    assert loop_frames._pushes_self(SimpleNamespace(opname=name, arg=argument)) is pushes


def test_only_code_that_names_such_a_method_may_run_a_loop():
    assert may_run_loop(plain.__code__)
    assert not may_run_loop(make_nothing.__code__)


def make_nothing():
    """Name no method."""


def test_handle_run_is_that_of_asyncio():
    class Handle:
        def _run(self):
            """Have the name alone."""

    assert is_handle_run(asyncio.events.Handle._run.__code__)
    assert not is_handle_run(Handle._run.__code__)
    assert not is_handle_run(asyncio.events.Handle.cancel.__code__)
