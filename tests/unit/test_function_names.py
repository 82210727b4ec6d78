"""Names of functions by their code, found in the classes of a module."""

import functools

from opentelemetry.instrumentation.concurrency.record.naming import _collect_names


class Shop:
    def query(self):
        def ask():
            """Be nested."""

        return ask

    @property
    def size(self):
        return 1

    @staticmethod
    def close():
        """Be static."""

    @classmethod
    def open(cls):
        """Be of the class."""


def traced(function):
    @functools.wraps(function)
    def wrapper():
        return function()

    return wrapper


@traced
def job():
    """Be wrapped."""


def names_of(owner, module=__name__):
    names = {}
    _collect_names(owner, module, names)
    return {name for _, name in names.values()}


def test_names_of_a_class_are_those_of_its_members_and_their_nested_functions():
    found = names_of(Shop)
    assert {"Shop.query", "Shop.size", "Shop.close", "Shop.open"} <= found
    assert any(name.endswith("ask") for name in found)


def test_names_of_a_class_from_another_module_are_not_collected():
    """Its own module names them."""
    assert names_of(Shop, "elsewhere") == set()


def test_names_of_other_objects_are_not_collected():
    assert names_of(Shop()) == set()
    assert names_of(3) == set()


def test_names_of_a_wrapped_function_include_the_wrapper():
    names = {}
    _collect_names(job, __name__, names)
    assert names[id(job.__code__)][1] == "job"
    assert names[id(job.__wrapped__.__code__)][1] == "job"
