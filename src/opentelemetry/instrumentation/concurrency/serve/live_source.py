"""What the debug pages show of the running process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Final

from ..census.snapshot import LivePicture
from ..installation import Installation
from ..render.output import write_text
from ..render.process_info import this_process
from ..render.profile import live_pictures, live_tallies, write_difference, write_live_snapshot, write_profile
from ..render.snapshot_json import write_snapshot
from .chunks import ChunkStream
from .overview import Facts, Selection, neighbours, overview, snapshot_of

_COUNTERS: Final = {"task": "task_sites", "thread": "thread_sites"}


class LiveSource:
    """The source of the debug pages of this process.

    Args:
        installation: What is installed.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def counts(self) -> Mapping[str, int]:
        """Return how many entries each profile has; of the leaks those that the last scan found."""
        live = self._installation.live_counts()
        found = self._installation.diagnosed.orphans
        leaked = sum(verdicts.orphaned + verdicts.unwakeable for site, verdicts in found.items() if site.kind == "task")
        return {"task": live.tasks, "taskleak": leaked, "thread": live.threads}

    def write_profile(self, name: str, stream: ChunkStream, debug: int) -> None:
        """Write a profile, as the public ``write_profile`` does."""
        write_profile(name, stream, debug)

    def write_difference(self, name: str, stream: ChunkStream, seconds: float) -> None:
        """Write what a profile gained and lost in so many seconds, as gzip protobuf."""
        write_difference(name, stream, seconds)

    def write_snapshot(self, stream: ChunkStream) -> None:
        """Write the JSON snapshot."""
        write_live_snapshot(stream)

    def write_overview(self, stream: ChunkStream) -> None:
        """Write what the live page draws, as JSON."""
        tallies = [*live_tallies("task"), *live_tallies("thread")]
        write_text([json.dumps(overview(tallies, self._facts()), separators=(",", ":"))], stream)

    def write_selection(self, stream: ChunkStream, selection: Selection) -> None:
        """Write the snapshot of some tasks or threads: those of a line, or those around one in the wait-for graph."""
        kind = selection.kind
        if selection.around is None:
            chosen: list[LivePicture] = []
            for picture in live_pictures(kind):
                if len(chosen) < selection.limit and selection.holds(picture):
                    chosen.append(picture)
        else:
            chosen = neighbours(live_pictures(kind), selection.around, selection.limit)
        write_snapshot(snapshot_of(tuple(chosen)), stream)

    def _facts(self) -> Facts:
        installation = self._installation
        recorder, process = installation.recorder, this_process()
        created = {
            (kind, site.function, site.path, site.line): site.created
            for kind, name in _COUNTERS.items()
            for site in list(getattr(recorder, name).sites)
        }
        return Facts(
            taken_at=time.time(),
            process={
                "process_id": process.process_id,
                "python_version": process.python_version,
                "service_name": process.service_name,
                "instrumentation_version": process.instrumentation_version,
                "uptime_s": round(installation.uptime_s(), 3),
                "scan_age_s": round(installation.scan_age_s(), 3),
            },
            created=created,
            growing={(site.kind, site.function, site.path, site.line) for site in installation.diagnosed.suspects},
            delays_s={name: round(delay, 6) for name, delay in installation.loop_delays().items()},
        )
