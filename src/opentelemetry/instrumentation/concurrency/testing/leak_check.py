"""The leak test ``check_leaks``: context manager and decorator."""

from __future__ import annotations

import functools
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, TypeVar

from ..own_log import own_logger
from ..record.internals.of_asyncio import running_loop
from .baseline import Baseline
from .filters import Filter, checked_filters
from .known_rules import KNOWN_RULES, KnownRule
from .leak_error import LeakWarning, together
from .running_check import ACTIONS, Action, CheckOptions, LeakCheck
from .scope import enter_scope, leave_scope, open_scope_here
from .settling import never

_logger = own_logger()

F = TypeVar("F", bound=Callable[..., Any])


class check_leaks:  # noqa: N801 (used like a function)
    """Fail if the block leaves tasks, threads and, if asked for, timers or sessions behind; name the creating line.

    ::

        with check_leaks():                     # also: async with check_leaks():
            asyncio.run(main())

        @check_leaks()                          # decorates a function or a coroutine function
        async def test_query(): ...

    Tasks and threads belong to the block if they are created in it, by something created in it, or in callbacks
    scheduled from it. Tests that run concurrently in one loop are distinguished by context. A clean block returns at
    once. Otherwise, the check repeats with doubling pauses until the block is clean or ``timeout`` has passed; it never
    blocks a running loop. Inside a running loop, a plain ``with`` cannot wait and checks once.

    Args:
        timeout: Maximum number of seconds to wait for tasks and threads that are about to end, at least 0.
        ignore: One or several filters: ``ignore_current()``, ``ignore_creator(…)``, ``ignore_function(…)``,
            ``ignore_top(…)``, ``ignore_name(…)`` of the ``testing`` package, or functions that take a ``Leak``.
        action: ``raise`` a ``LeakError``; ``warn`` with a ``LeakWarning`` at the line of the block or
            function; ``log`` a warning; ``cancel`` the remaining tasks and timers and log them.
        tasks: Whether to check tasks.
        threads: Whether to check threads.
        timers: Whether to check timers that the application schedules with ``call_later`` or ``call_at``.
        sessions: Whether to check that the aiohttp sessions and httpx clients of the application are closed.
        daemons: Whether to check daemon threads.
        everything: Whether to include tasks and threads without a known owner, which older code created meanwhile.
        runner_cancelled: Whether to include tasks that ``asyncio.run`` or another runner cancelled with its loop, and
            timers that were dropped when their loop was closed.
        destroyed: Whether to include tasks that were garbage-collected while pending, and open sessions likewise.
        stop_waiting: Ends the wait early: an event (``is_set``), a future (``done``), or a function that returns
            whether to end it.
        baseline: A ``Baseline`` or the path of its file: leaks that are tolerated for now.
        known: The infrastructure to ignore; None: ``KNOWN_RULES`` of the ``testing`` package.
        label: The name of the block in the report.

    Raises:
        TypeError, ValueError: At once, for an invalid argument.
        LeakError: At the end of the block; together with the body's own exception if there is one, see ``LeakError``.

    Cost: about 100 µs for a clean block, and 10 µs per creation in it.
    """

    def __init__(
        self,
        timeout: float = 5.0,
        *,
        ignore: Filter | Iterable[Filter] = (),
        action: Action = "raise",
        tasks: bool = True,
        threads: bool = True,
        daemons: bool = True,
        everything: bool = False,
        runner_cancelled: bool = True,
        destroyed: bool = True,
        stop_waiting: Any = None,
        baseline: Baseline | str | os.PathLike[str] | None = None,
        known: Iterable[KnownRule] | None = None,
        label: str = "",
        timers: bool = False,
        sessions: bool = False,
    ) -> None:
        if callable(timeout):
            raise TypeError("check_leaks does not take a function: write @check_leaks() with parentheses")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or math.isnan(timeout):
            raise TypeError(f"timeout={timeout!r}: expected seconds, got {type(timeout).__name__}")
        if timeout < 0:
            raise ValueError(f"timeout={timeout!r}: expected seconds, at least 0")
        if action not in ACTIONS:
            raise ValueError(f"action={action!r}: expected one of {', '.join(ACTIONS)}")
        if not any((tasks, threads, timers, sessions)):
            raise ValueError("tasks=False, threads=False: there would be nothing to check")
        self._options = CheckOptions(
            timeout=float(timeout),
            ignore=checked_filters(ignore),
            action=action,
            tasks=tasks,
            threads=threads,
            daemons=daemons,
            everything=everything,
            runner_cancelled=runner_cancelled,
            destroyed=destroyed,
            stop_waiting=_as_question(stop_waiting),
            baseline=baseline if isinstance(baseline, Baseline) or baseline is None else Baseline.load(baseline),
            known=KNOWN_RULES if known is None else tuple(known),
            label=label,
            timers=timers,
            sessions=sessions,
        )
        self._running: tuple[LeakCheck, Any] | None = None
        self._decorated: Callable[..., Any] | None = None

    def __enter__(self) -> LeakCheck:
        return self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        check = self._end()
        in_loop = running_loop() is not None
        try:
            check.finish(waits=not in_loop and not _is_urgent(error))
        finally:
            check.close()
        report(check, error, _NO_WAIT if in_loop else "", decorated=self._decorated)

    async def __aenter__(self) -> LeakCheck:
        return self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        check = self._end()
        try:
            if _is_urgent(error):
                check.finish(waits=False)
            else:
                await check.finish_in_loop()
        finally:
            check.close()
        report(check, error, decorated=self._decorated)

    def __call__(self, function: F) -> F:
        """Decorate a function or a coroutine function, so that each call is a separate check."""
        if inspect.isclass(function) or not callable(function):
            raise TypeError(f"check_leaks() decorates functions and coroutine functions, got {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"check_leaks() cannot know when a generator ends: decorate what runs {function!r}")
        options = self._options if self._options.label else _labelled(self._options, function)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                async with _from_options(options, function):
                    return await function(*args, **kwargs)

            return run  # type: ignore[return-value]  # has the signature of the function

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with _from_options(options, function):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]  # has the signature of the function

    @property
    def options(self) -> CheckOptions:
        """The validated arguments."""
        return self._options

    def begin(self) -> LeakCheck:
        """Begin a check in a custom runner: call ``finish()`` at the end, and raise what ``error()`` returns.

        The check is not current in the context unless it was entered, so use ``everything=True``.
        """
        return LeakCheck(self._options, parent=open_scope_here())

    def _begin(self) -> LeakCheck:
        if self._running is not None:
            raise RuntimeError("this check_leaks() is already running: create one per block")
        check = self.begin()
        self._running = check, enter_scope(check.scope)
        return check

    def _end(self) -> LeakCheck:
        if self._running is None:
            raise RuntimeError("this check_leaks() was not entered")
        (check, token), self._running = self._running, None
        leave_scope(token)
        return check


_NO_WAIT: Final = "inside a running loop, 'with' cannot wait for what is about to end: use 'async with'"


def report(
    check: LeakCheck, error: BaseException | None, hint: str = "", *, decorated: Callable[..., Any] | None = None
) -> None:
    """Carry out the action of a finished check; raise without masking ``error``, the body's own exception.

    Args:
        check: The check.
        error: The exception of its body.
        hint: A remark on the result.
        decorated: The checked function, to which a warning then points; None for a block.
    """
    leak_error = check.error(hint)
    if leak_error is None:
        return
    if check.options.action == "warn":
        code = getattr(decorated, "__code__", None)
        if code is None:
            warnings.warn(LeakWarning(str(leak_error)), stacklevel=3)
        else:
            warnings.warn_explicit(LeakWarning(str(leak_error)), LeakWarning, code.co_filename, code.co_firstlineno)
    elif check.options.action in ("log", "cancel"):
        can_cancel = any(leak.kind in ("task", "timer") for leak in check.leaks)
        done = " and cancelled" if check.options.action == "cancel" and can_cancel else ""
        _logger.warning("Found%s: %s", done, leak_error)
    elif error is None:
        raise leak_error
    else:
        both = together(error, leak_error)
        if both is not error:
            raise both from None


def _from_options(options: CheckOptions, decorated: Callable[..., Any]) -> check_leaks:
    made = check_leaks.__new__(check_leaks)
    made._options, made._running, made._decorated = options, None, decorated
    return made


def _labelled(options: CheckOptions, function: Callable[..., Any]) -> CheckOptions:
    return replace(options, label=getattr(function, "__qualname__", ""))


def _as_question(stop: Any) -> Callable[[], bool]:
    if stop is None:
        return never
    for name in ("is_set", "done"):
        question = getattr(stop, name, None)
        if callable(question):
            return lambda: bool(question())
    if callable(stop):
        return lambda: bool(stop())
    raise TypeError(f"stop_waiting={stop!r}: expected an event, a future or a function, got {type(stop).__name__}")


def _is_urgent(error: BaseException | None) -> bool:
    """Return whether the body was interrupted, so that the check must not delay it."""
    return error is not None and not isinstance(error, Exception)
