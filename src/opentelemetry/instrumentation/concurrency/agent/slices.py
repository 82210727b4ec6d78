"""Walks long lists in slices of time, so that the application's threads run meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

_SLICE_S: Final = 0.001

_Item = TypeVar("_Item")


def in_slices(items: Iterable[_Item], pause: Callable[[], None]) -> Iterator[_Item]:
    """Yield items, and call ``pause`` after each millisecond of work."""
    pause_at = time.perf_counter() + _SLICE_S
    for item in items:
        yield item
        if time.perf_counter() > pause_at:
            pause()
            pause_at = time.perf_counter() + _SLICE_S
