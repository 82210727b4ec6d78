"""Names that code stores, loads and awaits, read from its instructions, are those of `dis`, on every Python."""

import asyncio
import dis
import importlib
import inspect
import types

import pytest

from opentelemetry.instrumentation.concurrency.record.bytecode import (
    awaited_calls,
    contains_code,
    names_function,
    names_in,
)

MODULES = ["asyncio.base_events", "asyncio.tasks", "concurrent.futures.thread", "dataclasses", "typing", "argparse"]


def codes_of(code: types.CodeType):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


def by_dis(code: types.CodeType) -> tuple[set[str], set[str], set[str]]:
    found = {"STORE_ATTR": set(), "STORE_DEREF": set(), "LOAD_GLOBAL": set()}
    for each in dis.get_instructions(code):
        name = {"LOAD_NAME": "LOAD_GLOBAL"}.get(each.opname, each.opname)
        if name in found:
            found[name].add(each.argval)
    return found["STORE_ATTR"], found["STORE_DEREF"], found["LOAD_GLOBAL"]


@pytest.mark.parametrize("module", MODULES)
def test_names_agree_with_dis(module):
    source = inspect.getsource(importlib.import_module(module))
    for code in codes_of(compile(source, module, "exec")):
        names = names_in(code)
        assert (set(names.attributes), set(names.cells), set(names.loaded)) == by_dis(code), code


def test_rebound_and_deleted_parameters_are_stored_variables():
    def function(kept, bound, deleted, looped, unpacked):
        bound = kept
        del deleted
        for looped in bound:
            unpacked, looped = looped, unpacked
        return looped

    assert names_in(function.__code__).variables == {"bound", "deleted", "looped", "unpacked"}


def test_function_is_named_by_each_kind_of_name():
    def job():
        pass

    def calls(module):
        return module.job()

    def nested():
        return [job() for _ in range(2)], (lambda: job())

    def other(queue):
        return queue.pop()

    assert names_function(calls.__code__, "job")
    assert names_function(nested.__code__, "job")
    assert not names_function(other.__code__, "job")


def test_code_is_contained_at_any_depth():
    def outer():
        def middle():
            def inner():
                pass

            return inner

        return middle

    inner = outer()()
    assert contains_code(outer.__code__, inner.__code__)
    assert not contains_code(inner.__code__, outer.__code__)


def test_awaited_calls_are_those_of_variables_alone():
    """What is called back, passed on, or called on an object is not awaited by the function itself."""

    def outer(shared):
        async def function(self, plain, given, spread, passed, back, asked, nested, first):
            await plain()
            x = [0, await given(self, 1, key=passed), await nested(passed(2), self.x)]
            if await spread(*x, **self.options):
                back(x)
            await self.method(passed)
            await asked.method()
            await asyncio.wait_for(passed(), 1)
            await first(self.x if x else 2)
            return await shared(x)

        return function

    # A branch within the arguments hides a call; it is not looked for there.
    assert awaited_calls(outer(None).__code__) - {"first"} == {"plain", "given", "nested", "spread", "shared"}


@pytest.mark.parametrize("module", ["asyncio.base_events", "asyncio.tasks"])
def test_awaited_calls_of_any_code_are_names_of_variables(module):
    source = inspect.getsource(importlib.import_module(module))
    for code in codes_of(compile(source, module, "exec")):
        assert awaited_calls(code) <= {*code.co_varnames, *code.co_freevars, *code.co_cellvars}


def test_awaited_calls_are_read_once_per_code():
    async def ask(make):
        await make()

    assert awaited_calls(ask.__code__) is awaited_calls(ask.__code__)
    assert awaited_calls(ask.__code__) == {"make"}
