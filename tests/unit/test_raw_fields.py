"""Reading objects of the application without running its code."""

from typing import NamedTuple

from opentelemetry.instrumentation.concurrency.record.raw_fields import (
    attributes_of,
    items_within,
    module_name,
    named_attributes,
)


class Point(NamedTuple):
    x: int
    y: int


class Slots:
    __slots__ = ("empty", "taken")


class Both(Slots):
    """Has a dictionary as well."""


def test_named_attributes_are_those_of_dictionary_and_slots():
    found = Both()
    found.taken, found.own = 1, 2
    assert dict(named_attributes(found)) == {"taken": 1, "own": 2}


def test_named_attributes_skip_names_that_are_no_strings():
    """A subclass of a string may run code when it is compared."""
    found = Both()
    found.__dict__[3] = "number"
    found.__dict__[type("Name", (str,), {})("name")] = "subclass"
    assert list(named_attributes(found)) == []


def test_attributes_of_object_without_dictionary_are_empty():
    assert attributes_of(Slots()) == {}
    assert attributes_of(3) == {}


def test_module_name_is_a_string_in_any_dictionary():
    class Lying(dict):
        def get(self, *_):
            raise AssertionError("code of the application")

    assert module_name(Lying(__name__="shop")) == "shop"
    assert module_name({"__name__": 3}) == ""
    assert module_name({}) == ""


def test_items_within_containers_are_read_without_their_methods():
    class Lying(list):
        def __iter__(self):
            raise AssertionError("code of the application")

    assert items_within(Lying([1, 2])) == [1, 2]
    assert items_within(Point(1, 2)) == [1, 2]
    assert items_within({"key": "value"}) == ["value"]
    assert items_within({1, 2}) == []
