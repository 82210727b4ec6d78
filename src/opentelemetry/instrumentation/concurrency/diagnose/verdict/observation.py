"""The state of a task or thread at one moment, as values that hold nothing alive."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from ...record.internals.of_threading import is_daemon, thread_ident
from ...record.naming import function_name
from ...record.raw_fields import c_field
from ...record.site import Kind
from ..introspection.await_chain import AwaitChain, plumbing_free_coroutine
from ..introspection.fields import name_of, plain_text, thread_name
from ..introspection.fingerprint import NamedFrame, named_chain
from ..introspection.instrumentation_wrappers import is_wrapper
from ..introspection.known_waits import coroutine_of
from ..introspection.readable import chain_of, may_be_read
from ..introspection.swallowed_cancels import swallowed_cancels
from ..introspection.thread_activity import is_asleep
from ..introspection.wait_reason import wait_reason
from ..introspection.waiting_place import named_thread_frames, thread_frames


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a task or thread at one moment, as values.

    Attributes:
        name: The name of the task or thread.
        coroutine: Qualified name of the task's coroutine function; empty for threads.
        chain: The frames in which it is suspended or runs, innermost last.
        chain_note: Human-readable reason for an incomplete chain; empty if it is complete.
        wait_reason: The wait reason.
        thread_id: Identifier of the thread; 0 for tasks.
        is_daemon: Whether the thread is a daemon.
        cancel_requests: How often the task was asked to cancel and went on; 0 if unknown.
    """

    name: str
    coroutine: str
    chain: tuple[NamedFrame, ...]
    chain_note: str
    wait_reason: str
    thread_id: int = 0
    is_daemon: bool = False
    cancel_requests: int = 0


def observe(kind: Kind, found: Any, *, is_dying: bool = False) -> Observation:
    """Return the current state of a task or thread. Cost: one await chain, or one stack.

    Args:
        kind: Task or thread.
        found: The task or thread.
        is_dying: Whether the current thread is destroying the task, so that no other thread can run it.
    """
    if kind == "thread":
        frames, waits_for = thread_frames(found, sys._current_frames(), is_asleep)
        named = named_thread_frames(frames)
        return Observation(thread_name(found), "", named, "", waits_for, thread_ident(found), is_daemon(found))
    chain = chain_of(found, current_frames=sys._current_frames(), is_dying=is_dying)
    name, waits_for = plain_text(name_of(found)), wait_reason(found, chain)
    return Observation(
        name,
        _coroutine_name(found, chain),
        named_chain(chain),
        chain_note(chain),
        waits_for,
        cancel_requests=0 if is_dying else swallowed_cancels(found),
    )


def chain_note(chain: AwaitChain) -> str:
    """Return a human-readable reason for an incomplete chain; empty if it is complete."""
    if chain.truncated:
        return f"only the outermost {len(chain.frames)} frames were followed"
    return chain.partial or ""


def coroutine_in(chain: AwaitChain) -> str:
    """Return the name of the outermost coroutine function of a chain that is not a wrapper; empty if there is none."""
    for frame in chain.frames:
        if not is_wrapper(frame.code.co_name, frame.module):
            return function_name(frame.code, frame.module).removeprefix(f"{frame.module}.")
    return ""


def _coroutine_name(task: Any, chain: AwaitChain) -> str:
    """Return the name of the application's coroutine rather than that of an instrumentation's wrapper around it."""
    coroutine = coroutine_of(task)
    if chain.frames and is_wrapper(chain.frames[0].code.co_name, chain.frames[0].module):
        within = coroutine_in(chain)
        if within:
            return within
        # The wrapped coroutine awaits an object without a frame, or has not started.
        coroutine = chain.awaited
    if chain.awaited is None and may_be_read(task):
        coroutine = plumbing_free_coroutine(coroutine_of(task))
    kept = c_field(type(coroutine), "__qualname__")
    return plain_text(kept.__get__(coroutine)).replace("<locals>.", "") if kept is not None else ""
