"""The impact of a leak, as values that hold no object alive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ...byte_sizes import size_text


@dataclass(frozen=True, slots=True)
class LeakMemory:
    """The memory of a leak.

    Attributes:
        bytes: What would be free if its tasks ended.
        tasks: Number of its tasks.
        measured: Number of the tasks that were measured; the others count like these on average.
        is_complete: Whether no limit was reached; otherwise there is more.
        not_counted: Types of objects that own memory they do not report, with their number in the measured tasks.
    """

    bytes: int
    tasks: int
    measured: int
    is_complete: bool = True
    not_counted: tuple[tuple[str, int], ...] = ()

    @property
    def text(self) -> str:
        """The size with its unit: ``40.2 MB``, ``at least 1.2 GB``, ``about 503 MB``."""
        prefix = "at least " if not self.is_complete else "about " if self.measured < self.tasks else ""
        return prefix + size_text(self.bytes)

    @property
    def note(self) -> str:
        """The limits of the number, as a clause; empty if it is complete."""
        parts = []
        if not self.is_complete:
            parts.append("at least, because a limit was reached")
        if self.measured < self.tasks:
            parts.append(f"estimated from {self.measured} of {self.tasks} tasks")
        if self.not_counted:
            named = ", ".join(f"{count} {name}" for name, count in self.not_counted)
            parts.append(f"not counted is the memory that these own: {named}")
        return "; ".join(parts)

    def of_tasks(self, tasks: int) -> LeakMemory:
        """Return the memory of another number of tasks like these."""
        if tasks == self.tasks or not self.tasks:
            return self
        return replace(self, bytes=round(self.bytes * tasks / self.tasks), tasks=tasks)


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of a leak.

    Attributes:
        memory: The memory that only its tasks hold; None if it was not measured.
        held_by: Name of the variable that keeps its tasks alive; empty if none was found.
        waits_on: Name of the variable that holds what they wait for; empty if none was found.
        advice: One sentence about what usually ends such a leak; empty if none is certain enough.
    """

    memory: LeakMemory | None = None
    held_by: str = ""
    waits_on: str = ""
    advice: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """The texts that are known, by heading."""
        texts = {"held by": self.held_by, "waits on": self.waits_on, "advice": self.advice}
        return {heading: text for heading, text in texts.items() if text}


NO_IMPACT: Final = Impact()
NOT_MEASURED: Final = "The memory of leaks is not measured: this interpreter has no global lock"
