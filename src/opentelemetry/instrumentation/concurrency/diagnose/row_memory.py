"""The diagnosis' memory of each live task and thread: what earlier scans and proofs found.

The census moves the memory with its rows and knows nothing of its meaning: a dictionary by serial number would cost ten
times the memory.
"""

from __future__ import annotations

from array import array

from ..census.columns import Columns


class RowMemory:
    """The memory of all rows of one kind, by row.

    Attributes:
        creator_ended_at: When the creator was first seen finished, in seconds of the age clock; 0 for not yet.
        suspected_scans: Number of consecutive scans in which the row looked like an orphan, at most 255.
        verdict: The verdict of the last scan, a `RowVerdict`.
        proof: The result of the proof, a `ProofState`.

    Args:
        columns: The rows.
    """

    __slots__ = ("creator_ended_at", "proof", "suspected_scans", "verdict")

    def __init__(self, columns: Columns) -> None:
        total = len(columns)
        self.creator_ended_at = array("d", bytes(8 * total))
        self.suspected_scans = bytearray(total)
        self.verdict = bytearray(total)
        self.proof = bytearray(total)
        columns.attach(self.creator_ended_at, self.suspected_scans, self.verdict, self.proof)

    def clear_verdicts(self) -> None:
        """Set all verdicts to `RowVerdict.NONE`. Cost: one C call."""
        self.verdict[:] = bytes(len(self.verdict))


class DiagnosisMemory:
    """The memory of tasks and threads."""

    def __init__(self) -> None:
        self._memories: dict[Columns, RowMemory] = {}

    def of(self, columns: Columns) -> RowMemory:
        """Return the memory of rows, empty at the first call. The caller holds the census' lock."""
        memory = self._memories.get(columns)
        if memory is None:
            memory = self._memories[columns] = RowMemory(columns)
        return memory
