"""A census filled by hand: its rows, times and creators are what a test wants."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary, ref

from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.census.loops import LoopRegistry
from opentelemetry.instrumentation.concurrency.census.scan import Scan, Tally
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Kind, Site
from opentelemetry.instrumentation.concurrency.record.tasks import task_is_finished
from opentelemetry.instrumentation.concurrency.record.threads import thread_is_finished


class Creator:
    """Stands for a task that created others."""


class Rows:
    """A census whose columns are filled by `add`, and its scans."""

    def __init__(self) -> None:
        self.sites: dict[Kind, list[Site]] = {"task": [], "thread": []}
        self.census: Any = SimpleNamespace(
            tasks=Columns(task_is_finished),
            threads=Columns(thread_is_finished),
            loops=LoopRegistry(),
            recorder=SimpleNamespace(
                task_sites=SimpleNamespace(sites=self.sites["task"]), executor_sites=WeakKeyDictionary()
            ),
        )

    def site(self, function: str = "shop.query", *, kind: Kind = "task", runs: str = "shop.ask") -> Site:
        """Make a creation site."""
        number = len(self.sites[kind])
        made = Site(kind, number, None, -2, "shop", own=CodeLine(function, "/srv/shop.py", number + 1), runs=runs)
        self.sites[kind].append(made)
        return made

    def add(
        self, found: Any, site: Site, *, at: float, creator: Any = None, ended: bool = False, span: Any = None
    ) -> Any:
        """Enter a task or thread.

        Args:
            found: What is live.
            site: Where it was created.
            at: When, in seconds of the age clock.
            creator: What created it; None for unknown.
            ended: Whether its creator has gone.
            span: The span record of its creation.
        """
        columns = self.census.tasks if site.kind == "task" else self.census.threads
        reference = ref(Creator()) if ended else ref(creator) if creator is not None else None
        columns.add(found, ref(found), site, at, reference, span)
        return found

    def scan(self, at: float, *, final: bool = False) -> Scan:
        """Return a scan of all rows."""
        tallies: dict[Kind, list[Tally]] = {"task": [], "thread": []}
        for kind, columns in (("task", self.census.tasks), ("thread", self.census.threads)):
            for site in self.sites[kind]:
                born = [columns.created_at[row] for row, number in enumerate(columns.sites) if number == site.number]
                if born:
                    tallies[kind].append(Tally(site, len(born), min(born)))
        return Scan(1, at, False, tuple(tallies["task"]), tuple(tallies["thread"]), final)
