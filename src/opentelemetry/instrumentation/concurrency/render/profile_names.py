"""The names of the profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROFILES: Final[Mapping[str, str]] = {
    "task": "All pending asyncio tasks, by the place where they wait and by the line that created them.",
    "taskleak": "Only tasks with a verdict; runs the proof over every suspended task.",
    "thread": "All live threads, by their stack and by the line that started them.",
}
"""Descriptions of the profiles, by name."""


def check_name(name: str) -> None:
    """Check the name of a profile.

    Raises:
        ValueError: If it is unknown.
    """
    if name not in PROFILES:
        message = f"Unknown profile {name!r}: expected one of {', '.join(map(repr, PROFILES))}."
        raise ValueError(message)
