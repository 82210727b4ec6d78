"""What changed between two snapshots, by creation site: the line that grew leaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..census.snapshot import CreationSite, LiveGroup, Snapshot
from .place_text import function_text, position_text

_HEADINGS: Final = ("KIND", "CHANGE", "BEFORE", "AFTER", "ORPHANS")


@dataclass(frozen=True, slots=True)
class SiteChange:
    """How many live ones one creation site had and has.

    Attributes:
        kind: ``task`` or ``thread``.
        site: Where they were created.
        before: How many there were.
        after: How many there are.
        orphans_before: How many of them were orphans.
        orphans_after: How many of them are.
    """

    kind: Literal["task", "thread"]
    site: CreationSite
    before: int
    after: int
    orphans_before: int = 0
    orphans_after: int = 0

    @property
    def change(self) -> int:
        """How many more there are; negative for less."""
        return self.after - self.before


def changes_by_site(before: Snapshot, after: Snapshot) -> tuple[SiteChange, ...]:
    """Return the sites whose number of live ones or orphans changed, most growth first.

    Args:
        before: The earlier snapshot.
        after: The later one; of another process too, since sites are compared by function, file and line.
    """
    earlier, later = _by_site(before.by_site), _by_site(after.by_site)
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
    rows = [(_HEADINGS, "CREATED BY"), *((_columns(change), _place(change.site)) for change in changes)]
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


def _columns(change: SiteChange) -> tuple[str, ...]:
    orphans = (
        f"{change.orphans_before} -> {change.orphans_after}" if change.orphans_before or change.orphans_after else ""
    )
    return change.kind, f"{change.change:+}", str(change.before), str(change.after), orphans


def _place(site: CreationSite) -> str:
    position = position_text(site)
    return f"{function_text(site)} ({position})" if position else function_text(site)


def _by_site(groups: Iterable[LiveGroup]) -> dict[tuple[Literal["task", "thread"], CreationSite], LiveGroup]:
    return {(group.kind, group.site): group for group in groups}


def _order(change: SiteChange) -> tuple[object, ...]:
    more_orphans = change.orphans_after - change.orphans_before
    return -change.change, -more_orphans, change.kind, change.site.function, change.site.path, change.site.line
