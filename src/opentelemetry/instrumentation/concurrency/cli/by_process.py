"""A table by creation site with one column per process, where a command asks several."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..snapshot.values import CreationSite
from .left_out import more_rows
from .site_cells import SITE_COLUMNS, site_cells
from .tables import number, table

_RANK_OF_PROCESS: Final = 5
"""On a narrow terminal, the columns of processes go after that of the function that runs, the last process first."""


def table_by_process(
    arguments: Namespace, counted: Sequence[tuple[str, Counter[CreationSite]]], most: int | None = None
) -> Iterable[str]:
    """Return the table, the site with the highest sum first.

    Args:
        arguments: The arguments of the command; their output form and ``no_headers`` count.
        counted: For each process its label, and how many it has at each site.
        most: Maximum number of sites; None for all.
    """
    total: Counter[CreationSite] = sum((counts for _, counts in counted), Counter())
    rows = (
        (str(count), *(str(counts[site]) for _, counts in counted), *site_cells(site))
        for site, count in total.most_common(most)
    )
    return table(
        (number("TOTAL"), *(number(label, rank=_RANK_OF_PROCESS) for label, _ in counted), *SITE_COLUMNS),
        rows,
        wide=arguments.output == "wide",
        with_headings=not arguments.no_headers,
        names_hidden=True,
    )


def summary_by_process(
    arguments: Namespace,
    what: str,
    counted: Sequence[tuple[str, Counter[CreationSite]]],
    most: int | None = None,
) -> Iterator[str]:
    """Yield the table below a heading, behind what is shown of each process; nothing for a single process.

    Args:
        arguments: As for `table_by_process`.
        what: What is counted, as a noun phrase.
        counted: As for `table_by_process`.
        most: As for `table_by_process`.
    """
    if len(counted) < 2 or not any(counts.total() for _, counts in counted):
        return
    yield "\n"
    if not arguments.no_headers:
        yield f"{len(counted)} processes, {what} by site:\n"
    yield from table_by_process(arguments, counted, most)
    if most is not None:
        known = {site for _, counts in counted for site, count in counts.items() if count}
        yield from more_rows(len(known) - most, "sites")
