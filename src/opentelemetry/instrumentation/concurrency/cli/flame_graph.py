"""Flame graphs as a single SVG or HTML file, without scripts, fonts or network access.

The outermost frame is at the top; the width is the number of tasks. A tooltip shows the full name of a frame. Frames
narrower than a pixel are omitted and counted, and so are stacks deeper than `_MAX_DEPTH`, of which the innermost frames
are cut.

Flame graphs are by Brendan Gregg: https://www.brendangregg.com/flamegraphs.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final
from zlib import crc32

_WIDTH: Final = 1200
_ROW: Final = 18
_MARGIN: Final = 10
_HEAD: Final = 44
_CHARACTER: Final = 6.6
_MIN_WIDTH: Final = 1.0
_MAX_DEPTH: Final = 500


@dataclass(slots=True)
class _Frame:
    """A frame, the frames that it called, and the number of tasks in it."""

    name: str
    count: int = 0
    below: dict[str, _Frame] = field(default_factory=dict)


def flame_graph(stacks: Iterable[str], *, title: str, as_html: bool = False) -> Iterator[str]:
    """Yield a flame graph in pieces.

    Args:
        stacks: Folded stacks, each with its count.
        title: Title of the graph.
        as_html: Whether to write an HTML page instead of an SVG image.
    """
    root = _Frame("all")
    cut = 0
    for line in stacks:
        text, _, count = line.rstrip("\n").rpartition(" ")
        names = text.split(";")
        cut += int(count) if len(names) > _MAX_DEPTH else 0
        _add(root, names[:_MAX_DEPTH], int(count))
    drawn, left_out = _draw(root)
    height = _HEAD + (max((depth for _, _, depth, _ in drawn), default=0) + 1) * _ROW + _MARGIN
    if as_html:
        yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><body>\n'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="monospace" font-size="11">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{_MARGIN}" y="18" font-size="14">{escape(title)}: {root.count}</text>\n'
    )
    remarks = [f"{left_out} frames are too narrow to show"] if left_out else []
    if cut:
        remarks.append(f"{cut} stacks are cut after their outermost {_MAX_DEPTH} frames")
    if remarks:
        yield f'<text x="{_MARGIN}" y="34" fill="#666">{", ".join(remarks)}</text>\n'
    for frame, x, depth, width in drawn:
        yield _box(frame, x, depth, width, root.count)
    yield "</svg>\n"
    if as_html:
        yield "</body></html>\n"


def _add(root: _Frame, names: list[str], count: int) -> None:
    root.count += count
    at = root
    for name in names:
        at = at.below.setdefault(name, _Frame(name))
        at.count += count


def _draw(root: _Frame) -> tuple[list[tuple[_Frame, float, int, float]], int]:
    """Return each frame with its left edge, depth and width, and the number of frames that are too narrow."""
    scale = (_WIDTH - 2 * _MARGIN) / max(1, root.count)
    drawn, left_out = [], 0
    pending = [(root, float(_MARGIN), 0)]
    while pending:
        frame, x, depth = pending.pop()
        width = frame.count * scale
        if width < _MIN_WIDTH:
            left_out += 1
            continue
        drawn.append((frame, x, depth, width))
        for below in sorted(frame.below.values(), key=lambda each: each.name):
            pending.append((below, x, depth + 1))
            x += below.count * scale
    return drawn, left_out


def _box(frame: _Frame, x: float, depth: int, width: float, total: int) -> str:
    y = _HEAD + depth * _ROW
    shade = crc32(frame.name.encode("utf-8", "replace"))
    colour = "#c9d1d9" if depth == 0 else f"hsl({20 + shade % 35},80%,{62 + shade // 64 % 14}%)"
    share = 100 * frame.count / max(1, total)
    room = int((width - 6) / _CHARACTER)
    label = frame.name if len(frame.name) <= room else frame.name[: max(0, room - 1)] + "…" if room > 2 else ""
    text = f'<text x="{x + 3:.1f}" y="{y + 13}">{escape(label)}</text>' if label else ""
    return (
        f"<g><title>{escape(frame.name)} ({frame.count}, {share:.1f} %)</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(0.5, width - 0.5):.1f}" height="{_ROW - 1}" fill="{colour}"/>'
        f"{text}</g>\n"
    )
