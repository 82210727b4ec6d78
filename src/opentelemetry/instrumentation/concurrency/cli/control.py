"""``doctor --control``: plants a leaked task in a process and checks that the process finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .connection import ask
from .failures import FINE, LEAKS_FOUND, CommandError
from .finding import Finding
from .processes import Process

_TIMEOUT_S = 120.0


def control(process: Process, timeout_s: float = _TIMEOUT_S) -> tuple[list[Finding], int]:
    """Plant a leak in a process and return the findings and the exit code: 1 if the leak was not found."""
    try:
        facts = ask(process, "control", timeout_s=max(timeout_s, _TIMEOUT_S)).facts
    except CommandError as error:
        return [Finding("bad", f"No leak could be planted. {error}")], error.exit_code
    return list(_findings(facts)), FINE if facts.get("found") else LEAKS_FOUND


def _findings(facts: dict[str, Any]) -> Iterator[Finding]:
    checked = f"{facts.get('examined') or 0} suspended tasks checked in {float(facts.get('took_s') or 0):.1f} s"
    if facts.get("found"):
        yield Finding("ok", f"A planted leak was found: {facts.get('reason')} ({checked}).")
    else:
        why = f": {facts['undecided']}" if facts.get("undecided") else ""
        remedy = (
            "Until this is resolved, 'No leaks' is not reliable for this process. "
            "OTEL_PYTHON_CONCURRENCY_IGNORE may hide the leak; there is no proof on free-threaded builds or for event "
            "loops that do not expose their timers."
        )
        yield Finding("bad", f"A planted leak was NOT found ({checked}){why}.", remedy)
    if facts.get("removed"):
        yield Finding("ok", "The planted task was removed.")
    else:
        yield Finding("bad", "The planted task has not ended yet.", "It ends when the event loop answers again.")
