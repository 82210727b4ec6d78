"""Where the variable of a closure comes from, and which functions a frame finds by itself."""

import functools
import json
from json import dumps

from opentelemetry.instrumentation.concurrency.record.enclosing import (
    finds_function,
    has_method,
    is_imported_by_enclosing,
    is_parameter_of_enclosing,
)


def decorates(function):
    def inner():
        return function

    return inner


def imports():
    from json import dumps as function

    def inner():
        return function

    return inner


class Factory:
    """Encloses a function in a method."""

    def make(self, function):
        """Return a function that shares the parameter."""

        def inner():
            return function

        return inner


def shadows(function):
    def middle():
        function = len

        def inner():
            return function

        return inner

    return middle(), lambda: function


def passes_down(function):
    def middle():
        def inner():
            return function

        return inner

    return middle()


def calls_by_name():
    return dumps({})


def calls_member():
    return json.dumps({})


def names_the_module_alone():
    return json


@functools.wraps(dumps)
def decorated(*args):
    return dumps(*args)


def test_is_parameter_parameter_of_the_decorator_is_true():
    assert is_parameter_of_enclosing("function", decorates(dumps).__code__, globals())


def test_is_parameter_imported_variable_is_false():
    assert not is_parameter_of_enclosing("function", imports().__code__, globals())


def test_is_parameter_of_a_method_is_true():
    assert is_parameter_of_enclosing("function", Factory().make(dumps).__code__, globals())


def test_is_parameter_of_an_outer_function_is_true():
    assert is_parameter_of_enclosing("function", passes_down(dumps).__code__, globals())


def test_is_parameter_innermost_variable_of_the_name_decides():
    """The function between has a local variable of the same name."""
    inner, beside = shadows(dumps)
    assert not is_parameter_of_enclosing("function", inner.__code__, globals())
    assert is_parameter_of_enclosing("function", beside.__code__, globals())


def test_is_parameter_enclosing_function_not_found_is_false():
    assert not is_parameter_of_enclosing("function", decorates(dumps).__code__, {})


def test_is_imported_function_of_a_module_is_true():
    assert is_imported_by_enclosing(dumps, "function", imports().__code__, globals())


def test_is_imported_passed_function_is_false():
    assert not is_imported_by_enclosing(dumps, "function", decorates(dumps).__code__, globals())


def test_is_imported_function_that_no_module_holds_is_false():
    assert not is_imported_by_enclosing(decorates(dumps), "function", imports().__code__, globals())
    assert not is_imported_by_enclosing("no function", "function", imports().__code__, globals())


def test_is_imported_enclosing_function_not_found_is_false():
    assert not is_imported_by_enclosing(dumps, "function", imports().__code__, {})


def test_finds_function_by_its_global_name():
    assert finds_function(calls_by_name.__code__, globals(), [None, dumps.__code__])
    assert not finds_function(calls_by_name.__code__, globals(), [json.loads.__code__])


def test_finds_function_as_the_member_of_a_module():
    assert finds_function(calls_member.__code__, globals(), [dumps.__code__])
    assert not finds_function(names_the_module_alone.__code__, globals(), [dumps.__code__])


def test_finds_function_behind_a_decorator():
    def calls():
        return decorated({})

    assert finds_function(calls.__code__, globals(), [dumps.__code__])


def test_has_method_own_and_inherited_ones_only():
    class Derived(Factory):
        """Adds nothing."""

    class Other:
        def make(self):
            """Have the name alone in common."""

    assert has_method(Factory(), Factory.make.__code__)
    assert has_method(Derived(), Factory.make.__code__)
    assert not has_method(Factory(), decorates.__code__)
    assert not has_method(Other(), Factory.make.__code__)
