"""What the application declares to be meant to stay: tasks and threads started in a `long_lived` block.

The declaration travels in a context variable, which a new task copies; recording reads nothing of it for tasks. Whether
a task was started directly in the block, and not by something that was, is told by its creator, so that a declared
server does not hide the leaks of its requests.
"""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable
from contextvars import Context, ContextVar, Token
from types import TracebackType
from typing import Any, Final, TypeVar
from weakref import ReferenceType, ref

from .creator import current_creator

F = TypeVar("F", bound=Callable[..., Any])


class Declaration:
    """One entered block: why what it starts is meant to stay, and which task or thread entered it."""

    __slots__ = ("covers_creator", "creator", "reason")

    def __init__(self, reason: str, creator: ReferenceType[Any] | None, *, covers_creator: bool) -> None:
        self.reason = reason
        self.creator = creator
        self.covers_creator = covers_creator


_DECLARATION: Final[ContextVar[Declaration | None]] = ContextVar("otel_concurrency_long_lived", default=None)
_threads: Final[dict[int, tuple[ReferenceType[Any], str]]] = {}
"""By address: a thread may have a hash of its own."""

EVER_DECLARED: Final[list[bool]] = []
"""Empty until the first block is entered, so that the thread hook asks for nothing in a process without any."""


class long_lived:  # noqa: N801 (used as a decorator and in `with`, as `contextlib.suppress` is)
    """Declare that tasks and threads are meant to stay: never orphans, never suspects, still counted and shown.

    As a context manager it covers what the block starts directly::

        with long_lived("polls the feature flags"):
            self._poller = asyncio.create_task(self._poll())

    As a decorator of a coroutine function it covers the task that runs it and what that starts directly; of a plain
    function, what the call starts directly. What those start in turn is not covered: a declared server does not hide
    the leaks of its requests. Works, and costs a microsecond, whether the process is instrumented or not.

    Args:
        reason: Why, for the people who read the snapshot. Not empty.

    Raises:
        TypeError: ``reason`` is no string; also where the decorator was written without one.
        ValueError: ``reason`` is empty.
    """

    def __init__(self, reason: str) -> None:
        if not isinstance(reason, str):
            raise TypeError(
                f'long_lived() takes the reason as text, got {type(reason).__name__}: write @long_lived("why it stays")'
            )
        if not reason.strip():
            raise ValueError("long_lived() needs a reason that is not empty: it is what an operator will read")
        self._reason = reason
        self._covers_creator = False
        self._tokens: list[Token[Declaration | None]] = []

    def __enter__(self) -> None:
        if not EVER_DECLARED:
            EVER_DECLARED.append(True)
        made = Declaration(self._reason, current_creator(), covers_creator=self._covers_creator)
        self._tokens.append(_DECLARATION.set(made))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _DECLARATION.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """Decorate a function or a coroutine function."""
        reason = self._reason
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                block = long_lived(reason)
                block._covers_creator = True
                with block:
                    return await function(*args, **kwargs)

            return run  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with long_lived(reason):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def note_thread(thread: Any) -> None:
    """Remember a thread that is started in a declared block; called by the hook on `threading.Thread.start`."""
    declaration = _DECLARATION.get()
    if declaration is not None and _is_same(declaration.creator, current_creator()):
        key = id(thread)
        _threads[key] = (ref(thread, lambda _: _threads.pop(key, None)), declaration.reason)


def declared_thread(thread: Any) -> str | None:
    """Return why a thread is meant to stay, or None if nobody said so."""
    reference, reason = _threads.get(id(thread), (None, ""))
    return reason if reference is not None and reference() is thread else None


def declared_task(task: Any, creator: ReferenceType[Any] | None) -> str | None:
    """Return why a task is meant to stay, or None if nobody said so.

    Args:
        task: The task.
        creator: The weak reference that was recorded of its creator.

    Cost: half a microsecond; nothing in a process that never declared anything.
    """
    if not EVER_DECLARED:
        return None
    # The context of a task has no public name before 3.12; its garbage collector knows it in all versions.
    for found in gc.get_referents(task):
        if type(found) is Context:
            declaration = found.get(_DECLARATION)
            if declaration is None:
                continue
            if _is_same(declaration.creator, creator):
                return declaration.reason
            if declaration.covers_creator and declaration.creator is not None and declaration.creator() is task:
                return declaration.reason
    return None


def _is_same(one: ReferenceType[Any] | None, other: ReferenceType[Any] | None) -> bool:
    # Plain weak references to one object are one object as long as one of them lives, and the declaration holds one:
    # that tells even when the creator is gone.
    return one is not None and one is other
