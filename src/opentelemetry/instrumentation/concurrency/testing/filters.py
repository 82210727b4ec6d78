"""What is no leak: filters by creator, by function, by innermost frame, by name, or by what was there already.

A filter is a ``Rule``, or any function that takes a ``Leak`` and returns whether to leave it out. Patterns are:

* an exact name: ``shop.pool.Pool.start``;
* a prefix, with three dots at its end: ``shop.pool...``;
* a glob: ``shop.*.start``, ``*/vendored/*.py``.

For functions they are compared with ``module.function`` and with the absolute path of the file. A pattern that could
never match is refused, because a filter that does nothing looks like one that works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from .leak import Leak

_GLOB_CHARACTERS: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Rule:
    """A named filter.

    Attributes:
        name: What it is called in messages: ``ignore_top('shop.poll')``.
        holds: Tells whether it leaves a leak out.
        reason: Why, for people; may be empty.
    """

    name: str
    holds: Callable[[Leak], bool]
    reason: str = ""

    def __call__(self, leak: Leak) -> bool:
        """Tell whether the rule leaves ``leak`` out."""
        return self.holds(leak)

    def __repr__(self) -> str:
        return self.name


Filter = Rule | Callable[[Leak], Any]


def ignore_current() -> Rule:
    """Leave out every task and thread that exists at the moment of this call, by serial number.

    May be built anywhere, also after a warm-up in the middle of the block: ``check.ignore(ignore_current())``.
    """
    from .recording import recording

    tasks, threads = recording().marks()
    limits = {"task": tasks, "thread": threads}
    # Serial 0 is one that was destroyed: it is not there any more, so it is not what exists now.
    return Rule("ignore_current()", lambda leak: 0 < leak.serial <= limits[leak.kind])


def ignore_creator(*patterns: str) -> Rule:
    """Leave out what was created by a function: any frame of the creation stack up to the test, or the creation site.

    Raises:
        TypeError: A pattern is no string.
        ValueError: There is none, or one can never match.
    """
    matches = _function_matcher("ignore_creator", patterns)

    def holds(leak: Leak) -> bool:
        return matches(leak.site) or any(matches(frame) for frame in leak.creation_stack)

    return Rule(_call_text("ignore_creator", patterns), holds)


def ignore_function(*patterns: str) -> Rule:
    """Leave out what runs or waits in a function, anywhere in its present stack. Raises as ``ignore_creator``."""
    matches = _function_matcher("ignore_function", patterns)
    return Rule(_call_text("ignore_function", patterns), lambda leak: any(matches(frame) for frame in leak.stack))


def ignore_top(*patterns: str) -> Rule:
    """Leave out what waits in a function: the innermost frame, or the innermost one of the application.

    The innermost frame of most waits is the library's (``asyncio.queues.Queue.get``); a pattern may name that or the
    line of yours that called it. Raises as ``ignore_creator``.
    """
    matches = _function_matcher("ignore_top", patterns)

    def holds(leak: Leak) -> bool:
        tops = (leak.stack[-1] if leak.stack else None, leak.waiting_at)
        return any(top is not None and matches(top) for top in tops)

    return Rule(_call_text("ignore_top", patterns), holds)


def ignore_name(*patterns: str | re.Pattern[str]) -> Rule:
    """Leave out tasks and threads by their name; a compiled regular expression has to match it whole.

    Raises:
        TypeError: A pattern is neither a string nor a compiled regular expression.
        ValueError: There is none, or one is empty.
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
        TypeError: One is no filter, or a filter was named and not called.
    """
    if isinstance(filters, str):
        raise TypeError(
            f"ignore={filters!r}: a text says not what it names; write ignore_name({filters!r}), or one of "
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
    """Tell whether one of ``filters`` leaves ``leak`` out.

    Raises:
        RuntimeError: A filter raised; its exception is the cause.
    """
    for one in filters:
        try:
            if one(leak):
                return True
        except Exception as error:
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
        raise ValueError(f"{function}() needs at least one pattern: without one it would leave nothing out")
    for pattern in patterns:
        if not isinstance(pattern, kinds):
            raise TypeError(f"{function}() takes patterns as text, got {pattern!r}")
        if isinstance(pattern, str) and not pattern.strip(". "):
            raise ValueError(f"{function}({pattern!r}): an empty pattern would leave everything out or nothing")
    return patterns


def _is_like(name: str, pattern: str) -> bool:
    if pattern.endswith("..."):
        return name.startswith(pattern[:-3])
    return name == pattern or (bool(_GLOB_CHARACTERS & set(pattern)) and fnmatchcase(name, pattern))


def _call_text(function: str, patterns: tuple[Any, ...]) -> str:
    return f"{function}({', '.join(repr(pattern) for pattern in patterns)})"


_FACTORIES: Final = (ignore_current, ignore_creator, ignore_function, ignore_top, ignore_name)
