"""Generators whose steps run in a block each."""

import asyncio
import inspect
from contextlib import aclosing, contextmanager

import pytest

from opentelemetry.instrumentation.concurrency.record.stepwise import stepwise, stepwise_async


class Blocks:
    """Blocks that are counted, and whether one is open."""

    def __init__(self):
        self.open = False
        self.entered = 0

    @contextmanager
    def block(self):
        self.open, self.entered = True, self.entered + 1
        try:
            yield
        finally:
            self.open = False


@pytest.fixture
def blocks():
    return Blocks()


def test_stepwise_passes_values_errors_and_result(blocks):
    def generate():
        assert blocks.open
        got = yield 1
        try:
            yield got
        except KeyError:
            assert blocks.open
            yield "caught"
        return "result"

    run = stepwise(generate, blocks.block)
    assert inspect.isgeneratorfunction(run)
    generator = run()
    assert next(generator) == 1
    assert not blocks.open
    assert generator.send(2) == 2
    assert generator.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "result"
    assert blocks.entered == 4


def test_stepwise_closes_and_raises_what_it_got(blocks):
    closed = []

    def generate():
        try:
            yield
        finally:
            closed.append(blocks.open)

    run = stepwise(generate, blocks.block)
    generator = run()
    next(generator)
    generator.close()
    error = ValueError()
    generator = run()
    next(generator)
    with pytest.raises(ValueError, match=r"^$") as raised:
        generator.throw(error)
    assert raised.value is error
    assert closed == [True, True]


def test_stepwise_async_passes_values_errors_and_closes(blocks):
    closed = []

    async def generate():
        try:
            got = yield 1
            try:
                yield got
            except KeyError:
                await asyncio.sleep(0)
                yield blocks.open
        finally:
            closed.append(blocks.open)

    run = stepwise_async(generate, blocks.block)
    assert inspect.isasyncgenfunction(run)

    async def main():
        async with aclosing(run()) as generator:
            assert await generator.asend(None) == 1
            assert await generator.asend(2) == 2
            assert await generator.athrow(KeyError())
            assert not blocks.open
        assert closed == [True]
        assert [value async for value in run()] == [1, None]

    asyncio.run(main())
