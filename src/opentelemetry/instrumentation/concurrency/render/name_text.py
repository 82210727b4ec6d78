"""Sanitised names for terminals, pages and parsers: one line, no control characters, limited length."""

from __future__ import annotations

from typing import Final

from ..sanitize import sanitize

NAME_LIMIT: Final = 200
"""Maximum number of characters of a name."""


def sanitize_name(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` on one line, with escapes for unprintable characters, truncated to ``limit``.

    Args:
        text: An untrusted name, path or sentence.
        limit: Maximum number of characters, at least 1.
    """
    return sanitize(text, limit)


def quoted(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` sanitised and in double quotes, with escaped quotes and backslashes."""
    cut = text[:limit].replace("\\", "\\\\").replace('"', '\\"')
    more = f"… ({len(text) - limit} more characters)" if len(text) > limit else ""
    return f'"{sanitize(cut)}"{more}'
