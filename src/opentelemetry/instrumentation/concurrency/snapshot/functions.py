"""Functions whose generators were left half way, or whose coroutines were never awaited, as plain values."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ..record.generators import LEAST_GENERATORS, unfinished_generators
from ..record.naming import CodeLine
from ..record.recorder import Recorder

MAX_FUNCTIONS: Final = 50
"""Maximum number of functions in a list."""
_OTHER: Final = CodeLine("_OTHER", "", 0)


class Functions(NamedTuple):
    """A list of functions, most occurrences first, and the number of functions that it has no room for."""

    shown: list[dict[str, Any]]
    left_out: int


def line_facts(line: CodeLine) -> dict[str, Any]:
    """Return a line of code as plain values."""
    return {"function": line.function, "path": line.path, "line": line.line}


def generators_left(recorder: Recorder) -> Functions:
    """Return the functions whose asynchronous generators were left half way, with their number.

    Those with fewer than `LEAST_GENERATORS` are omitted.
    """
    found = unfinished_generators(recorder.task_sites.sites)
    many = sorted((item for item in found.items() if item[1] >= LEAST_GENERATORS), key=lambda item: -item[1])
    shown = [
        {"kind": "task", **line_facts(line), "runs": line.function, "via": [], "count": count}
        for line, count in many[:MAX_FUNCTIONS]
    ]
    return Functions(shown, len(many) - len(shown))


def never_awaited(recorder: Recorder) -> list[dict[str, Any]]:
    """Return the functions whose coroutines were never awaited, with the line that dropped most of them.

    Empty unless the setting `COUNT_UNAWAITED` is on. Those beyond `MAX_FUNCTIONS` are summed as ``_OTHER``, the last
    entry.
    """
    unawaited = recorder.unawaited
    if unawaited is None:
        return []
    most_first = sorted(unawaited.by_function().items(), key=lambda item: -item[1].count)
    shown = [_dropped(line, found.dropped, found.count) for line, found in most_first[:MAX_FUNCTIONS]]
    others = unawaited.others + sum(found.count for _, found in most_first[MAX_FUNCTIONS:])
    return [*shown, _dropped(_OTHER, _OTHER, others)] if others else shown


def _dropped(function: CodeLine, dropped: CodeLine, count: int) -> dict[str, Any]:
    return {"kind": "task", **line_facts(function), "dropped": line_facts(dropped), "count": count}
