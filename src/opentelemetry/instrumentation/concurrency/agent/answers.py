"""Implementation of the requests of the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..diagnose.diagnosis import Diagnosed
from ..diagnose.executor_use import executor_rows
from ..record.site import Kind, Site
from ..record.threads import is_own_site
from ..report.silent_loops import SilentLoop
from ..snapshot.as_json import SnapshotWriter
from ..snapshot.functions import generators_left, never_awaited
from ..snapshot.process_info import this_process
from ..version import __version__
from .answer_shapes import EXECUTORS, GENERATORS
from .cancelling import answer_cancel
from .conversation import Conversation
from .counted import answer_counted
from .leaks import answer_leaks
from .planted_leak import answer_control
from .protocol import Reply, RequestError
from .site_facts import top_sites
from .socket_paths import start_of
from .status import status
from .target import Target

_KINDS: Final[tuple[Kind, ...]] = ("task", "thread")
_QUICK_COUNT: Final = 50_000
_ADDRESS_LIMIT: Final = 200

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
            "status": self._status,
            "cancel": self._cancel,
            "control": self._control,
            "announce": self._announce,
        }

    def answer_at_once(self, conversation: Conversation, reply: Reply) -> bool:
        """Answer ``hello`` without waiting for other requests; return False for any other request."""
        if conversation.request["request"] != "hello":
            return False
        reply.facts.update(self._hello())
        return True

    def answer(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        """Answer any other request.

        Raises:
            RequestError: If the request is refused.
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
        diagnosed = target.live.diagnosed
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
            "verdicts": {f"{kind}s": _verdicts(diagnosed, kind) for kind in _KINDS},
            "uptime_s": round(target.uptime_s(), 3),
            "recorder": target.live.recorder.task_recorder.name,
            "allow_cancel": target.settings.allow_cancel,
            "silent_loops": [each.as_facts(with_stack=False) for each in target.silent_loops(may_ask=False)],
        }

    def _quick_counts(self) -> tuple[int | None, int | None]:
        """Count exactly if that is quick and no scan is running; else return the counts of the last scan, if any."""
        census = self._target.live.census
        scan = census.last_scan
        if scan is None or sum(tally.live for tally in scan.tasks) < _QUICK_COUNT:
            try:
                counts = self._target.live.counts(timeout_s=0.2)
                return counts.tasks, counts.threads
            except TimeoutError:
                # A scan is running: use the counts of the last one, below.
                pass
        if scan is None:
            return None, None
        return sum(tally.live for tally in scan.tasks), sum(tally.live for tally in scan.threads)

    def _snapshot(self, _conversation: Conversation, reply: Reply, pause: Pause) -> None:
        writer = SnapshotWriter()
        live = self._target.live
        with live.census.locked():
            for kind in _KINDS:
                for picture in live.pictures(kind, pause):
                    writer.add(picture)
        writer.write(reply)

    def _counted(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_counted(self._target, conversation.request, reply, pause)

    def _stats(self, _conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        target = self._target
        census = target.live.census
        silent = target.silent_loops(may_ask=True)
        with census.locked():
            counts = target.live.counts()
            created = {
                "tasks": _created(target.live.recorder.task_sites.sites),
                "threads": _created(target.live.recorder.thread_sites.sites),
            }
            loops = [
                {"type": f"{type(loop).__module__}.{type(loop).__qualname__}", "state": _state_of(loop, silent)}
                for loop in census.loops
            ]
        sites = top_sites(target.live)
        executors = executor_rows(target.live.diagnosed.executors, census.clock.now())
        generators = generators_left(target.live.recorder)
        reply.facts.update(self._hello())
        reply.facts.update(
            sites=sites.rows,
            executors=executors.rows,
            generators_left=generators.shown,
            never_awaited=never_awaited(target.live.recorder),
            left_out={
                **sites.left_out,
                EXECUTORS: executors.left_out,
                GENERATORS: generators.left_out,
            },
            tasks=counts.tasks,
            threads=counts.threads,
            created=created,
            os_threads=_os_threads(),
            loops=loops,
            delays=target.loop_delays(),
            silent_loops=[each.as_facts() for each in silent],
            scan_age_s=round(target.scan_age_s(), 3),
            scan_duration_s=round(census.last_duration_s, 6),
            reports_dropped=dict(target.reports_dropped()),
        )

    def _leaks(self, _conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_leaks(self._target, reply, pause)

    def _status(self, _conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        reply.facts.update(status(self._target))

    def _cancel(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_cancel(self._target, conversation, reply, pause)

    def _control(self, conversation: Conversation, reply: Reply, pause: Pause) -> None:
        answer_control(self._target, conversation, reply, pause)

    def _announce(self, conversation: Conversation, reply: Reply, _pause: Pause) -> None:
        """Report that a user serves the pages of this process."""
        if conversation.request.get("action") != "serve":
            raise RequestError("request", "Only the action 'serve' can be announced.")
        address = conversation.request.get("address", "")
        if not isinstance(address, str):
            raise RequestError("request", "The address must be a text.")
        self._target.report_control_action("serve", conversation.peer, address[:_ADDRESS_LIMIT], 1)
        reply.facts["announced"] = True


def _verdicts(diagnosed: Diagnosed, kind: Kind) -> dict[str, int]:
    """Return the leaks of one kind that the last scan found."""
    found = [verdicts for site, verdicts in list(diagnosed.orphans.items()) if site.kind == kind]
    return {
        "orphans": sum(each.orphaned + each.unwakeable for each in found),
        "unwakeable": sum(each.unwakeable for each in found),
        "suspects": sum(site.kind == kind for site in list(diagnosed.suspects)),
    }


def _created(sites: Iterable[Site]) -> int:
    return sum(site.created for site in list(sites) if not is_own_site(site))


def _state_of(loop: Any, silent: Iterable[SilentLoop]) -> str:
    if any(each.loop() is loop for each in silent):
        return "blocked"
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
