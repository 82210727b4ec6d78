"""``cancel``: cancels leaked tasks if ``ALLOW_CANCEL`` permits it.

Threads are never cancelled, and neither are tasks whose await chain ends in a cycle, because ``cancel()`` fails there
with a RecursionError. The requesting user is reported and logged before the cancellation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import ReferenceType, ref

from ..live_process import LiveProcess
from ..snapshot.as_json import SnapshotWriter
from ..snapshot.values import LivePicture
from .conversation import Conversation
from .protocol import Reply, RequestError
from .target import Target

MAX_AT_ONCE: Final = 10_000
MAX_WAIT_S: Final = 60.0


@dataclass(slots=True)
class _Order:
    """The tasks to cancel.

    Attributes:
        site: Glob on the creating function, its file, its file and line, or the function that runs.
        verdict: Verdict of the tasks; empty for all tasks.
        limit: Maximum number of tasks.
        wait_s: Seconds to wait for the tasks to end.
        serials: Serial numbers from an earlier dry run; None for all matching tasks.
    """

    site: str
    verdict: str
    limit: int
    wait_s: float
    serials: frozenset[int] | None
    dry_run: bool

    def holds(self, picture: LivePicture) -> bool:
        return (
            picture.site.matches(self.site)
            and (not self.verdict or picture.verdict == self.verdict)
            and (self.serials is None or picture.serial in self.serials)
        )

    def __str__(self) -> str:
        return f"site={self.site}" + (f" verdict={self.verdict}" if self.verdict else "")


def answer_cancel(target: Target, conversation: Conversation, reply: Reply, pause: Callable[[], None]) -> None:
    """Write a snapshot of the matching tasks; unless it is a dry run, cancel them and report the outcome.

    Raises:
        RequestError: If the process does not allow it or the request is invalid.
    """
    order = _read(conversation.request)
    if not target.settings.allow_cancel and not order.dry_run:
        message = (
            "This process does not allow its tasks to be cancelled. To allow it, restart the process with "
            "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true in its environment; --dry-run shows what would be cancelled."
        )
        raise RequestError("denied", message)
    chosen, refused = _choose(target.live, order, reply, pause)
    reply.facts.update(
        allowed=target.settings.allow_cancel, matched=len(chosen), refused=refused, dry_run=order.dry_run
    )
    if order.dry_run or not chosen:
        return
    target.report_control_action("cancel", conversation.peer, str(order), len(chosen))
    asked, stopped = _ask(chosen)
    reply.facts.update(_watch(asked, order.wait_s, pause), not_running=stopped)


def _read(request: dict[str, Any]) -> _Order:
    site, verdict, limit = request.get("site"), request.get("verdict") or "", request.get("limit", 100)
    serials, wait_s = request.get("serials"), request.get("wait_s", 5.0)
    if not isinstance(site, str) or not site:
        raise RequestError(
            "request",
            "The request has no site: expected a glob on the creating function or file, or on the function that runs.",
        )
    if verdict not in ("", "orphaned", "unwakeable"):
        raise RequestError("request", "The verdict must be orphaned or unwakeable.")
    if type(limit) is not int or not 1 <= limit <= MAX_AT_ONCE:
        raise RequestError("request", f"The limit must be a whole number from 1 to {MAX_AT_ONCE}.")
    if type(wait_s) not in (int, float) or not 0 <= wait_s <= MAX_WAIT_S:
        raise RequestError("request", f"The wait must be from 0 to {MAX_WAIT_S:.0f} seconds.")
    if serials is not None and not (isinstance(serials, list) and all(type(each) is int for each in serials)):
        raise RequestError("request", "The serial numbers must be a list of whole numbers.")
    chosen = None if serials is None else frozenset(serials)
    return _Order(site, verdict, limit, float(wait_s), chosen, request.get("dry_run") is True)


def _choose(
    live: LiveProcess, order: _Order, reply: Reply, pause: Callable[[], None]
) -> tuple[list[ReferenceType[Any]], dict[str, int]]:
    """Write the pictures of the matching tasks; return the tasks to cancel, and the refused ones by reason."""
    writer, refused = SnapshotWriter(), {"cycle": 0, "limit": 0}
    census = live.census
    with census.locked():
        matching, ahead, cycles = [], {}, set()
        for picture in live.pictures("task", pause):
            if picture.deadlock:
                cycles.add(picture.serial)
            if picture.waits_for is not None:
                ahead[picture.serial] = picture.waits_for
            if order.holds(picture):
                matching.append(picture)
        chosen: list[ReferenceType[Any]] = []
        columns = census.tasks
        rows = {serial: row for row, serial in enumerate(columns.serials)}
        for picture in matching:
            if _leads_to(picture.serial, ahead, cycles):
                refused["cycle"] += 1
            elif len(chosen) >= order.limit:
                refused["limit"] += 1
            elif (task := columns.references[rows[picture.serial]]()) is not None:
                chosen.append(ref(task))
                writer.add(picture)
    writer.write(reply)
    return chosen, refused


def _leads_to(serial: int, ahead: dict[int, int], cycles: set[int]) -> bool:
    """Return whether a task is in an await cycle or awaits one: ``cancel()`` follows the chain of awaits."""
    seen: set[int] = set()
    at: int | None = serial
    while at is not None and at not in seen:
        if at in cycles:
            return True
        seen.add(at)
        at = ahead.get(at)
    return at is not None


def _ask(chosen: list[ReferenceType[Any]]) -> tuple[list[ReferenceType[Any]], int]:
    """Request the cancellation from the loops; return the tasks, and the number of tasks without a running loop."""
    asked, stopped = [], 0
    for reference in chosen:
        task = reference()
        if task is None or task.done():
            continue
        loop = task.get_loop()
        try:
            if loop.is_closed() or not loop.is_running():
                raise RuntimeError
            loop.call_soon_threadsafe(_cancel, reference)
        except RuntimeError:
            stopped += 1
            continue
        asked.append(reference)
    return asked, stopped


def _cancel(reference: ReferenceType[Any]) -> None:
    task = reference()
    if task is None:
        return
    try:
        task.cancel("otel-concurrency cancel")
    except TypeError:
        # A custom task class whose cancel() accepts no message.
        task.cancel()


def _watch(asked: list[ReferenceType[Any]], wait_s: float, pause: Callable[[], None]) -> dict[str, int]:
    """Wait up to ``wait_s`` until all tasks have ended, and count the outcomes."""
    deadline = time.monotonic() + wait_s
    left = asked
    while True:
        left = [reference for reference in left if (task := reference()) is not None and not task.done()]
        if not left or time.monotonic() >= deadline:
            return {"asked": len(asked), "ended": len(asked) - len(left), "swallowed": len(left)}
        pause()
        time.sleep(0.01)
