"""Profiles in pprof's format (``debug=0``): ``profile.proto``, compressed, written in pieces.

Each sample is a stack with labels for the common properties of the tasks. The spawners and the creating line follow
after the outermost frame, as in the text form. Ages are a value rather than a label, because ``-diff_base`` can't match
samples whose labels change with time.

The format: https://github.com/google/pprof/blob/main/proto/profile.proto
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..record.naming import CodeLine
from ..snapshot.interned import Interned
from ..snapshot.process_info import ProcessInfo
from ..snapshot.tally import Tally
from ..snapshot.values import CreationSite
from .name_text import sanitize_name
from .protobuf import bytes_field, number_field, packed_field

# Fields of the messages Profile, ValueType, Sample, Label, Mapping, Location, Line and Function.
_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING = 1, 2, 3, 4, 5, 6
_TIME_NANOS, _DURATION_NANOS, _PERIOD_TYPE, _PERIOD, _COMMENT, _DEFAULT_SAMPLE_TYPE = 9, 10, 11, 12, 13, 14
_TYPE, _UNIT = 1, 2
_LOCATION_ID, _VALUE, _LABEL = 1, 2, 3
_KEY, _TEXT = 1, 2
_ID, _FILENAME, _HAS_FUNCTIONS, _HAS_FILENAMES, _HAS_LINE_NUMBERS = 1, 5, 7, 8, 9
_MAPPING_ID, _LINE = 2, 4
_FUNCTION_ID, _LINE_NUMBER = 1, 2
_NAME, _SYSTEM_NAME, _FUNCTION_FILENAME = 2, 3, 4

_THE_MAPPING: Final = 1
_NANOSECONDS: Final = 1_000_000_000
_MILLISECONDS: Final = 1000
_TEXT_LIMIT: Final = 1000
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a profile.

    Attributes:
        tally: The common properties of the tasks or threads.
        count: Their number; in a difference the change, which may be negative.
        age_s: The sum of their ages in seconds; in a difference the change.
    """

    tally: Tally
    count: int
    age_s: float


def samples_of(tallies: Iterable[Tally]) -> list[Sample]:
    """Return counts as samples."""
    return [Sample(tally, tally.count, tally.age_total_s) for tally in tallies]


def difference(before: Iterable[Tally], after: Iterable[Tally]) -> list[Sample]:
    """Return the change of each count from ``before`` to ``after``, without unchanged counts."""
    made: dict[tuple[object, ...], Sample] = {
        _key(tally): Sample(tally, tally.count, tally.age_total_s) for tally in after
    }
    for tally in before:
        now = made.get(_key(tally))
        count, age_s = (now.count, now.age_s) if now is not None else (0, 0.0)
        made[_key(tally)] = Sample(tally, count - tally.count, age_s - tally.age_total_s)
    return sorted((sample for sample in made.values() if sample.count), key=lambda sample: -sample.count)


def pprof_profile(
    name: str,
    samples: Iterable[Sample],
    *,
    taken_at: float,
    process: ProcessInfo,
    duration_s: float = 0.0,
    note: str = "",
) -> Iterator[bytes]:
    """Yield a gzip-compressed profile in pieces.

    Args:
        name: The name of the profile; its sample types are this with the unit ``count``, and ``age``.
        samples: The counts, split by event loop.
        taken_at: Seconds since the epoch.
        process: The profiled process.
        duration_s: Duration of a difference in seconds.
        note: A remark on the whole profile; empty for none.

    Cost: about 20 µs per sample with a stack of ten frames.
    """
    compressor = zlib.compressobj(wbits=_GZIP)
    message = _Message(name)
    for sample in samples:
        yield compressor.compress(message.sample(sample))
    python = f"Python {process.python_version}" if process.python_version else ""
    comments = [each for each in (f"process {process.process_id}", python, note) if each]
    for piece in message.rest(process.service_name or "python", comments):
        yield compressor.compress(piece)
    yield compressor.compress(
        number_field(_TIME_NANOS, int(taken_at * _NANOSECONDS))
        + number_field(_DURATION_NANOS, int(duration_s * _NANOSECONDS))
    )
    yield compressor.flush()


class _Message:
    """Assigns numbers to texts, functions and locations while samples are written; their tables follow."""

    def __init__(self, name: str) -> None:
        self._texts: Interned[str] = Interned()
        self._texts.number("")
        self._functions: Interned[tuple[str, str]] = Interned()
        self._locations: Interned[CodeLine] = Interned()
        self._stacks: dict[tuple[int, int], tuple[tuple[CodeLine, ...], CreationSite, bytes]] = {}
        self._name = name

    def sample(self, sample: Sample) -> bytes:
        """Return one sample with its labels."""
        tally = sample.tally
        line = f":{tally.site.line}" if tally.site.line else ""
        labels = {
            "wait_reason": tally.wait_reason,
            "verdict": tally.verdict or "",
            "creation_site": tally.site.function + line,
            "runs": tally.site.runs,
            "loop": tally.loop,
        }
        message = [self._stack(tally), packed_field(_VALUE, (sample.count, round(sample.age_s * _MILLISECONDS)))]
        for key, value in labels.items():
            if value:
                label = number_field(_KEY, self._text(key)) + number_field(_TEXT, self._text(value))
                message.append(bytes_field(_LABEL, label))
        return bytes_field(_SAMPLE, b"".join(message))

    def _stack(self, tally: Tally) -> bytes:
        """Return the locations of a stack and its creation, innermost first as the format requires."""
        # pprof drops samples without a location.
        stack = tally.stack or (CodeLine(f"[{tally.wait_reason}]", "", 0),)
        site = tally.site
        known = self._stacks.get((id(stack), id(site)))
        if known is None:
            creation = (*site.via, CodeLine(site.function, site.path, site.line))
            numbers = [self._locations.number(entry) + 1 for entry in (*reversed(stack), *creation)]
            # The object is kept as well, so that its identity is not reused.
            known = self._stacks[id(stack), id(site)] = (stack, site, packed_field(_LOCATION_ID, numbers))
        return known[2]

    def _text(self, text: str) -> int:
        return self._texts.number(sanitize_name(text, _TEXT_LIMIT))

    def rest(self, program: str, comments: list[str]) -> Iterator[bytes]:
        """Yield the tables that samples refer to."""
        yield bytes_field(_SAMPLE_TYPE, self._type(self._name, "count"))
        yield bytes_field(_SAMPLE_TYPE, self._type("age", "milliseconds"))
        yield bytes_field(_PERIOD_TYPE, self._type(self._name, "count")) + number_field(_PERIOD, 1)
        yield number_field(_DEFAULT_SAMPLE_TYPE, self._text(self._name))
        # With all of these set pprof does not search for a binary to resolve names.
        yield bytes_field(
            _MAPPING,
            number_field(_ID, _THE_MAPPING)
            + number_field(_FILENAME, self._text(program))
            + number_field(_HAS_FUNCTIONS, 1)
            + number_field(_HAS_FILENAMES, 1)
            + number_field(_HAS_LINE_NUMBERS, 1),
        )
        for number, entry in enumerate(self._locations.values, 1):
            function = self._functions.number((entry.function, entry.path)) + 1
            line = number_field(_FUNCTION_ID, function) + number_field(_LINE_NUMBER, entry.line)
            message = number_field(_ID, number) + number_field(_MAPPING_ID, _THE_MAPPING) + bytes_field(_LINE, line)
            yield bytes_field(_LOCATION, message)
        for number, (name, path) in enumerate(self._functions.values, 1):
            texts = (_NAME, name), (_SYSTEM_NAME, name), (_FUNCTION_FILENAME, path)
            message = b"".join(number_field(field, self._text(text)) for field, text in texts)
            yield bytes_field(_FUNCTION, number_field(_ID, number) + message)
        for comment in comments:
            yield number_field(_COMMENT, self._text(comment))
        for text in self._texts.values:
            yield bytes_field(_STRING, text.encode("utf-8", "backslashreplace"))

    def _type(self, name: str, unit: str) -> bytes:
        return number_field(_TYPE, self._text(name)) + number_field(_UNIT, self._text(unit))


def _key(tally: Tally) -> tuple[object, ...]:
    return tally.kind, tally.site, tally.stack, tally.wait_reason, tally.verdict, tally.loop
