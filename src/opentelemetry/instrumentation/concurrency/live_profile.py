"""Profiles of the running process, like `runtime/pprof` in Go.

Pictures are taken with the census locked, counted or stored compressed, and written after it is unlocked. A slow reader
therefore stops nothing, and a million tasks are never in memory as pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from .census.pace import no_pause
from .diagnose.proof_now import ProvenNow
from .live_process import LiveProcess
from .record.internals.of_asyncio import running_loop
from .record.site import Kind
from .render.full_text import full_text
from .render.grouped_text import grouped_text
from .render.pprof_profile import Sample, difference, pprof_profile, samples_of
from .render.profile_names import check_name
from .snapshot.as_json import SnapshotWriter
from .snapshot.output import CompressedBuffer, takes_text, write_bytes, write_text
from .snapshot.process_info import this_process
from .snapshot.tally import Tally, tally
from .snapshot.values import LivePicture, TaskSummary

_FORMS: Final = (0, 1, 2)
_SLICE_S: Final = 0.002
_PAUSE_S: Final = 0.0002


def check_profile(name: str, debug: int) -> None:
    """Check the name and form of a profile.

    Raises:
        ValueError: The name or form is unknown.
    """
    check_name(name)
    if debug not in _FORMS:
        message = f"Unknown form debug={debug!r}: expected 0 (gzip protobuf), 1 (grouped text) or 2 (each in full)."
        raise ValueError(message)


def write_profile(live: LiveProcess, name: str, stream: Any, debug: int = 1) -> None:
    """Write a profile, as documented for `write_profile` of the package.

    Raises:
        ValueError: The name or form is unknown.
        TypeError: The stream does not accept the form.
    """
    check_profile(name, debug)
    if takes_text(stream) and debug == 0:
        # Raises before the work is done.
        write_bytes((), stream)
    proven = _prove(live, name)
    if debug == 2:
        held = CompressedBuffer()
        for piece in full_text(_pictures(live, name, proven), note=_note(proven)):
            held.add(piece)
        write_text(held.read(), stream)
    elif debug == 1:
        write_text(grouped_text(name, _tally(live, name, proven), note=_note(proven)), stream)
    else:
        samples = samples_of(_tally(live, name, proven, split_loops=True))
        write_bytes(_protobuf(name, samples, note=_note(proven)), stream)


def write_difference(
    live: LiveProcess, name: str, stream: Any, seconds: float, *, wait: Callable[[float], object] = time.sleep
) -> None:
    """Write the difference between two profiles, with negative values for losses, as gzip protobuf.

    Args:
        live: The process.
        name: ``task``, ``thread``, or ``taskleak``, which runs two proofs.
        stream: A binary stream.
        seconds: Time between the two profiles, greater than 0.
        wait: Waits for a number of seconds; its exceptions are passed on.

    Raises:
        ValueError: The name is unknown or the time is not positive.
        TypeError: The stream does not accept bytes.
    """
    check_name(name)
    if not seconds > 0:
        message = f"A difference needs a time in seconds greater than 0, got {seconds!r}."
        raise ValueError(message)
    write_bytes((), stream)
    before = _tally(live, name, _prove(live, name), split_loops=True)
    wait(seconds)
    proven = _prove(live, name)
    samples = difference(before, _tally(live, name, proven, split_loops=True))
    write_bytes(_protobuf(name, samples, duration_s=seconds, note=_note(proven)), stream)


def write_live_snapshot(live: LiveProcess, stream: Any) -> None:
    """Write the JSON snapshot of a process without keeping all pictures, for up to a million tasks.

    Raises:
        TypeError: ``stream`` accepts neither text nor bytes.
    """
    takes_text(stream)
    writer = SnapshotWriter()
    kinds: tuple[Kind, ...] = ("task", "thread")
    for kind in kinds:
        for picture in live_pictures(live, kind):
            writer.add(picture)
    writer.write(stream)


def live_tallies(live: LiveProcess, kind: Kind) -> list[Tally]:
    """Count the live tasks or threads in groups of similar ones."""
    return _tally(live, kind, ProvenNow())


def live_pictures(live: LiveProcess, kind: Kind) -> Iterator[LivePicture]:
    """Yield a picture of every live task or thread. The census is locked until the last one."""
    return live.pictures(kind, _usual_pause(), _SLICE_S)


def _prove(live: LiveProcess, name: str) -> ProvenNow:
    return live.prove(_usual_pause()) if name == "taskleak" else ProvenNow()


def _tally(live: LiveProcess, name: str, proven: ProvenNow, *, split_loops: bool = False) -> list[Tally]:
    """Return the counts of a profile."""
    if name == "thread":
        return tally(_pictures(live, name, proven), split_loops=split_loops)
    with live.census.locked():
        summaries = live.summaries(_usual_pause(), _SLICE_S)
        return tally(_leaked_summaries(summaries, proven) if name == "taskleak" else summaries, split_loops=split_loops)


def _pictures(live: LiveProcess, name: str, proven: ProvenNow) -> Iterator[LivePicture]:
    """Yield the pictures of a profile. The census is locked until the last one."""
    pictures = live_pictures(live, "thread" if name == "thread" else "task")
    return _leaked_pictures(pictures, proven) if name == "taskleak" else pictures


def _leaked_pictures(pictures: Iterable[LivePicture], proven: ProvenNow) -> Iterator[LivePicture]:
    for picture in pictures:
        reason = proven.reason_with(picture.verdict, picture.serial, picture.reason)
        if reason is not None:
            yield replace(picture, verdict="unwakeable", reason=reason)
        elif picture.verdict is not None:
            yield picture


def _leaked_summaries(summaries: Iterable[TaskSummary], proven: ProvenNow) -> Iterator[TaskSummary]:
    for summary in summaries:
        reason = proven.reason_with(summary.verdict, summary.serial, summary.reason)
        if reason is not None:
            yield summary._replace(verdict="unwakeable", reason=reason)
        elif summary.verdict is not None:
            yield summary


def _protobuf(name: str, samples: list[Sample], *, duration_s: float = 0.0, note: str) -> Iterator[bytes]:
    return pprof_profile(name, samples, taken_at=time.time(), process=this_process(), duration_s=duration_s, note=note)


def _note(proven: ProvenNow) -> str:
    return f"not everything could be proven: {proven.undecided}" if proven.undecided else ""


def _usual_pause() -> Callable[[], None]:
    # In the thread of an event loop, a pause would only block the loop for longer.
    return _pause if running_loop() is None else no_pause


def _pause() -> None:
    time.sleep(_PAUSE_S)
