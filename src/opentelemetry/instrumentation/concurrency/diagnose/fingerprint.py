"""Frames as names, and the fingerprint over them: the same for the same bug in every process and release."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Final

from ..record.naming import absolute_path, function_name, line_of
from ..record.site import CreationStack, Site, is_plumbing
from .await_chain import AwaitChain

_STDLIB: Final = threading.__file__.removesuffix("threading.py")


@dataclass(frozen=True, slots=True)
class NamedFrame:
    """One frame as text: qualified function, absolute path, line, and whether it is the application's own."""

    function: str
    path: str
    line: int
    is_application: bool


def named_frame(code: CodeType, line: int, module: str) -> NamedFrame:
    """Return one frame as names."""
    path = absolute_path(code.co_filename)
    return NamedFrame(function_name(code, module), path, line, not is_plumbing(module) and _is_application_path(path))


def named_chain(chain: AwaitChain) -> tuple[NamedFrame, ...]:
    """Return an await chain as names, innermost last."""
    return tuple(named_frame(frame.code, frame.line, frame.module) for frame in chain.frames)


def named_stack(stack: CreationStack | None) -> tuple[NamedFrame, ...]:
    """Return a creation stack as names, innermost last; empty for None."""
    if stack is None:
        return ()
    return tuple(
        named_frame(frame.code, line_of(frame.code, frame.lasti), frame.module) for frame in reversed(stack.frames)
    )


def fingerprint(site: Site, frames: Iterable[NamedFrame], waits_for: str) -> str:
    """Return 16 hex digits over kind, creating function, functions of the chain and wait reason; no lines, no paths."""
    parts = [site.kind, site.function, *(frame.function for frame in frames), waits_for]
    # OpenSSL comes with it, which a process without leaks need not load.
    import hashlib

    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def waiting_at(frames: tuple[NamedFrame, ...]) -> NamedFrame | None:
    """Return the innermost frame of the application; where there is none, of a library."""
    for frame in reversed(frames):
        if frame.is_application:
            return frame
    return next((frame for frame in reversed(frames) if _is_library_path(frame.path)), None)


def _is_application_path(path: str) -> bool:
    return not path.startswith((_STDLIB, "<frozen")) and not _is_library_path(path)


def _is_library_path(path: str) -> bool:
    return "site-packages" in path or "dist-packages" in path
