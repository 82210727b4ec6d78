"""Coroutines that were never awaited, counted by their function and by the line that dropped them.

The interpreter reports such a coroutine by a Python function of the module `warnings`. A wrapper around that function
would change the line of the warning, which is found by counting frames, and so would a hook behind it, which sees only
the first of several equal warnings. The function is therefore replaced by a copy with the same code, whose global names
are looked up in the same module, live, by way of a mapping that counts. No frame lies between the interpreter, the
function and the warning: text, line, filters, ``-W error`` and tracebacks are those of the original.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from types import CodeType, CoroutineType, FunctionType
from typing import Any, Final, NamedTuple

from .internals.of_warnings import set_unawaited_report, unawaited_report
from .naming import CodeLine, function_name
from .raw_fields import module_name

MAX_PLACES: Final = 1_000
"""Maximum number of pairs of coroutine function and line; further ones are summed."""
_LOOKED_UP: Final = "RuntimeWarning"
"""The built-in name that the function looks up once per coroutine."""


class UnawaitedPlace(NamedTuple):
    """A coroutine function, and a line that dropped its coroutines.

    Attributes:
        function: Qualified name of the coroutine function, with its file and first line.
        dropped: The line that ran when the coroutine was finalized: as a rule that of the call without ``await``.
    """

    function: CodeLine
    dropped: CodeLine


@dataclass(slots=True)
class UnawaitedFunction:
    """The coroutines of one function that were never awaited.

    Attributes:
        count: Their number.
        dropped: The line that dropped most of them.
    """

    count: int
    dropped: CodeLine


class UnawaitedCoroutines:
    """Counts coroutines that were never awaited.

    Attributes:
        counts: Number of coroutines by place.
        others: Number of coroutines at further places.
    """

    def __init__(self) -> None:
        self.counts: Counter[UnawaitedPlace] = Counter()
        self.others = 0
        self._original: FunctionType | None = None
        self._copy: FunctionType | None = None

    def install(self) -> bool:
        """Install the counting function; return whether this interpreter allows it."""
        original = unawaited_report()
        if self._copy is not None or original is None:
            return self._copy is not None
        is_as_expected = _LOOKED_UP in original.__code__.co_names and original.__closure__ is None
        if not is_as_expected or not _may_have_mappings_as_globals():
            return False
        names = _Names(original.__globals__, self._count)
        self._copy = FunctionType(original.__code__, names, original.__name__, original.__defaults__)
        self._original = original
        set_unawaited_report(self._copy)
        return True

    def uninstall(self) -> None:
        """Restore the original function, unless other code has replaced it since. The counts remain."""
        if self._original is not None and unawaited_report() is self._copy:
            set_unawaited_report(self._original)
        self._original = self._copy = None

    def by_function(self) -> dict[CodeLine, UnawaitedFunction]:
        """Return the counts by coroutine function, without `others`.

        Cost: a microsecond per place, of which there are at most `MAX_PLACES`.
        """
        # Copied by one C call, because coroutines are finalized concurrently.
        places = sorted(dict(self.counts).items(), key=lambda item: -item[1])
        found: dict[CodeLine, UnawaitedFunction] = {}
        for place, count in places:
            found.setdefault(place.function, UnawaitedFunction(0, place.dropped)).count += count
        return found

    def start_empty(self) -> None:
        """Drop the counts in a forked child."""
        self.counts.clear()
        self.others = 0

    def _count(self, frame: Any) -> None:
        """Count the coroutine of which a frame of the copied function reports. Never raises."""
        try:
            coroutine = frame.f_locals[frame.f_code.co_varnames[0]]
            if type(coroutine) is not CoroutineType:
                return
            place = UnawaitedPlace(_line_of(coroutine), _line_at(frame.f_back))
            if place in self.counts or len(self.counts) < MAX_PLACES:
                self.counts[place] += 1
            else:
                self.others += 1
        except Exception:  # noqa: BLE001, S110 (it runs within the report of the interpreter, which must not be lost)
            pass


class _Names(dict[str, Any]):
    """The global names of a module, each looked up in it live, which is empty itself.

    Args:
        module: The names of the module.
        on_report: Called with the frame that looks up `_LOOKED_UP`.
    """

    def __init__(self, module: dict[str, Any], on_report: Any) -> None:
        super().__init__({name: module[name] for name in ("__builtins__", "__name__") if name in module})
        self._module = module
        self._on_report = on_report

    def __missing__(self, name: str) -> Any:
        if name == _LOOKED_UP:
            self._on_report(sys._getframe(1))
        # A KeyError leads to the built-in names.
        return self._module[name]


def _line_of(coroutine: CoroutineType[Any, Any, Any]) -> CodeLine:
    code, frame = coroutine.cr_code, coroutine.cr_frame
    module = "" if frame is None else module_name(frame.f_globals)
    return CodeLine(function_name(code, module), code.co_filename, code.co_firstlineno)


def _line_at(frame: Any) -> CodeLine:
    if frame is None:
        return CodeLine("", "", 0)
    code: CodeType = frame.f_code
    return CodeLine(function_name(code, module_name(frame.f_globals)), code.co_filename, frame.f_lineno or 0)


def _may_have_mappings_as_globals() -> bool:
    """Return whether the interpreter looks up global names of a function in a mapping with ``__missing__``."""
    seen: list[Any] = []

    def look_up() -> Any:
        return RuntimeWarning, Counter

    names = _Names(globals(), seen.append)
    copy = FunctionType(look_up.__code__, names)
    try:
        found = copy()
    except Exception:  # noqa: BLE001 (an interpreter with other rules)
        return False
    return found == (RuntimeWarning, Counter) and len(seen) == 1
