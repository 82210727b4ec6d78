"""Tables that fit the terminal: columns are cut to a readable width first, then dropped by rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..sanitize import sanitize
from .fitting import fit_command, fit_name, fit_path, sentence_lines, shortest_path, terminal_width

Cut = Literal["", "path", "name", "command"]
_CELL_LIMIT: Final = 4000
_GAP: Final = 2
_MAX_NAMED: Final = 8
_READABLE: Final = {"path": 26, "name": 18, "command": 24}
"""Width to which a column is cut before another one is dropped."""
_LEAST: Final = 8
_CUTS: Final[dict[str, Callable[[str, int], str]]] = {
    "path": fit_path,
    "name": fit_name,
    "command": fit_command,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        heading: The heading.
        is_number: Whether its cells are right-aligned.
        rank: 0: never dropped; otherwise the column with the highest rank is dropped first, of equals the last one.
        cut: How its cells are cut: a path keeps its file and line, a name its last parts, a command the names of its
            files. Empty: never cut.
    """

    heading: str
    is_number: bool = False
    rank: int = 0
    cut: Cut = ""


def number(heading: str, rank: int = 0) -> Column:
    """Return a column of numbers."""
    return Column(heading, is_number=True, rank=rank)


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    wide: bool,
    with_headings: bool,
    names_hidden: bool = False,
) -> Iterator[str]:
    """Yield a table, line by line; on a terminal it is fitted to the width.

    Args:
        columns: The columns.
        rows: The cells.
        wide: Whether to show all columns with complete cells, however long.
        with_headings: Whether to show the headings.
        names_hidden: Whether a last line names the numbers that do not fit.
    """
    made = [[sanitize(cell, _CELL_LIMIT) for cell in row] for row in rows]
    if with_headings:
        made.insert(0, [column.heading for column in columns])
    if not made:
        return
    widths = _fitted(columns, made, 0 if wide else terminal_width())
    for row in made:
        cells = [
            _cell(column, text, width) for column, text, width in zip(columns, row, widths, strict=True) if width >= 0
        ]
        yield (" " * _GAP).join(cells).rstrip() + "\n"
    hidden = [column.heading for column, width in zip(columns, widths, strict=True) if width < 0 and column.is_number]
    if names_hidden and hidden:
        more = f" and {len(hidden) - _MAX_NAMED} more" if len(hidden) > _MAX_NAMED else ""
        text = f"Columns that do not fit: {', '.join(hidden[:_MAX_NAMED])}{more}; -o wide shows them."
        yield from sentence_lines(text, terminal_width())


def _cell(column: Column, text: str, width: int) -> str:
    shown = _CUTS[column.cut](text, width) if column.cut else text
    return shown.rjust(width) if column.is_number else shown.ljust(width)


def _fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Return the width of each column; -1 for a dropped one."""
    natural = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    if not limit:
        return natural
    # A column whose cells are all empty has nothing to show but its heading.
    kept = [at for at, column in enumerate(columns) if not column.rank or any(row[at] for row in rows[1:])]
    while True:
        widths = _cut(columns, rows, natural, kept, limit, readable=True)
        ranked = [at for at in kept if columns[at].rank]
        if _total(widths, kept) <= limit or not ranked:
            break
        kept.remove(max(ranked, key=lambda at: (columns[at].rank, at)))
    if _total(widths, kept) > limit:
        widths = _cut(columns, rows, natural, kept, limit, readable=False)
    return [widths[at] if at in kept else -1 for at in range(len(columns))]


def _cut(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    natural: Sequence[int],
    kept: Sequence[int],
    limit: int,
    *,
    readable: bool,
) -> list[int]:
    """Return the widths after the widest columns that can be cut were cut, one column of text at a time."""
    widths = list(natural)
    least = {at: _least(columns[at], rows, at, natural[at], readable=readable) for at in kept if columns[at].cut}
    while _total(widths, kept) > limit:
        # The column that is furthest above its least width; a path gives way last.
        excess = {at: (widths[at] - width) * (1 if columns[at].cut == "path" else 2) for at, width in least.items()}
        widest = max(excess, key=lambda at: excess[at], default=None)
        if widest is None or excess[widest] <= 0:
            break
        widths[widest] -= 1
    return widths


def _least(column: Column, rows: Sequence[Sequence[str]], at: int, natural: int, *, readable: bool) -> int:
    least = _READABLE[column.cut] if readable else _LEAST
    if column.cut == "path":
        # A function stands for the line of a site without a file, and can be cut further.
        least = max([least, *(shortest_path(row[at]) for row in rows if "/" in row[at])])
    return min(natural, max(least, len(column.heading)))


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[at] for at in kept) + _GAP * (len(kept) - 1)
