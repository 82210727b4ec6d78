"""Output for event loops that do not answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..durations import duration_text
from ..record.naming import CodeLine
from ..render.name_text import sanitize_name
from ..render.place_text import function_text, position_text

REMEDY: Final = "Move the blocking call into a thread: await asyncio.to_thread(…)."
_LIMIT: Final = 1000


def silent_loops_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the loops that do not answer; empty for agents of earlier versions."""
    found = facts.get("silent_loops")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def silent_loop_sentence(loop: Mapping[str, Any]) -> str:
    """Return the state of one loop as a sentence."""
    thread = f" of thread {sanitize_name(str(loop['thread']))}" if loop.get("thread") else ""
    where = f": it is in {sanitize_name(str(loop['waiting_at']), _LIMIT)}" if loop.get("waiting_at") else ""
    return f"The event loop{thread} has not answered for {duration_text(float(loop['silent_s']))}{where}."


def silent_loop_block(loop: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sentence and the stack that blocks the loop, innermost frame first."""
    yield f"{silent_loop_sentence(loop)}\n"
    for function, path, line in reversed(loop.get("stack") or ()):
        entry = CodeLine(str(function), str(path), int(line))
        yield f"    {function_text(entry)}  {position_text(entry)}\n"
    yield "\n"
