"""Creation stacks: the frames of one creation as code objects and offsets.

- No frame outlives the creation.
- Text is formatted only when a stack is read.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from .loop_frames import is_handle_run
from .plumbing import is_plumbing
from .raw_fields import module_name


class StackFrame(NamedTuple):
    """One frame of a creation stack: code, instruction offset in bytes, and the module it ran in."""

    code: CodeType
    lasti: int
    module: str


class CreationStack:
    """The complete stack of a creation and a weak reference to the task or thread created.

    Args:
        created_at: Raw monotonic time of the creation.
        flat: Code, instruction offset and module of each frame, innermost first, as a flat list.
        reference: Weak reference to the created task or thread.
    """

    __slots__ = ("_flat", "created_at", "reference")

    def __init__(self, created_at: float, flat: list[Any], reference: Callable[[], Any] = lambda: None) -> None:
        self.created_at = created_at
        self.reference = reference
        self._flat = tuple(flat)

    def share_frames(self, other: CreationStack) -> None:
        """Share the frames of another stack if they are equal, to store them once."""
        if self._flat == other._flat:
            self._flat = other._flat

    @property
    def frames(self) -> tuple[StackFrame, ...]:
        """The frames, innermost first. Built on access, because most stacks are replaced unread."""
        places = iter(self._flat)
        triples = zip(places, places, places, strict=True)
        return tuple(StackFrame(code, lasti, module) for code, lasti, module in triples)


def read_stack(frame: FrameType | None, depth: int, ends: Callable[[str], bool] | None) -> list[Any]:
    """Return code, offset and module per frame, innermost first, from the first frame that is not plumbing outwards.

    Args:
        frame: The frame to begin at.
        depth: Maximum number of frames.
        ends: Returns whether the stack ends before a frame of the module; None to end at the event loop only.
    """
    while frame is not None and is_plumbing(module_name(frame.f_globals)) and not is_handle_run(frame.f_code):
        frame = frame.f_back
    flat: list[Any] = []
    longest = 3 * depth
    while frame is not None and len(flat) < longest:
        code = frame.f_code
        module = module_name(frame.f_globals)
        if (code.co_name == "_run" and is_handle_run(code)) or (ends is not None and flat and ends(module)):
            break
        flat += (code, frame.f_lasti, module)
        frame = frame.f_back
    return flat
