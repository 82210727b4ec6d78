"""``counted``: tallies of live tasks or threads with equal properties, for grouped views.

A snapshot of a million tasks is 100 MB, the tallies are a few kilobytes. Clients that refresh every second therefore
request tallies.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any, Final

from ..record.naming import CodeLine
from ..snapshot.process_info import this_process
from ..snapshot.tally import Tally, tally
from ..snapshot.values import CreationSite
from .answer_shapes import COUNT, check
from .protocol import Reply, RequestError
from .target import Target

_PLAIN: Final = ("count", "age_total_s", "oldest_s", "longest_stall_s", "note", "creation_sampled")


def answer_counted(target: Target, request: dict[str, Any], reply: Reply, pause: Callable[[], None]) -> None:
    """Write the tallies of tasks or threads, largest first.

    Raises:
        RequestError: If the request names another kind.

    Cost: about 8 µs per task.
    """
    kind = request.get("kind", "task")
    if kind not in ("task", "thread"):
        raise RequestError("request", "Only tasks and threads can be counted.")
    live = target.live
    split_loops = request.get("split_loops") is True
    reply.facts.update(taken_at=time.time(), process=asdict(this_process()))
    with live.census.locked():
        counted = tally(
            live.summaries(pause) if kind == "task" else live.pictures("thread", pause), split_loops=split_loops
        )
    for piece in _pieces(counted):
        reply.write(piece)


def _pieces(counted: Iterable[Tally]) -> Iterator[str]:
    for each in counted:
        found = {name: getattr(each, name) for name in _PLAIN}
        found.update(
            kind=each.kind,
            # The function that runs and the spawners are separate: earlier versions of the command expect three values.
            site=[each.site.function, each.site.path, each.site.line],
            runs=each.site.runs,
            via=_frames(each.site.via),
            stack=_frames(each.stack),
            creation_stack=_frames(each.creation_stack),
            wait_reason=each.wait_reason,
            verdict=each.verdict,
            loop=each.loop,
        )
        yield json.dumps(found) + "\n"


def _frames(stack: Iterable[CodeLine]) -> list[list[Any]]:
    return [[entry.function, entry.path, entry.line] for entry in stack]


def read_counted(body: bytes) -> list[Tally]:
    """Return the tallies in an answer.

    Raises:
        ValueError: If the answer contains none.
    """
    try:
        return [_tally(json.loads(line)) for line in body.splitlines()]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        message = f"The answer contains no counts ({type(error).__name__}: {error})."
        raise ValueError(message) from None


def _tally(found: dict[str, Any]) -> Tally:
    check(found, COUNT)
    names = {field.name for field in fields(Tally)}
    made = {"verdict": None, **{name: value for name, value in found.items() if name in names}}
    function, path, line = found["site"]
    via = tuple(CodeLine(*entry) for entry in found.get("via", ()))
    made["site"] = CreationSite(function, path, line, found.get("runs", ""), via)
    for name in ("stack", "creation_stack"):
        made[name] = tuple(CodeLine(*entry) for entry in found[name])
    return Tally(**made)
