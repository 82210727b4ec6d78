"""Filters for leaks to ignore, by creator, function, frame, name or existence.

A filter is a ``Rule``, or any function that takes a ``Leak`` and returns whether to ignore it. Patterns are:

* an exact name: ``shop.pool.Pool.start``;
* a prefix, with three dots at its end: ``shop.pool...``;
* a glob: ``shop.*.start``, ``*/vendored/*.py``.

Patterns for functions are compared with ``module.function`` and with the absolute path of the file; patterns for the
function that a task or thread runs, with the name only. A pattern that can never match raises an error, because a
filter without effect looks like one that works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from ..record.naming import CodeLine
from .leak import Leak

_GLOB_CHARACTERS: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Rule:
    """A named filter.

    Attributes:
        name: The name in messages: ``ignore_top('shop.poll')``.
        holds: Returns whether to ignore a leak.
        reason: Human-readable reason; may be empty.
    """

    name: str
    holds: Callable[[Leak], bool]
    reason: str = ""

    def __call__(self, leak: Leak) -> bool:
        """Return whether the rule ignores ``leak``."""
        return self.holds(leak)

    def __repr__(self) -> str:
        return self.name


Filter = Rule | Callable[[Leak], Any]


def ignore_current() -> Rule:
    """Ignore everything that exists at the moment of this call, by serial number.

    Can be called anywhere, also after a warm-up within the block: ``check.ignore(ignore_current())``.
    """
    from .optional_kinds import marks
    from .recording import recording

    tasks, threads = recording().marks()
    limits = {"task": tasks, "thread": threads, **marks()}
    # Serial number 0 belongs to a destroyed task, which does not exist any more.
    return Rule("ignore_current()", lambda leak: 0 < leak.serial <= limits.get(leak.kind, 0))


def ignore_creator(*patterns: str) -> Rule:
    """Ignore what a function created.

    The function may be that of the creating line or of any frame of the creation stack up to the test, including
    spawners and library functions.

    Raises:
        TypeError: A pattern is not a string.
        ValueError: There is no pattern, or one that can never match.
    """
    matches = _function_matcher("ignore_creator", patterns)

    def holds(leak: Leak) -> bool:
        return matches(leak.site) or any(matches(frame) for frame in leak.creation_stack)

    return Rule(_call_text("ignore_creator", patterns), holds)


def ignore_function(*patterns: str) -> Rule:
    """Ignore what was started to run a function, or has that function anywhere in its current stack.

    The started function is also found inside wrappers and before it runs. Raises like ``ignore_creator``.
    """
    matches = _function_matcher("ignore_function", patterns)

    def holds(leak: Leak) -> bool:
        return matches(CodeLine(leak.runs, "", 0)) or any(matches(frame) for frame in leak.stack)

    return Rule(_call_text("ignore_function", patterns), holds)


def ignore_top(*patterns: str) -> Rule:
    """Ignore what waits in a function: that of the innermost frame, or of the innermost application frame.

    The innermost frame of most waits belongs to a library (``asyncio.queues.Queue.get``). A pattern may name that
    function or the application's function that called it. Raises like ``ignore_creator``.
    """
    matches = _function_matcher("ignore_top", patterns)

    def holds(leak: Leak) -> bool:
        tops = (leak.stack[-1] if leak.stack else None, leak.waiting_at)
        return any(top is not None and matches(top) for top in tops)

    return Rule(_call_text("ignore_top", patterns), holds)


def ignore_name(*patterns: str | re.Pattern[str]) -> Rule:
    """Ignore tasks and threads by name, sessions by class; a compiled regular expression must match the whole name.

    Raises:
        TypeError: A pattern is neither a string nor a compiled regular expression.
        ValueError: There is no pattern, or an empty one.
    """
    checked = _checked("ignore_name", patterns, (str, re.Pattern))

    def holds(leak: Leak) -> bool:
        return any(
            pattern.fullmatch(leak.name) is not None
            if isinstance(pattern, re.Pattern)
            else _is_like(leak.name, pattern)
            for pattern in checked
        )

    return Rule(_call_text("ignore_name", patterns), holds)


def checked_filters(filters: Any) -> tuple[Filter, ...]:
    """Return ``filters``, one or several, as a tuple.

    Raises:
        TypeError: An item is not a filter, or is a filter factory that was not called.
    """
    if isinstance(filters, str):
        raise TypeError(
            f"ignore={filters!r}: a string does not show what it names; write ignore_name({filters!r}), or one of "
            "ignore_creator, ignore_function, ignore_top"
        )
    several = tuple(filters) if isinstance(filters, Iterable) else (filters,)
    for one in several:
        if isinstance(one, str):
            checked_filters(one)
        if one in _FACTORIES:
            raise TypeError(
                f"ignore={one.__name__}: call it, as in {one.__name__}({'' if one is ignore_current else '...'})"
            )
        if not callable(one):
            raise TypeError(
                f"ignore={one!r}: expected a rule or a function that takes a Leak, got {type(one).__name__}"
            )
    return several


def is_left_out(leak: Leak, filters: Iterable[Filter]) -> bool:
    """Return whether one of ``filters`` ignores ``leak``.

    Raises:
        RuntimeError: A filter raised; its exception is the cause.
    """
    for one in filters:
        try:
            if one(leak):
                return True
        except Exception as error:  # a filter may raise anything; raised again with its name
            raise RuntimeError(f"the filter {one!r} raised {type(error).__name__} on: {leak.headline}") from error
    return False


def _function_matcher(function: str, patterns: tuple[str, ...]) -> Callable[[Any], bool]:
    checked = _checked(function, patterns, (str,))
    for pattern in checked:
        if "." not in pattern and "/" not in pattern and "\\" not in pattern and not _GLOB_CHARACTERS & set(pattern):
            raise ValueError(
                f"{function}({pattern!r}) can never match: functions are named with their module. "
                f"Write {f'your.module.{pattern}'!r} or {f'*.{pattern}'!r}"
            )
    return lambda frame: any(_is_like(frame.function, pattern) or _is_like(frame.path, pattern) for pattern in checked)


def _checked(function: str, patterns: tuple[Any, ...], kinds: tuple[type, ...]) -> tuple[Any, ...]:
    if not patterns:
        raise ValueError(f"{function}() needs at least one pattern: without one it would ignore nothing")
    for pattern in patterns:
        if not isinstance(pattern, kinds):
            raise TypeError(f"{function}() takes patterns as strings, got {pattern!r}")
        if isinstance(pattern, str) and not pattern.strip(". "):
            raise ValueError(f"{function}({pattern!r}): an empty pattern would ignore everything or nothing")
    return patterns


def _is_like(name: str, pattern: str) -> bool:
    if pattern.endswith("..."):
        return name.startswith(pattern[:-3])
    return name == pattern or (bool(_GLOB_CHARACTERS & set(pattern)) and fnmatchcase(name, pattern))


def _call_text(function: str, patterns: tuple[Any, ...]) -> str:
    return f"{function}({', '.join(repr(pattern) for pattern in patterns)})"


_FACTORIES: Final = (ignore_current, ignore_creator, ignore_function, ignore_top, ignore_name)
