"""``tree``: who awaits whom, or who created whom; orphans first at the root, cycles shown, alike leaves as one line."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..census.snapshot import LivePicture
from ..render.place_text import function_text, state_text
from ..render.shown import quoted
from .failures import FINE
from .json_forms import pictures_json
from .sources import Taken, add_target, sources
from .stack import add_filters, holds
from .terminal import emit, emit_json

NAME: Final = "tree"
HELP: Final = "who awaits whom (--created: who created whom), orphans at the root"
EXAMPLES: Final = (
    "otel-concurrency tree 4711\notel-concurrency tree 4711 --created\notel-concurrency tree 4711 --site 'shop.*'"
)

_MAX_DEPTH: Final = 100

Children = Callable[[LivePicture], list[LivePicture]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_target(parser)
    parser.add_argument("--created", action="store_true", help="who created whom, not who awaits whom")
    add_filters(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    taken = [source.take() for source in sources(arguments)]
    if arguments.output == "json":
        emit_json([pictures_json(each, _chosen(arguments, each)) for each in taken])
        return FINE
    for each in taken:
        if len(taken) > 1:
            emit([f"process {each.snapshot.process_id}\n"])
        emit(tree_lines(each.snapshot.tasks, lambda one: holds(arguments, one), created=arguments.created))
    return FINE


def _chosen(arguments: argparse.Namespace, taken: Taken) -> Iterable[LivePicture]:
    return (picture for picture in taken.snapshot.tasks if holds(arguments, picture))


def tree_lines(
    tasks: Iterable[LivePicture], chooses: Callable[[LivePicture], bool], *, created: bool = False
) -> Iterator[str]:
    """Yield a forest, line by line.

    Args:
        tasks: All tasks of a process.
        chooses: Tells which roots to show: those chosen, and those above a chosen one.
        created: By creator, not by who awaits.
    """
    everything = {picture.serial: picture for picture in tasks}
    below: defaultdict[int, list[LivePicture]] = defaultdict(list)
    roots = []
    for picture in everything.values():
        above = [picture.creator] if created else list(picture.owners)
        above = [serial for serial in above if serial in everything and serial != picture.serial]
        for serial in above:
            below[serial].append(picture)
        # Of a circle each awaits another: without this it would have no root and never show.
        if not above or (picture.deadlock and picture.serial == min(picture.deadlock)):
            roots.append(picture)
    shown_roots = [root for root in roots if any(map(chooses, _family(root, below)))]
    shown_roots.sort(key=lambda root: (root.verdict is None, root.serial))
    yield from _forest(shown_roots, below, "", ())


def _family(root: LivePicture, below: dict[int, list[LivePicture]]) -> Iterator[LivePicture]:
    pending, seen = [root], set()
    while pending:
        picture = pending.pop()
        if picture.serial not in seen:
            seen.add(picture.serial)
            yield picture
            pending += below.get(picture.serial, ())


def _forest(
    siblings: list[LivePicture], below: dict[int, list[LivePicture]], indent: str, path: tuple[int, ...]
) -> Iterator[str]:
    """Yield siblings with what is below each; leaves that are alike are one line."""
    alike: dict[object, list[LivePicture]] = {}
    for picture in siblings:
        is_leaf = not below.get(picture.serial) and not picture.deadlock
        key = (picture.site, picture.stack, picture.wait_reason, picture.verdict) if is_leaf else picture.serial
        alike.setdefault(key, []).append(picture)
    groups = list(alike.values())
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        branch, deeper = ("", "") if not path else ("└── " if last else "├── ", "    " if last else "│   ")
        first = group[0]
        yield f"{indent}{branch}{_label(group)}\n"
        if first.serial in path or len(path) >= _MAX_DEPTH:
            continue
        children = [child for child in below.get(first.serial, ()) if child.serial not in (*path, first.serial)]
        yield from _forest(children, below, indent + deeper, (*path, first.serial))


def _label(group: list[LivePicture]) -> str:
    first = group[0]
    what = f"{len(group)} tasks like" if len(group) > 1 else "task"
    stall = max((one.stalled_s for one in group if one.stalled_s is not None), default=None)
    state = state_text(first.wait_reason, stall, first.verdict)
    line = f":{first.site.line}" if first.site.line else ""
    text = f"{what} {first.serial} {quoted(first.name)} {state} created by {function_text(first.site)}{line}"
    if first.deadlock:
        circle = " awaits ".join(f"task {serial}" for serial in (*first.deadlock, first.deadlock[0]))
        text += f"  deadlock: {circle}"
    return text
