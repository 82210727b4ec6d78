"""Texts cut to the width of the terminal so that the file and line of a site stay visible."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

_MARK = "…"
_WITH_HEAD = 40
"""Width from which on the first directory is shown as well."""
_FILE = re.compile(r"[^/\\]*$")


def terminal_width() -> int:
    """Return the columns of the terminal; 0 if standard output is not one, which means no limit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def fit_path(text: str, width: int) -> str:
    """Cut a ``path:line`` in the middle: the last part stays whole, then the nearest directories, then the first.

    Only if the last part alone is wider, its beginning is cut.
    """
    if len(text) <= width:
        return text
    parts = text.split("/")
    kept = parts.pop()
    while parts and len(parts[-1]) + len(kept) + 3 <= width:
        kept = f"{parts.pop()}/{kept}"
    marked = f"{_MARK}/{kept}" if len(kept) + 2 <= width else fit_end(kept, width)
    head = "/".join(parts[:2]) if parts and not parts[0] else (parts[0] if parts else "")
    if head and width >= _WITH_HEAD and len(head) + 1 + len(marked) <= width:
        return f"{head}/{marked}"
    return marked


def fit_name(text: str, width: int) -> str:
    """Cut a dotted name at its beginning, at a dot if possible."""
    if len(text) <= width:
        return text
    parts = text.split(".")
    kept = parts.pop()
    while parts and len(parts[-1]) + len(kept) + 2 <= width:
        kept = f"{parts.pop()}.{kept}"
    return f"{_MARK}{kept}" if len(kept) < width else fit_end(kept, width)


def fit_end(text: str, width: int) -> str:
    """Cut a text at its beginning."""
    return text if len(text) <= width else f"{_MARK}{text[len(text) - width + 1 :]}"


def fit_start(text: str, width: int) -> str:
    """Cut a text at its end."""
    return text if len(text) <= width else f"{text[: width - 1]}{_MARK}"


def fit_command(text: str, width: int) -> str:
    """Cut the paths in a command to their last parts, then the command at its end."""
    if len(text) <= width:
        return text
    words = (word.rpartition("/")[2] or word for word in text.split(" "))
    return fit_start(" ".join(words), width)


def shortest_path(text: str) -> int:
    """Return the least width at which `fit_path` keeps the last part whole."""
    last = _FILE.search(text)
    return min(len(text), len(last[0]) + 2 if last is not None else len(text))


def place_lines(prefix: str, name: str, position: str, width: int, *, gap: str = "  ") -> Iterator[str]:
    """Yield a function with its position: one line if it fits when cut, otherwise two.

    Args:
        prefix: Beginning of the first line, with its indentation.
        name: The function.
        position: ``path:line``; may be empty.
        width: Width of the terminal; 0 for no limit.
        gap: Separator between function and position.
    """
    whole = f"{prefix}{name}{gap}{position}".rstrip()
    if not width or len(whole) <= width:
        yield f"{whole}\n"
        return
    room = width - len(prefix)
    if not position:
        yield f"{prefix}{fit_name(name, max(room, 8))}\n"
        return
    shown_position = fit_path(position, max(shortest_path(position), room // 2))
    left = room - len(gap) - len(shown_position)
    if left > len(name.rpartition(".")[2]):
        shown_name = fit_name(name, left)
        # A shorter name may leave more room for the path.
        shown_position = fit_path(position, room - len(gap) - len(shown_name))
        yield f"{prefix}{shown_name}{gap}{shown_position}\n"
        return
    yield f"{prefix}{fit_name(name, max(room, 8))}\n"
    indent = " " * (len(prefix) - len(prefix.lstrip()) + 4)
    yield f"{indent}{fit_path(position, max(width - len(indent), 8))}\n"


def field_lines(fields: Sequence[str], width: int) -> Iterator[str]:
    """Yield fields, two columns apart; those that do not fit continue on an indented line."""
    line = ""
    for field in fields:
        longer = f"{line}  {field}" if line else field
        if width and line and len(longer) > width:
            yield f"{line}\n"
            longer = f"  {field}"
        line = longer
    yield f"{line}\n"


def sentence_lines(text: str, width: int, further: int = 2) -> Iterator[str]:
    """Yield a sentence, wrapped at words; continuation lines are indented by some further columns."""
    if not width or len(text) <= width:
        yield f"{text}\n"
        return
    indent = " " * (len(text) - len(text.lstrip()) + further)
    wrapped = textwrap.wrap(
        text,
        max(width, 20),
        subsequent_indent=indent,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (f"{line}\n" for line in wrapped)
