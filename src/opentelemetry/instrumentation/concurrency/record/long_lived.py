"""Declarations of long-lived tasks and threads, made with `long_lived`.

The declaration is kept in a context variable, which a new task copies; recording a task does not read it. The creator
of a task shows whether the task was started directly in the block, rather than by something that was. A declared server
therefore does not hide the leaks of its requests.
"""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable

# Private: contextlib has no public name for what its two decorators return.
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from contextvars import Context, ContextVar, Token
from types import TracebackType
from typing import Any, Final, TypeVar
from weakref import ReferenceType, ref

from .creator import current_creator
from .internals.of_threading import target_field
from .raw_fields import attributes_of, type_dict, type_mro
from .started import functions_behind
from .stepwise import stepwise, stepwise_async

F = TypeVar("F", bound=Callable[..., Any])


class Declaration:
    """An entered block: the reason for what it starts to stay, and the task or thread that entered it."""

    __slots__ = ("covers_creator", "creator", "reason")

    def __init__(self, reason: str, creator: ReferenceType[Any] | None, *, covers_creator: bool) -> None:
        self.reason = reason
        self.creator = creator
        self.covers_creator = covers_creator


_DECLARATION: Final[ContextVar[Declaration | None]] = ContextVar("otel_concurrency_long_lived", default=None)
_threads: Final[dict[int, tuple[ReferenceType[Any], str]]] = {}
"""Reasons by address of the thread: threads may define their own hash."""

_functions: Final[dict[str, str]] = {}
"""Reasons by the qualified name of the decorated function, in the form of `Site.runs`."""

_REASON: Final = "_otel_concurrency_long_lived"
"""Attribute of a declared function that threads may run."""

EVER_DECLARED: Final[list[bool]] = []
"""Empty until the first block is entered, so that the thread hook does no work in processes without declarations."""


class long_lived:  # noqa: N801 (used as a decorator and in `with`, as `contextlib.suppress` is)
    """Declare tasks and threads as long-lived: never orphans, never suspects, but still counted and shown.

    As a context manager, it covers tasks and threads that the block starts directly::

        with long_lived("polls the feature flags"):
            self._poller = asyncio.create_task(self._poll())

    As a decorator of a coroutine function, it covers the task that runs the function, however that was started, and
    everything that the task starts directly. As a decorator of a plain function, it covers the thread that runs the
    function and everything that the call starts directly. As a decorator of a context manager made with
    `contextlib.contextmanager` or `contextlib.asynccontextmanager`, above or below that decorator, it covers everything
    that entering and leaving start directly, but nothing that the body of the ``with`` statement starts.

    Indirect descendants are not covered: a declared server does not hide the leaks of its requests. It works, and costs
    a microsecond, whether or not the process is instrumented.

    Args:
        reason: Why they stay, shown in snapshots. Must not be empty.

    Raises:
        TypeError: ``reason`` is not a string, for example because the decorator was written without one.
        ValueError: ``reason`` is empty.
    """

    def __init__(self, reason: str) -> None:
        if not isinstance(reason, str):
            raise TypeError(
                "long_lived() takes the reason as a string, "
                f'got {type(reason).__name__}: write @long_lived("why it stays")'
            )
        if not reason.strip():
            raise ValueError("long_lived() needs a non-empty reason: it is shown to operators")
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
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
        _functions[name.replace("<locals>.", "")] = reason
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_long_lived(*args: Any, **kwargs: Any) -> Any:
                block = long_lived(reason)
                block._covers_creator = True
                with block:
                    return await function(*args, **kwargs)

            return run_long_lived  # type: ignore[return-value]  # has the signature of the function

        if inspect.isgeneratorfunction(function):
            return stepwise(function, lambda: long_lived(reason))  # type: ignore[return-value]  # as above
        if inspect.isasyncgenfunction(function):
            return stepwise_async(function, lambda: long_lived(reason))  # type: ignore[return-value]  # as above

        @functools.wraps(function)
        def call_long_lived(*args: Any, **kwargs: Any) -> Any:
            with long_lived(reason):
                result = function(*args, **kwargs)
            return _declared_manager(result, reason)

        # Set on the function itself, so that it is found behind bound methods, partials and further decorators.
        call_long_lived.__dict__[_REASON] = reason
        return call_long_lived  # type: ignore[return-value]  # has the signature of the function


def _declared_manager(result: Any, reason: str) -> Any:
    """Return the result of a declared function; a context manager made from a generator runs its steps declared."""
    # Calling a generator function runs nothing of it, so the generator has not started yet.
    if isinstance(result, _GeneratorContextManager):
        of_manager = result.gen
        result.gen = stepwise(lambda: of_manager, lambda: long_lived(reason))()
    elif isinstance(result, _AsyncGeneratorContextManager):
        of_async_manager = result.gen
        result.gen = stepwise_async(lambda: of_async_manager, lambda: long_lived(reason))()
    return result


def note_thread(thread: Any) -> None:
    """Remember a thread that is started in a declared block. Called by the hook on `threading.Thread.start`."""
    declaration = _DECLARATION.get()
    if declaration is not None and _is_same(declaration.creator, current_creator()):
        key = id(thread)
        _threads[key] = (ref(thread, lambda _: _threads.pop(key, None)), declaration.reason)


def declared_function(runs: str) -> str | None:
    """Return the reason declared for a function, or None if the function is not decorated.

    Args:
        runs: The qualified name with module, without ``<locals>.``.
    """
    return _functions.get(runs) if runs else None


def declared_thread(thread: Any) -> str | None:
    """Return the reason declared for a thread that was started in a declared block or runs a declared function.

    Returns:
        The reason, or None without a declaration.
    """
    reference, reason = _threads.get(id(thread), (None, ""))
    if reference is not None and reference() is thread:
        return reason
    target = target_field(thread)
    if target is None:
        target = next((type_dict(base)["run"] for base in type_mro(type(thread)) if "run" in type_dict(base)), None)
    reasons = (attributes_of(function).get(_REASON) for function in functions_behind(target))
    return next((each for each in reasons if type(each) is str), None)


def declared_task(task: Any, creator: ReferenceType[Any] | None) -> str | None:
    """Return the reason declared for a task, or None without a declaration.

    Args:
        task: The task.
        creator: The recorded weak reference to its creator.

    Cost: half a microsecond; nothing in a process without declarations.
    """
    if not EVER_DECLARED:
        return None
    # Before 3.12, a task's context has no public name; the garbage collector reports it in all versions.
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
    # the comparison is valid even when the creator is gone.
    return one is not None and one is other
