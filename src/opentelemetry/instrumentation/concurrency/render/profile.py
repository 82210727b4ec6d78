"""The profiles of the running process: what `runtime/pprof` is to Go.

Pictures are taken with the census locked, counted or held back compressed, and written when it is free again: a slow
reader stops nothing, and a million tasks are never held as pictures.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from ..census.snapshot import Glimpse, LivePicture
from ..diagnose.picture import iter_glimpses, iter_pictures
from ..diagnose.proof_now import ProvenNow, prove_now
from ..installation import Installation
from ..instrumentor import current_installation
from ..record.site import Kind
from .full_text import full_text
from .grouped_text import grouped_text
from .output import HeldBack, takes_text, write_bytes, write_text
from .pprof_profile import Sample, difference, pprof_profile, samples_of
from .process_info import this_process
from .snapshot_json import SnapshotWriter
from .tally import Tally, tally

PROFILES: Final[Mapping[str, str]] = {
    "task": "Every asyncio task that is not done, by where it waits and by the line that created it.",
    "taskleak": "Only those with a verdict; runs the proof over every suspended task.",
    "thread": "Every living thread, by its stack and by the line that started it.",
}
"""What each profile shows, by its name."""

_Seen = TypeVar("_Seen", LivePicture, Glimpse)
_FORMS: Final = (0, 1, 2)
_SLICE_S: Final = 0.002
_PAUSE_S: Final = 0.0002


def write_profile(name: str, stream: Any, debug: int = 1) -> None:
    """Write a profile; `write_profile` of the package says more.

    Raises:
        ValueError: If the name or form is unknown.
        TypeError: If the stream can't take it.
        RuntimeError: If the process is not instrumented.
    """
    _check_name(name)
    if debug not in _FORMS:
        message = (
            f"Unknown form debug={debug!r}: expected 0 (gzip protobuf), 1 (grouped text) or 2 (every one in full)."
        )
        raise ValueError(message)
    live = _Live("write_profile()")
    if takes_text(stream) and debug == 0:
        # Refuse before the work.
        write_bytes((), stream)
    proven = live.prove() if name == "taskleak" else ProvenNow()
    if debug == 2:
        held = HeldBack()
        for piece in full_text(live.pictures(name, proven), note=_note(proven)):
            held.add(piece)
        write_text(held.read(), stream)
    elif debug == 1:
        write_text(grouped_text(name, live.tally(name, proven), note=_note(proven)), stream)
    else:
        samples = samples_of(live.tally(name, proven, split_loops=True))
        write_bytes(_protobuf(name, samples, note=_note(proven)), stream)


def write_difference(name: str, stream: Any, seconds: float, *, wait: Callable[[float], object] = time.sleep) -> None:
    """Write what a profile gained and, negative, lost in some time, as gzip protobuf.

    Args:
        name: ``task`` or ``thread``; ``taskleak`` too, which runs two proofs.
        stream: A binary stream.
        seconds: How long to wait between the two profiles, more than 0.
        wait: Waits for so many seconds; what it raises ends the whole.

    Raises:
        ValueError: If the name is unknown or the time is not positive.
        TypeError: If the stream can't take bytes.
        RuntimeError: If the process is not instrumented.
    """
    _check_name(name)
    if not seconds > 0:
        message = f"A difference needs a time in seconds greater than 0, got {seconds!r}."
        raise ValueError(message)
    live = _Live("write_difference()")
    write_bytes((), stream)
    before = live.tally(name, live.prove() if name == "taskleak" else ProvenNow(), split_loops=True)
    wait(seconds)
    proven = live.prove() if name == "taskleak" else ProvenNow()
    samples = difference(before, live.tally(name, proven, split_loops=True))
    write_bytes(_protobuf(name, samples, duration_s=seconds, note=_note(proven)), stream)


def write_live_snapshot(stream: Any) -> None:
    """Write the JSON snapshot of this process; of a million tasks too, whose pictures are never held.

    Raises:
        RuntimeError: If the process is not instrumented.
        TypeError: If ``stream`` takes neither text nor bytes.
    """
    live = _Live("write_live_snapshot()")
    takes_text(stream)
    writer = SnapshotWriter()
    kinds: tuple[Kind, ...] = ("task", "thread")
    for kind in kinds:
        for picture in live.pictures(kind, ProvenNow()):
            writer.add(picture)
    writer.write(stream)


def live_tallies(name: str) -> list[Tally]:
    """Count what a profile shows, without a proof.

    Raises:
        ValueError: If the name is unknown.
        RuntimeError: If the process is not instrumented.
    """
    _check_name(name)
    return _Live("live_tallies()").tally(name, ProvenNow())


def live_pictures(kind: Kind) -> Iterator[LivePicture]:
    """Yield every living task or thread, with the census locked until the last.

    Raises:
        RuntimeError: If the process is not instrumented.
    """
    yield from _Live("live_pictures()").pictures(kind, ProvenNow())


class _Live:
    """The living tasks and threads of this process.

    Args:
        asked_by: The function that was called, for the error.
    """

    def __init__(self, asked_by: str) -> None:
        installation: Installation | None = current_installation()
        if installation is None:
            message = (
                f"{asked_by} needs the instrumentation: call ConcurrencyInstrumentor().instrument() first, "
                "or start the program with opentelemetry-instrument."
            )
            raise RuntimeError(message)
        self._installation = installation
        self._pause = _no_pause if _runs_loop() else _pause

    def prove(self) -> ProvenNow:
        """Run the proof over every suspended task."""
        return prove_now(self._installation.census, self._installation.diagnosis, self._pause)

    def tally(self, name: str, proven: ProvenNow, *, split_loops: bool = False) -> list[Tally]:
        """Count what a profile shows."""
        if name == "thread":
            return tally(self.pictures(name, proven), split_loops=split_loops)
        census, diagnosis = self._installation.census, self._installation.diagnosis
        with census.locked():
            glimpses = self._in_slices(iter_glimpses(census, diagnosis, self._pause))
            if name == "taskleak":
                glimpses = _leaked(glimpses, proven, _judge_glimpse)
            return tally(glimpses, split_loops=split_loops)

    def pictures(self, name: str, proven: ProvenNow) -> Iterator[LivePicture]:
        """Yield what a profile shows, with the census locked until the last."""
        census, diagnosis = self._installation.census, self._installation.diagnosis
        with census.locked():
            kind: Kind = "thread" if name == "thread" else "task"
            pictures = self._in_slices(iter_pictures(census, diagnosis, kind, self._pause))
            if name == "taskleak":
                pictures = _leaked(pictures, proven, _judge_picture)
            yield from pictures

    def _in_slices(self, seen: Iterable[_Seen]) -> Iterator[_Seen]:
        """Let other threads run, more often than the interpreter would."""
        pause_at = time.perf_counter() + _SLICE_S
        for each in seen:
            yield each
            if time.perf_counter() > pause_at:
                self._pause()
                pause_at = time.perf_counter() + _SLICE_S


def _leaked(seen: Iterable[_Seen], proven: ProvenNow, judge: Callable[[_Seen, str], _Seen]) -> Iterator[_Seen]:
    for each in seen:
        reason = None if each.verdict == "unwakeable" else proven.reasons.get(each.serial)
        if reason is not None:
            yield judge(each, f"{each.reason}, and {reason}" if each.reason else reason)
        elif each.verdict is not None:
            yield each


def _judge_picture(picture: LivePicture, reason: str) -> LivePicture:
    return replace(picture, verdict="unwakeable", reason=reason)


def _judge_glimpse(glimpse: Glimpse, reason: str) -> Glimpse:
    return glimpse._replace(verdict="unwakeable", reason=reason)


def _protobuf(name: str, samples: list[Sample], *, duration_s: float = 0.0, note: str) -> Iterator[bytes]:
    return pprof_profile(name, samples, taken_at=time.time(), process=this_process(), duration_s=duration_s, note=note)


def _check_name(name: str) -> None:
    if name not in PROFILES:
        message = f"Unknown profile {name!r}: expected one of {', '.join(map(repr, PROFILES))}."
        raise ValueError(message)


def _note(proven: ProvenNow) -> str:
    return f"not everything could be proven: {proven.undecided}" if proven.undecided else ""


def _runs_loop() -> bool:
    """Tell whether an event loop runs in this thread: then a pause would only prolong its stop."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _pause() -> None:
    time.sleep(_PAUSE_S)


def _no_pause() -> None:
    """Go on at once."""
