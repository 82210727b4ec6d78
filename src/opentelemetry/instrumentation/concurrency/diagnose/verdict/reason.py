"""The reason in a report: the verdict and its evidence in a few sentences."""

from __future__ import annotations

from collections.abc import Iterable

from ...durations import duration_text
from ...record.naming import CodeLine, relative_path
from ...record.site import BEFORE_ATTACH
from ..introspection.fingerprint import NamedFrame
from ..introspection.swallowed_cancels import swallowed_text
from .group import Group

_MOST_CALLERS = 5


def line_text(place: NamedFrame | CodeLine) -> str:
    """Return a line of code as ``shop.search.ask (shop/search.py:24)``."""
    return f"{place.function} ({relative_path(place.path)}:{place.line})"


def reason(group: Group, wait_reason: str, age_s: float, stalled_s: float | None, cancel_requests: int = 0) -> str:
    """Return the verdict on a group and its evidence, in sentences.

    Args:
        group: The group, with its representative.
        wait_reason: The wait reason of the representative.
        age_s: Age of the representative in seconds.
        stalled_s: Seconds for which it has waited for the same object; None if unknown.
        cancel_requests: How often it was asked to cancel and went on.
    """
    noun = f"{group.site.kind}{'' if group.count == 1 else 's'}"
    where = "created before attach" if group.site.function == BEFORE_ATTACH else "started at this line"
    many = f"{group.count} {noun} {where}"
    if group.verdict == "destroyed":
        return f"{many} {'was' if group.count == 1 else 'were'} garbage-collected while pending: {group.evidence}."
    if group.verdict == "growing":
        return " ".join(_growing(group))
    shown = "It is" if group.count == 1 else "The one shown is"
    if group.representative is not None and group.representative.before_attach:
        shown += " at least"
    sentences = [
        *_guilty_spawner(group),
        f"{many} {'has' if group.count == 1 else 'have'} leaked.",
        f"{shown} {duration_text(age_s)} old: {group.evidence}.",
        _waits(wait_reason, stalled_s),
        *_swallowed(cancel_requests),
        *_left_at_exit(group),
    ]
    return " ".join(sentences)


def _guilty_spawner(group: Group) -> Iterable[str]:
    if group.guilty_spawner is not None:
        yield f"Every line that starts {group.site.kind}s through {line_text(group.guilty_spawner)} leaks them."


def _swallowed(cancel_requests: int) -> Iterable[str]:
    if cancel_requests:
        clause = swallowed_text(cancel_requests)
        yield f"{clause[0].upper()}{clause[1:]}."


def _left_at_exit(group: Group) -> Iterable[str]:
    if group.left_at_exit:
        many = f"{group.left_at_exit} more {'was' if group.left_at_exit == 1 else 'were'}"
        it = "it" if group.left_at_exit == 1 else "them"
        yield f"{many} pending when main returned, and asyncio.run had to cancel {it}."


def _growing(group: Group) -> Iterable[str]:
    kind = group.site.kind
    if group.callers:
        yield f"The number of live {kind}s started through this line keeps growing: {group.evidence}."
        shown = group.callers[:_MOST_CALLERS]
        lines = ", ".join(f"{count} by {line_text(line)}" for line, count in shown)
        more = len(group.callers) - len(shown)
        others = f" and others by {more} more line{'' if more == 1 else 's'}" if more else ""
        yield f"No creating line stands out: {lines}{others}."
    else:
        yield f"The number of live {kind}s started at this line keeps growing: {group.evidence}."
    if group.waits:
        places = ", ".join(
            f"{count} in {waits_for}{f' at {line_text(frame)}' if frame is not None else ''}"
            for frame, waits_for, count in group.waits
        )
        yield f"Old {kind}s wait: {places}."


def _waits(wait_reason: str, stalled_s: float | None) -> str:
    if stalled_s is not None and stalled_s >= 1:
        return f"It has waited in {wait_reason} for the same object for {duration_text(stalled_s)}."
    return f"Its wait reason is {wait_reason}."
