"""Waiting places: keys that are equal for all tasks or threads that wait alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from ...record.internals.of_threading import thread_ident, thread_native_id
from ...record.site import Kind
from .fingerprint import NamedFrame, named_chain, named_frame
from .instrumentation_wrappers import is_wrapper
from .readable import chain_of
from .wait_reason import shows_thread_wait, thread_wait_reason, wait_reason

MAX_THREAD_FRAMES: Final = 200


@dataclass(frozen=True, slots=True)
class WaitingPlace:
    """The place where a task or thread waits.

    Attributes:
        key: Equal for all that wait in the same frames for the same reason; wrappers are ignored.
        reason: The wait reason.
        chain: Returns the frames as text, innermost last.
    """

    key: Hashable
    reason: str
    chain: Callable[[], tuple[NamedFrame, ...]]


def place_of(kind: Kind, found: Any, current_frames: Mapping[int, FrameType]) -> WaitingPlace:
    """Return the place where a task or thread waits.

    Args:
        kind: Task or thread.
        found: The task or thread.
        current_frames: ``sys._current_frames()``.

    Cost: one await chain, or one walk through a stack.
    """
    if kind == "thread":
        frames, reason = thread_frames(found, current_frames)
        key = tuple((id(code), lasti) for code, lasti, _, module in frames if not is_wrapper(code.co_name, module))
        return WaitingPlace((key, reason), reason, lambda: named_thread_frames(frames))
    walked = chain_of(found, current_frames=current_frames)
    reason = wait_reason(found, walked)
    # The awaited object must not be kept alive.
    chain = walked._replace(awaited=None)
    own = (frame for frame in chain.frames if not is_wrapper(frame.code.co_name, frame.module))
    key = tuple((id(frame.code), frame.lasti) for frame in own)
    return WaitingPlace((key, reason), reason, lambda: named_chain(chain))


def thread_frames(
    thread: Any,
    current_frames: Mapping[int, FrameType],
    is_asleep: Callable[[int], bool | None] = lambda _: None,
) -> tuple[list[tuple[Any, int, int, str]], str]:
    """Return code, offset, line and module of a thread's frames, outermost first, and its wait reason.

    If the thread has no stack, there are no frames, and the reason is ``unknown``.

    Args:
        thread: The thread.
        current_frames: ``sys._current_frames()``.
        is_asleep: Returns whether a thread is asleep, given its native identifier; called only if the stack is not
            sufficient.
    """
    frame = current_frames.get(thread_ident(thread))
    if frame is None:
        return [], "unknown"
    asleep = None if shows_thread_wait(frame) else is_asleep(thread_native_id(thread))
    reason = thread_wait_reason(frame, is_asleep=asleep)
    frames: list[tuple[Any, int, int, str]] = []
    while frame is not None and len(frames) < MAX_THREAD_FRAMES:
        module = dict.get(frame.f_globals, "__name__")
        frames.append((frame.f_code, frame.f_lasti, frame.f_lineno or 0, module if type(module) is str else ""))
        frame = frame.f_back
    frames.reverse()
    return frames, reason


def named_thread_frames(frames: list[tuple[Any, int, int, str]]) -> tuple[NamedFrame, ...]:
    """Return frames of a thread as text, innermost last."""
    return tuple(named_frame(code, line, module) for code, _, line, module in frames)
