"""Sanitizing of text from outside to one printable line.

Names, paths, commands and messages come from processes of other users and reach terminals and log files. A line break
in them would forge a line, an escape sequence would control the terminal; direction marks and lone surrogates are
replaced as well. The command line prints only through `sanitize` (`cli/terminal.py`), and everything that this package
logs passes through it (`own_log.py`).
"""

from __future__ import annotations


def sanitize(value: object, limit: int = 0, *, keep: str = "") -> str:
    r"""Return ``value`` as one printable line.

    Args:
        value: The text; other objects are converted with ``str()``.
        limit: Maximum number of characters; the rest is cut and counted. 0 for no limit.
        keep: Characters that are kept although they are not printable, such as a tab.

    Returns:
        The text, in which Python escapes such as ``\x1b`` and ``\u202e`` replace characters that are not printable.

    Cost: 0.1 µs for a short printable text.
    """
    text = value if isinstance(value, str) else str(value)
    if limit and len(text) > limit:
        return f"{_printable(text[:limit], keep)}… ({len(text) - limit} more characters)"
    return text if text.isprintable() else _printable(text, keep)


def _printable(text: str, keep: str) -> str:
    bare = text
    for each in keep:
        bare = bare.replace(each, "")
    if bare.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode("ascii") for each in text
    )
