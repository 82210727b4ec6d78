"""The result of one check of ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        state: ``ok``, ``note`` or ``bad``.
        what: The result in one sentence.
        remedy: The recommended action; empty if there is none.
    """

    state: Literal["ok", "note", "bad"]
    what: str
    remedy: str = ""
