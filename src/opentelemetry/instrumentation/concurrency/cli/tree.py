"""``tree``: tasks by owner or by creator; orphans first, similar leaves merged into one line."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from ..render.name_text import quoted, sanitize_name
from ..render.place_text import created_by, function_text, position_text, state_text
from ..snapshot.grouping import alike
from ..snapshot.values import LivePicture
from .filters import add_filters, holds, say_if_none
from .fitting import fit_name, fit_path, shortest_path, terminal_width
from .json_forms import pictures_json
from .several import Asked
from .sources import add_target, sources
from .taken import Taken
from .terminal import emit, emit_json

NAME: Final = "tree"
HELP: Final = "tasks by the task that awaits them (--created: by the task that created them), orphans at the root"
EXAMPLES: Final = (
    "otel-concurrency tree 4711\notel-concurrency tree 4711 --created\notel-concurrency tree 4711 --site 'shop.*'"
)
FORMS: Final = ("table", "wide", "json")
HAS_HEADINGS: Final = True
REPEATS: Final = True

_MAX_DEPTH: Final = 100
_LEAST_NAME: Final = 12
_LINES_PER_TASK: Final = 4
"""Limit of lines: tasks that share owners at every level make a tree that doubles with each level."""

Children = Callable[[LivePicture], list[LivePicture]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--created", action="store_true", help="group by creator instead of by owner")
    add_filters(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = sources(arguments)
    asked = Asked(found, lambda source: source.take())
    if arguments.output == "json":
        emit_json([pictures_json(taken, _chosen(arguments, taken)) for _, taken in asked.in_order()])
        return asked.exit_code
    width = 0 if arguments.output == "wide" else terminal_width()
    for _, taken in asked:
        if len(found) > 1 and not arguments.no_headers:
            emit([f"process {taken.snapshot.process_id}\n"])
        tasks = taken.snapshot.tasks
        say_if_none(arguments, "task", tasks)
        emit(tree_lines(tasks, lambda one: holds(arguments, one), created=arguments.created, width=width))
    return asked.exit_code


def _chosen(arguments: argparse.Namespace, taken: Taken) -> Iterable[LivePicture]:
    return (picture for picture in taken.snapshot.tasks if holds(arguments, picture))


def tree_lines(
    tasks: Iterable[LivePicture], chooses: Callable[[LivePicture], bool], *, created: bool = False, width: int = 0
) -> Iterator[str]:
    """Yield a forest, line by line.

    Args:
        tasks: All tasks of a process.
        chooses: Returns whether to show a task; roots above such a task are shown too.
        created: Whether to group by creator instead of by owner.
        width: Width of the terminal; 0 for no limit.
    """
    everything = {picture.serial: picture for picture in tasks}
    below: defaultdict[int, list[LivePicture]] = defaultdict(list)
    roots = []
    for picture in everything.values():
        above = [picture.creator] if created else list(picture.owners)
        above = [serial for serial in above if serial in everything and serial != picture.serial]
        for serial in above:
            below[serial].append(picture)
        # In a cycle every task has an owner: without this the cycle would have no root and would not be shown.
        if not above or (picture.deadlock and picture.serial == min(picture.deadlock)):
            roots.append(picture)
    shown_roots = [root for root in roots if any(map(chooses, _family([root], below)))]
    shown_roots.sort(key=lambda root: (root.verdict is None, root.serial))
    most = _LINES_PER_TASK * len(everything) + _MAX_DEPTH
    shown: set[int] = set()
    lines = _forest(shown_roots, below, "", (), width, shown)
    yield from islice(lines, most)
    # Counted before the next line is made, which is not shown.
    missing = sum(picture.serial not in shown for picture in _family(shown_roots, below))
    left_out = f"{missing} task{'' if missing == 1 else 's'}"
    if next(lines, None) is not None:
        missing_text = f"{left_out} not shown" if missing else "no task is missing"
        text = f"tasks with several owners are shown below each; only the first {most} lines are shown"
        yield f"… ({text}: {missing_text})\n"
    elif missing:
        yield f"… ({left_out} below more than {_MAX_DEPTH} others not shown)\n"


def _family(roots: Iterable[LivePicture], below: dict[int, list[LivePicture]]) -> Iterator[LivePicture]:
    pending, seen = list(roots), set()
    while pending:
        picture = pending.pop()
        if picture.serial not in seen:
            seen.add(picture.serial)
            yield picture
            pending += below.get(picture.serial, ())


def _forest(
    siblings: list[LivePicture],
    below: dict[int, list[LivePicture]],
    indent: str,
    path: tuple[int, ...],
    width: int,
    shown: set[int],
) -> Iterator[str]:
    """Yield siblings with their descendants; similar leaves are merged into one line.

    The serial numbers of the tasks on the lines are added to ``shown``.
    """

    def key(picture: LivePicture) -> object:
        is_leaf = not below.get(picture.serial) and not picture.deadlock
        return (picture.site, picture.stack, picture.wait_reason, picture.verdict) if is_leaf else picture.serial

    groups = alike(siblings, key)
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        branch, deeper = ("", "") if not path else ("└── " if last else "├── ", "    " if last else "│   ")
        first = group[0]
        shown.update(one.serial for one in group)
        yield f"{_fitted(indent + branch, group, width) if width else indent + branch + _label(group)}\n"
        if first.serial in path or len(path) >= _MAX_DEPTH:
            continue
        children = [child for child in below.get(first.serial, ()) if child.serial not in (*path, first.serial)]
        yield from _forest(children, below, indent + deeper, (*path, first.serial), width, shown)


def _fitted(indent: str, group: list[LivePicture], width: int) -> str:
    """Return a line of the tree for a terminal: the task, its state, the creating line; then what fits."""
    first = group[0]
    site = first.site
    what, state = _what(group), _state(group)
    position = position_text(site) or function_text(site)
    text = f"{indent}{what} {first.serial} {state} "
    named = f"{indent}{what} {first.serial} {quoted(first.name)} {state} "
    if len(named) + shortest_path(position) <= width:
        text = named
    text += fit_path(position, max(width - len(text), shortest_path(position)))
    runs = sanitize_name(site.runs)
    room = width - len(text) - len(" runs ")
    if runs and room > _LEAST_NAME:
        text += f" runs {fit_name(runs, room)}"
    return text


def _what(group: list[LivePicture]) -> str:
    return f"{len(group)} tasks like task" if len(group) > 1 else "task"


def _state(group: list[LivePicture]) -> str:
    first = group[0]
    stall = max((one.stalled_s for one in group if one.stalled_s is not None), default=None)
    return state_text(first.wait_reason, stall, first.verdict, *(("deadlock",) if first.deadlock else ()))


def _label(group: list[LivePicture]) -> str:
    first = group[0]
    what = _what(group)
    stall = max((one.stalled_s for one in group if one.stalled_s is not None), default=None)
    state = state_text(first.wait_reason, stall, first.verdict)
    site = first.site
    line = f":{site.line}" if site.line else ""
    runs = f"runs {sanitize_name(site.runs)}, " if site.runs else ""
    text = f"{what} {first.serial} {quoted(first.name)} {state} {runs}{created_by(site)}{line}"
    if site.via:
        text += f", through {', '.join(map(function_text, site.via))}"
    if first.deadlock:
        cycle = " awaits ".join(f"task {serial}" for serial in (*first.deadlock, first.deadlock[0]))
        text += f"  deadlock: {cycle}"
    return text
