"""``counted``: living tasks or threads counted by what they share, for grouped views; small whatever their number.

A snapshot of a million tasks is 100 MB, their counts are a few kilobytes: who looks every second asks for these.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any, Final

from ..census.snapshot import CreationSite, StackEntry
from ..diagnose.picture import iter_glimpses, iter_pictures
from ..render.process_info import this_process
from ..render.tally import Tally, tally
from .protocol import Reply, RequestError
from .slices import in_slices
from .target import Target

_PLAIN: Final = ("count", "age_total_s", "oldest_s", "longest_stall_s", "note")


def answer_counted(target: Target, request: dict[str, Any], reply: Reply, pause: Callable[[], None]) -> None:
    """Write the counts of tasks or threads, most first.

    Raises:
        RequestError: If the request names another kind.

    Cost: about 8 µs a task.
    """
    kind = request.get("kind", "task")
    if kind not in ("task", "thread"):
        raise RequestError("request", "Only tasks and threads can be counted.")
    census, diagnosis = target.census, target.diagnosis
    split_loops = request.get("split_loops") is True
    reply.facts.update(taken_at=time.time(), process=asdict(this_process()))
    with census.locked():
        if kind == "task":
            counted = tally(in_slices(iter_glimpses(census, diagnosis, pause), pause), split_loops=split_loops)
        else:
            counted = tally(
                in_slices(iter_pictures(census, diagnosis, "thread", pause), pause), split_loops=split_loops
            )
    for piece in _pieces(counted):
        reply.write(piece)


def _pieces(counted: Iterable[Tally]) -> Iterator[str]:
    for each in counted:
        found = {name: getattr(each, name) for name in _PLAIN}
        found.update(
            kind=each.kind,
            site=[each.site.function, each.site.path, each.site.line],
            stack=_frames(each.stack),
            creation_stack=_frames(each.creation_stack),
            wait_reason=each.wait_reason,
            verdict=each.verdict,
            loop=each.loop,
        )
        yield json.dumps(found) + "\n"


def _frames(stack: Iterable[StackEntry]) -> list[list[Any]]:
    return [[entry.function, entry.path, entry.line] for entry in stack]


def read_counted(body: bytes) -> list[Tally]:
    """Return the counts that an answer holds.

    Raises:
        ValueError: If it holds none.
    """
    try:
        return [_tally(json.loads(line)) for line in body.splitlines()]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        message = f"These are no counts ({type(error).__name__}: {error})."
        raise ValueError(message) from None


def _tally(found: dict[str, Any]) -> Tally:
    names = {field.name for field in fields(Tally)}
    made = {name: value for name, value in found.items() if name in names}
    made["site"] = CreationSite(*found["site"])
    for name in ("stack", "creation_stack"):
        made[name] = tuple(StackEntry(*entry) for entry in found[name])
    return Tally(**made)
