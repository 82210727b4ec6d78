"""The difference of two snapshots by creation site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..snapshot.values import CreationSite, LiveGroup, Snapshot
from .name_text import sanitize_name
from .place_text import function_text, position_text

_HEADINGS: Final = ("KIND", "CHANGE", "BEFORE", "AFTER", "ORPHANS")


@dataclass(frozen=True, slots=True)
class SiteChange:
    """The number of live tasks or threads of one creation site, before and after.

    Attributes:
        kind: ``task`` or ``thread``.
        site: The creation site.
        before: Number in the earlier snapshot.
        after: Number in the later snapshot.
        orphans_before: Number of orphans in the earlier snapshot.
        orphans_after: Number of orphans in the later snapshot.
    """

    kind: Literal["task", "thread"]
    site: CreationSite
    before: int
    after: int
    orphans_before: int = 0
    orphans_after: int = 0

    @property
    def change(self) -> int:
        """The difference; negative if the number fell."""
        return self.after - self.before


def changes_by_site(before: Snapshot, after: Snapshot) -> tuple[SiteChange, ...]:
    """Return the sites whose number of live tasks, live threads or orphans changed, largest growth first.

    Args:
        before: The earlier snapshot.
        after: The later snapshot, also of another process. Sites are compared by function, file, line and the function
            that they run; the latter is ignored if a snapshot of an earlier version does not contain it.
    """
    with_runs = _knows_what_runs(before) and _knows_what_runs(after)
    earlier, later = _by_site(before.by_site, with_runs=with_runs), _by_site(after.by_site, with_runs=with_runs)
    changes = []
    for kind, site in {**later, **earlier}:
        was, now = earlier.get((kind, site)), later.get((kind, site))
        change = SiteChange(
            kind,
            site,
            was.count if was else 0,
            now.count if now else 0,
            was.orphans if was else 0,
            now.orphans if now else 0,
        )
        if change.change or change.orphans_before != change.orphans_after:
            changes.append(change)
    return tuple(sorted(changes, key=_order))


def changes_text(changes: Iterable[SiteChange]) -> Iterator[str]:
    """Yield changes as a table, line by line; one sentence if there are none."""
    rows = [(_HEADINGS, "CREATED BY"), *((columns_of(change), _place(change.site)) for change in changes)]
    if len(rows) == 1:
        yield "No creation site has more or fewer live tasks or threads.\n"
        return
    widths = [max(len(columns[number]) for columns, _ in rows) for number in range(len(_HEADINGS))]
    for columns, place in rows:
        cells = [
            columns[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(columns[1:], widths[1:], strict=True)),
        ]
        yield f"{'  '.join(cells)}  {place}\n"


def columns_of(change: SiteChange) -> tuple[str, ...]:
    """Return the cells of a change without its site: kind, change, before, after, orphans."""
    orphans = (
        f"{change.orphans_before} -> {change.orphans_after}" if change.orphans_before or change.orphans_after else ""
    )
    return change.kind, f"{change.change:+}", str(change.before), str(change.after), orphans


def _place(site: CreationSite) -> str:
    position = position_text(site)
    place = f"{function_text(site)} ({position})" if position else function_text(site)
    runs = [f"runs {sanitize_name(site.runs)}"] if site.runs else []
    return ", ".join([place, *runs, *(f"through {function_text(spawner)}" for spawner in site.via)])


def _knows_what_runs(snapshot: Snapshot) -> bool:
    """Return whether a snapshot contains the functions that its sites run."""
    sites = [group.site for group in snapshot.by_site if group.site.path]
    return not sites or any(site.runs for site in sites)


def _by_site(
    groups: Iterable[LiveGroup], *, with_runs: bool
) -> dict[tuple[Literal["task", "thread"], CreationSite], LiveGroup]:
    made: dict[tuple[Literal["task", "thread"], CreationSite], LiveGroup] = {}
    for group in groups:
        site = group.site if with_runs else replace(group.site, runs="", via=())
        known = made.get((group.kind, site))
        made[group.kind, site] = (
            group
            if known is None
            else replace(known, count=known.count + group.count, orphans=known.orphans + group.orphans)
        )
    return made


def _order(change: SiteChange) -> tuple[object, ...]:
    more_orphans = change.orphans_after - change.orphans_before
    site = change.site
    return -change.change, -more_orphans, change.kind, site.function, site.path, site.line, site.runs
