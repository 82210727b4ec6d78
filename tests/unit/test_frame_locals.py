"""Reading the variables of a running frame leaves no trace in it."""

import gc
import sys
import weakref

import pytest

from opentelemetry.instrumentation.concurrency.record.frame_locals import parameter_names, variables_of

WRITES_BACK = pytest.mark.skipif(sys.version_info >= (3, 13), reason="needs Python <= 3.12: f_locals is a view since")


class Thing:
    """Can be weakly referenced."""


def read_caller():
    return variables_of(sys._getframe(1))


def test_variables_and_closure_are_read():
    shared = 1

    def called(first, *rest, key=None, **more):
        own = first + shared
        return read_caller(), own

    values, _ = called(1, 2, key=3, other=4)
    assert values == {"first": 1, "rest": (2,), "key": 3, "more": {"other": 4}, "own": 2, "shared": 1}


def test_deleted_variable_dies_at_once():
    """Up to 3.12 the dictionary that f_locals leaves behind would keep it until the function returns."""
    thing = Thing()
    reference = weakref.ref(thing)
    assert read_caller()["thing"] is thing
    del thing
    assert reference() is None


def test_dictionary_from_locals_is_not_refreshed():
    def function():
        value = 1
        taken = locals()
        value = 2
        read_caller()
        return taken["value"], value

    assert function() == (1, 2)


@WRITES_BACK
def test_frame_that_another_reader_holds_is_left_alone():
    """Emptying the dictionary would take away what a debugger has just got."""

    def function():
        value = 1
        taken = read_by_other()
        assert read_caller() is None
        return taken, value

    def read_by_other():
        return sys._getframe(1).f_locals

    taken, value = function()
    assert taken["value"] == value


def test_traced_frame_keeps_its_variables():
    """A trace function writes the dictionary back into the variables: an emptied one would delete them."""

    def function():
        value = 1
        read_caller()
        later = value + 1
        return value, later

    before = sys.gettrace()
    sys.settrace(lambda *_: lambda *_: None)
    try:
        found = function()
    finally:
        sys.settrace(before)
    assert found == (1, 2)


@pytest.mark.parametrize("source", ["import sys\nfound = read()", "class Body:\n    value = 1\n    found = read()"])
def test_module_and_class_bodies_are_not_read(source):
    """Their variables are the namespace itself."""
    scope = {"read": read_caller}
    exec(source, scope)
    assert (scope.get("found") or (scope.get("Body") and scope["Body"].__dict__["found"])) is None
    gc.collect()


def test_parameter_names_are_those_of_the_signature():
    def function(first, /, second, *rest, key, **more):
        return first

    assert parameter_names(function.__code__) == ("first", "second", "key", "rest", "more")
