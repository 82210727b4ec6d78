"""The data of the debug pages, from the running process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from ..diagnose.executor_use import executor_rows
from ..instrumented import InstrumentedProcess
from ..live_profile import live_pictures, live_tallies, write_difference, write_live_snapshot, write_profile
from ..record.site import Site
from ..snapshot.as_json import write_snapshot
from ..snapshot.functions import generators_left, never_awaited
from ..snapshot.output import write_text
from ..snapshot.process_info import this_process
from ..snapshot.values import CreationSite
from .chunks import ChunkStream
from .overview import Facts, Selection, SiteKey, chosen_of, overview, snapshot_of


class LiveSource:
    """The source of the debug pages of a process.

    Args:
        process: The process.
    """

    def __init__(self, process: InstrumentedProcess) -> None:
        self._process = process
        self._live = process.live
        self._live.load()

    def counts(self) -> Mapping[str, int]:
        """Return the number of entries per profile; for ``taskleak`` as of the last scan."""
        live = self._live.counts()
        found = self._live.diagnosed.orphans
        leaked = sum(verdicts.orphaned + verdicts.unwakeable for site, verdicts in found.items() if site.kind == "task")
        return {"task": live.tasks, "taskleak": leaked, "thread": live.threads}

    def write_profile(self, name: str, stream: ChunkStream, debug: int) -> None:
        """Write a profile, as the public ``write_profile`` does."""
        write_profile(self._live, name, stream, debug)

    def write_difference(self, name: str, stream: ChunkStream, seconds: float) -> None:
        """Write the difference of a profile over some seconds, as gzip protobuf."""
        write_difference(self._live, name, stream, seconds)

    def write_snapshot(self, stream: ChunkStream) -> None:
        """Write the JSON snapshot."""
        write_live_snapshot(self._live, stream)

    def write_overview(self, stream: ChunkStream) -> None:
        """Write the data of the live page as JSON."""
        tallies = [*live_tallies(self._live, "task"), *live_tallies(self._live, "thread")]
        write_text([json.dumps(overview(tallies, self._facts()), separators=(",", ":"))], stream)

    def write_selection(self, stream: ChunkStream, selection: Selection) -> None:
        """Write the snapshot of the selected tasks or threads: those of a site, or neighbours in the wait graph."""
        chosen = chosen_of(live_pictures(self._live, selection.kind), selection)
        write_snapshot(snapshot_of(chosen.pictures), stream, left_out=chosen.left_out)

    def _facts(self) -> Facts:
        instrumented, live, process = self._process, self._live, this_process()
        created: dict[SiteKey, int] = {}
        ended_badly: dict[SiteKey, tuple[int, int]] = {}
        for name in ("task_sites", "thread_sites"):
            for site in list(getattr(live.recorder, name).sites):
                key = _key(site)
                created[key] = created.get(key, 0) + site.created
                if site.destroyed or site.unretrieved:
                    destroyed, unretrieved = ended_badly.get(key, (0, 0))
                    ended_badly[key] = destroyed + site.destroyed, unretrieved + site.unretrieved
        memory: dict[SiteKey, int] = {}
        for (site, _), size in list(live.diagnosed.memory.items()):
            memory[_key(site)] = memory.get(_key(site), 0) + size
        executors = executor_rows(live.diagnosed.executors, live.census.clock.now())
        generators = generators_left(live.recorder)
        return Facts(
            taken_at=time.time(),
            process={
                "process_id": process.process_id,
                "python_version": process.python_version,
                "service_name": process.service_name,
                "instrumentation_version": process.instrumentation_version,
                "uptime_s": round(instrumented.uptime_s(), 3),
                "scan_age_s": round(instrumented.scan_age_s(), 3),
                "scan_duration_s": round(live.census.last_duration_s, 6),
            },
            created=created,
            growing={_key(site) for site in live.diagnosed.suspects},
            delays_s={name: round(delay, 6) for name, delay in instrumented.loop_delays().items()},
            ended_badly=ended_badly,
            memory=memory,
            impacts={_key(group.site): group.impact.texts for group in reversed(live.diagnosed.groups)},
            silent_loops=[each.as_facts() for each in instrumented.silent_loops(may_ask=False)],
            executors=executors.rows,
            generators_left=generators.shown,
            never_awaited=never_awaited(live.recorder),
            left_out={"executors": executors.left_out, "generators_left": generators.left_out},
        )


def _key(site: Site) -> SiteKey:
    return site.kind, CreationSite(site.function, site.path, site.line, site.runs, site.via)
