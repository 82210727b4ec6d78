"""Named frames, and fingerprints that are equal for the same bug in every process."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Final

from ...record.creation_stack import CreationStack
from ...record.naming import absolute_path, function_name, line_of
from ...record.plumbing import is_plumbing
from ...record.site import Site
from .await_chain import AwaitChain
from .instrumentation_wrappers import is_wrapper

_STDLIB: Final = threading.__file__.removesuffix("threading.py")


@dataclass(frozen=True, slots=True)
class NamedFrame:
    """A frame as text.

    Attributes:
        function: Qualified function.
        path: Absolute path of its file.
        line: Its line.
        is_application: Whether it is application code.
        is_wrapper: Whether it belongs to a wrapper of another instrumentation.
    """

    function: str
    path: str
    line: int
    is_application: bool
    is_wrapper: bool = False


def named_frame(code: CodeType, line: int, module: str) -> NamedFrame:
    """Return a frame as text."""
    path = absolute_path(code.co_filename)
    is_application = not is_plumbing(module) and is_application_path(path)
    return NamedFrame(function_name(code, module), path, line, is_application, is_wrapper(code.co_name, module))


def named_chain(chain: AwaitChain) -> tuple[NamedFrame, ...]:
    """Return the frames of an await chain as text, innermost last."""
    return tuple(named_frame(frame.code, frame.line, frame.module) for frame in chain.frames)


def named_stack(stack: CreationStack | None) -> tuple[NamedFrame, ...]:
    """Return the frames of a creation stack as text, innermost last; empty for None."""
    if stack is None:
        return ()
    return tuple(
        named_frame(frame.code, line_of(frame.code, frame.lasti), frame.module) for frame in reversed(stack.frames)
    )


def fingerprint(site: Site, frames: Iterable[NamedFrame], waits_for: str) -> str:
    """Return 16 hex digits over kind, creating function, the function that runs, the chain's functions and wait reason.

    Line numbers, paths and wrappers of other instrumentations are excluded.
    """
    chain = (frame.function for frame in frames if not frame.is_wrapper)
    parts = [site.kind, site.function, site.runs, *chain, waits_for]
    # Imported here because it loads OpenSSL, which a process without leaks does not need.
    import hashlib

    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def waiting_at(frames: tuple[NamedFrame, ...]) -> NamedFrame | None:
    """Return the innermost application frame, or else the innermost library frame. Wrappers are skipped."""
    own = [frame for frame in reversed(frames) if not frame.is_wrapper]
    found = next((frame for frame in own if frame.is_application), None)
    return found or next((frame for frame in own if _is_library_path(frame.path)), None)


def is_application_path(path: str) -> bool:
    """Return whether a file belongs neither to the standard library nor to an installed package."""
    return not path.startswith((_STDLIB, "<frozen")) and not _is_library_path(path)


def _is_library_path(path: str) -> bool:
    return "site-packages" in path or "dist-packages" in path
