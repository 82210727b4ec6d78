"""Names as text that can hurt no terminal, page or parser: one line, no control characters, of bounded length."""

from __future__ import annotations

from typing import Final

NAME_LIMIT: Final = 200
"""Characters of a name that are shown."""


def shown(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` on one line, with escapes for what can't be printed; if it is longer, its start.

    Args:
        text: A name, path or sentence that somebody else made.
        limit: Characters of it to show, at least 1.
    """
    if len(text) > limit:
        return f"{_printable(text[:limit])}… ({len(text) - limit} more characters)"
    return text if text.isprintable() else _printable(text)


def quoted(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` as `shown` does, in double quotes; a quote or backslash within is escaped."""
    cut = text[:limit].replace("\\", "\\\\").replace('"', '\\"')
    more = f"… ({len(text) - limit} more characters)" if len(text) > limit else ""
    return f'"{_printable(cut)}"{more}'


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)
