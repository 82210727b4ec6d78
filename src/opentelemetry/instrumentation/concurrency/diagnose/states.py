"""The states of a row, as small integers, so that columns stay arrays: verdict and result of the proof."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class RowVerdict(IntEnum):
    """The verdict of the last scan on one task or thread: a value of ``RowMemory.verdict``."""

    NONE = 0
    ORPHANED = 1
    UNWAKEABLE = 2


class ProofState(IntEnum):
    """The result of the proof of one task: a value of ``RowMemory.proof``."""

    NEW = 0
    """Not judged yet."""
    SEEN_STUCK = 1
    """Found stuck by one proof; the next one has to agree."""
    PROVEN = 2
    WAKEABLE = 3
    UNDECIDED = 4
    """Could not be judged: it reaches too much together with others, or the proof failed."""


VERDICT_NAMES: Final[Mapping[int, str]] = {
    RowVerdict.ORPHANED: "orphaned",
    RowVerdict.UNWAKEABLE: "unwakeable",
}
"""The contract's names of the verdicts."""
