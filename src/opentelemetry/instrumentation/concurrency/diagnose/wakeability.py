"""Stub of the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Proof:
    """Stub."""

    unwakeable: tuple[Any, ...]
    cycles: tuple[tuple[Any, ...], ...]
    undecided: str
    examined: int


def prove(suspects: Any, *, pause: Any) -> Proof:
    """Stub."""
    return Proof((), (), "stub", 0)


class ProofMemory:
    """Stub."""

    def confirm(self, proof: Proof) -> tuple[Any, ...]:
        """Stub."""
        return ()

    def forget(self) -> None:
        """Stub."""


def evidence(task: Any, cycle: Any) -> str:
    """Stub."""
    return "stub"


def proof_on_demand(suspects: Any, *, pause: Any = None) -> Proof:
    """Stub."""
    return Proof((), (), "stub", 0)
