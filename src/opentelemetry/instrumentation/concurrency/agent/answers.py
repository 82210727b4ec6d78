"""What each request of the command line does in the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..census.counts import count_live
from ..census.snapshot import LivePicture
from ..diagnose.picture import iter_pictures
from ..record.site import Kind, Site
from ..render.process_info import this_process
from ..render.snapshot_json import SnapshotWriter
from ..version import __version__
from .cancelling import answer_cancel
from .condition import condition
from .conversation import Conversation
from .counted import answer_counted
from .leaks import answer_leaks
from .places import start_of
from .protocol import Reply, RequestError
from .slices import in_slices
from .target import Target
from .top_sites import is_ours, top_sites

_KINDS: Final[tuple[Kind, ...]] = ("task", "thread")
_QUICK_COUNT: Final = 50_000

Pause = Callable[[], None]


class Answers:
    """Answers the requests of the command line.

    Args:
        target: The process.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._requests: dict[str, Callable[[Conversation, Reply, Pause], None]] = {
            "snapshot": self._snapshot,
            "counted": self._counted,
            "stats": self._stats,
            "leaks": self._leaks,
            "condition": self._condition,
            "cancel": self._cancel,
            "announce": self._announce,
        }

    def answer_at_once(self, conversation: Conversation, reply: Reply) -> bool:
        """Answer ``hello``, which may not wait for other requests. Returns whether it was one."""
        if conversation.request["request"] != "hello":
            return False
        reply.facts.update(self._hello())
        return True

    def answer(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        """Answer any other request.

        Raises:
            RequestError: If it is refused.
        """
        name = conversation.request["request"]
        answer = self._requests.get(name)
        if answer is None:
            message = (
                f"The process has version {__version__} of the instrumentation, which has no request {name[:40]!r}."
            )
            raise RequestError("request", message)
        answer(conversation, reply, pause)

    def _hello(self) -> dict[str, Any]:
        target = self._target
        diagnosed = target.diagnosed
        tasks, threads = self._quick_counts()
        process = this_process()
        return {
            "pid": os.getpid(),
            "start": start_of("self"),
            "python": process.python_version,
            "service": process.service_name,
            "version": process.instrumentation_version,
            "tasks": tasks,
            "threads": threads,
            "orphans": sum(each.orphaned + each.unwakeable for each in list(diagnosed.orphans.values())),
            "unwakeable": sum(each.unwakeable for each in list(diagnosed.orphans.values())),
            "suspects": len(diagnosed.suspects),
            "uptime_s": round(target.uptime_s(), 3),
            "allow_cancel": target.settings.allow_cancel,
        }

    def _quick_counts(self) -> tuple[int | None, int | None]:
        """Count exactly where that is quick and the census does not scan; else as the last scan did, if any has."""
        census = self._target.census
        look = census.last_look
        if look is None or sum(tally.live for tally in look.tasks) < _QUICK_COUNT:
            try:
                with census.locked(timeout_s=0.2):
                    counts = count_live(census)
                return counts.tasks, counts.threads
            except TimeoutError:
                # It scans: what the last scan counted is the answer, below.
                pass
        if look is None:
            return None, None
        return sum(tally.live for tally in look.tasks), sum(tally.live for tally in look.threads)

    def _snapshot(self, _conversation: Conversation, reply: Reply, pause: Pause) -> None:
        writer = SnapshotWriter()
        with self._target.census.locked():
            for picture in self.pictures(pause):
                writer.add(picture)
        writer.write(reply)

    def _counted(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_counted(self._target, conversation.request, reply, pause)

    def pictures(self, pause: Pause) -> Iterable[LivePicture]:
        """Yield every task and thread, with pauses. The caller holds the census' lock."""
        for kind in _KINDS:
            yield from in_slices(iter_pictures(self._target.census, self._target.diagnosis, kind, pause), pause)

    def _stats(self, _conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        target = self._target
        census = target.census
        with census.locked():
            counts = count_live(census)
            created = {
                "tasks": _created(target.recorder.task_sites.sites),
                "threads": _created(target.recorder.thread_sites.sites),
            }
            loops = [
                {"type": f"{type(loop).__module__}.{type(loop).__qualname__}", "state": _state_of(loop)}
                for loop in census.loops
            ]
        reply.facts.update(self._hello())
        reply.facts.update(
            sites=top_sites(target),
            tasks=counts.tasks,
            threads=counts.threads,
            created=created,
            os_threads=_os_threads(),
            loops=loops,
            delays=target.loop_delays(),
            scan_age_s=round(target.scan_age_s(), 3),
            scan_duration_s=round(census.last_duration_s, 6),
            reports_dropped=dict(target.reports_dropped()),
        )

    def _leaks(self, _conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_leaks(self._target, reply, pause)

    def _condition(self, _conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        reply.facts.update(condition(self._target))

    def _cancel(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_cancel(self._target, conversation, reply, pause)

    def _announce(self, conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        """Tell telemetry that somebody serves this process' pages."""
        if conversation.request.get("action") != "serve":
            raise RequestError("request", "Only the action 'serve' can be announced.")
        self._target.tell_control("serve", conversation.peer, str(conversation.request.get("address", ""))[:200], 1)
        reply.facts["announced"] = True


def _created(sites: Iterable[Site]) -> int:
    return sum(site.created for site in list(sites) if not is_ours(site))


def _state_of(loop: Any) -> str:
    if loop.is_closed():
        return "closed"
    return "running" if loop.is_running() else "stopped"


def _os_threads() -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 (names alone)
    except OSError:
        return None
