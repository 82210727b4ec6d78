"""What code can reach from one of its variables."""

import asyncio
import collections
import functools
import types
import weakref
from typing import NamedTuple

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.variables import (
    attributes_of,
    called_by,
    entries_of,
    is_primitive,
    referent_of,
)


class Pair(NamedTuple):
    first: str
    second: str


class Thing:
    def method(self):
        return self


@pytest.mark.parametrize(
    "variable", [["a", "b"], ("a", "b"), {1: "a", 2: "b"}, Pair("a", "b"), collections.deque("ab")]
)
def test_entries_of_a_collection_are_its_values(variable):
    assert entries_of(variable) == ["a", "b"]


def test_entries_of_large_collections_are_the_collection():
    thing, many = Thing(), list(range(1_001))
    assert entries_of(thing) == [thing]
    assert entries_of(many) == [many]


def test_entries_of_a_class_that_lies_are_not_asked_of_it():
    class Lying(tuple):
        __slots__ = ()

        def __iter__(self):
            raise AssertionError

        def __len__(self):
            raise AssertionError

    assert entries_of(Lying("ab")) == ["a", "b"]


def test_callables_lead_to_the_objects_they_hold():
    thing = Thing()

    def closure(default=thing):
        return thing

    cells = called_by(closure)
    assert thing in cells
    assert [called_by(each) for each in cells if type(each) is types.CellType] == [[thing]]
    assert called_by(thing.method)[0] is thing
    assert called_by(functools.partial(print, thing, key=1)) == [print, thing, 1]
    assert called_by(thing) is None


def test_weak_reference_leads_to_its_object_except_registries():
    thing = Thing()
    registry = weakref.WeakSet({thing})
    assert referent_of(weakref.ref(thing)) is thing
    assert referent_of(weakref.WeakMethod(thing.method)) is thing
    assert [referent_of(each) for each in registry.data] == [None]


def test_attributes_exclude_entries_of_dictionaries():
    thing = Thing()
    thing.named, thing.numbered = "value", {1: "entry"}
    found = attributes_of(thing)
    assert "value" in found
    assert "entry" not in found


def test_large_dictionary_is_not_one_of_attributes():
    thing = Thing()
    thing.cache = {str(number): number for number in range(1_001)}
    assert thing.cache in attributes_of(thing)
    assert 1_000 not in attributes_of(thing)


def test_callable_with_defaults_that_lie_runs_none_of_their_code():
    class Lying(dict):
        def values(self):
            raise AssertionError

        get = values

    thing = Thing()

    def with_keyword(*, key=None):
        return key

    with_keyword.__kwdefaults__ = Lying(key=thing)
    assert called_by(with_keyword) == [thing]
    assert called_by(types.FunctionType(with_keyword.__code__, Lying())) == []


def test_primitives_are_those_of_asyncio_and_anyio():
    assert is_primitive(asyncio.Event())
    assert not is_primitive(Thing())
