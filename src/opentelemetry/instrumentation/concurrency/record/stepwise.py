"""Generators whose steps run in a block each, for context managers that `long_lived` declares.

The code between two steps belongs to the user of the generator: the body of a ``with`` statement must not run in the
block. A context variable set inside a generator would stay set there.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

Block = Callable[[], AbstractContextManager[Any]]


def stepwise(start: Callable[..., Generator[Any, Any, Any]], block: Block) -> Callable[..., Generator[Any, Any, Any]]:
    """Return a generator function whose generators do what those of another do, each step in a block of its own.

    Args:
        start: Returns the generator.
        block: Returns a new context manager for a step.
    """

    @functools.wraps(start)
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = start(*args, **kwargs)
        step: Callable[[Any], Any] = generator.send
        argument: Any = None
        while True:
            try:
                with block():
                    value = step(argument)
            except StopIteration as stop:
                return stop.value
            finally:
                # An exception that refers to this frame must not be one of its variables.
                argument = None
            try:
                argument = yield value
                step = generator.send
            except GeneratorExit:
                with block():
                    generator.close()
                raise
            except BaseException as error:  # noqa: BLE001 (all of them go to the generator)
                step, argument = generator.throw, error

    return run


def stepwise_async(
    start: Callable[..., AsyncGenerator[Any, Any]], block: Block
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an asynchronous generator function whose generators run each step in a block, as `stepwise` does.

    Args:
        start: Returns the asynchronous generator.
        block: Returns a new context manager for a step.
    """

    @functools.wraps(start)
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        generator = start(*args, **kwargs)
        step: Callable[[Any], Any] = generator.asend
        argument: Any = None
        while True:
            try:
                with block():
                    value = await step(argument)
            except StopAsyncIteration:
                return
            finally:
                argument = None
            try:
                argument = yield value
                step = generator.asend
            except GeneratorExit:
                with block():
                    await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 (all of them go to the generator)
                step, argument = generator.athrow, error

    return run
