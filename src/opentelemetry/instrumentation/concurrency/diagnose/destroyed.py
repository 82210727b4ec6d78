"""Destroyed tasks: one example per site, kept until it is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ..record.site import Site
from .introspection.fingerprint import named_chain
from .introspection.last_waits import LastWaits
from .verdict.group import Group
from .verdict.observation import Observation, coroutine_in, observe

_EVIDENCE: Final = (
    "it was referenced only by the objects that it waited for and by other such tasks; keep a reference to the task, "
    "as the asyncio documentation advises"
)
_AS_LAST_SEEN: Final = "the task had ended before it was inspected; the chain is that of the latest task of its site"
_MOST_SCANS: Final = 32
"""Maximum number of destroyed tasks of one site that are inspected until one of them shows where it waited."""


class DestroyedTasks:
    """Stores an observation of a destroyed task per site, and the number of tasks reported so far.

    Args:
        last_waits: The last known await chain per site.
    """

    def __init__(self, last_waits: LastWaits) -> None:
        self._last_waits = last_waits
        self._observations: dict[Site, tuple[Observation, int]] = {}
        self._reported: dict[Site, int] = {}
        self._since: dict[Site, float] = {}

    def note(self, site: Site, task: Any) -> None:
        """Inspect a task that is being destroyed. Called by the hook in the thread that collects the task.

        Cost: one await chain for the first tasks of a site since the last report, nothing for later ones.
        """
        known, scans = self._observations.get(site, (None, 0))
        if scans >= _MOST_SCANS or (known is not None and _is_whole(known)):
            return
        observation = observe("task", task, is_dying=True)
        if known is None or _is_whole(observation) or len(observation.chain) > len(known.chain):
            known = observation
        self._observations[site] = (known, scans + 1)

    def groups(self, now: float) -> Iterator[Group]:
        """Yield a group per site whose tasks were destroyed since its last report."""
        for site, (observation, _) in list(self._observations.items()):
            new = site.destroyed - self._reported.get(site, 0)
            if new > 0:
                yield Group(
                    site,
                    "destroyed",
                    site.destroyed,
                    _EVIDENCE,
                    self._since.setdefault(site, now),
                    last_observation=observation if _is_whole(observation) else self._as_last_seen(site, observation),
                    on_report=self._acknowledge(site, site.destroyed),
                )

    def _as_last_seen(self, site: Site, observation: Observation) -> Observation:
        """Complete the observation of an ended task with the await chain of the latest task of its site."""
        seen = self._last_waits.of(site.number)
        if seen is None:
            return observation
        chain, reason = seen
        return replace(
            observation,
            coroutine=observation.coroutine or coroutine_in(chain),
            chain=named_chain(chain),
            chain_note=_AS_LAST_SEEN,
            wait_reason=reason,
        )

    def _acknowledge(self, site: Site, count: int) -> Any:
        def acknowledge() -> None:
            self._reported[site] = count
            self._observations.pop(site, None)

        return acknowledge


def _is_whole(observation: Observation) -> bool:
    return bool(observation.chain) and not observation.chain_note
