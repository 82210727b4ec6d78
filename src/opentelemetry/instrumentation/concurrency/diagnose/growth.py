"""Stub of the growth rule."""

from __future__ import annotations

from typing import Any


class GrowthWatch:
    """Stub."""

    def __init__(self, *, window_s: float, scans: int, minimum: int) -> None:
        self.windows_s = (window_s, 10 * window_s, 60 * window_s)

    def look(self, now: float, older: Any) -> list[Any]:
        """Stub."""
        return []

    def gap(self) -> None:
        """Stub."""


def growth_sentence(growth: Any) -> str:
    """Stub."""
    return str(growth)
