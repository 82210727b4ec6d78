"""Choice of the creating line: the frame that a reader would hold responsible.

The walk begins at the innermost frame that is not plumbing:

1. A spawner is left for its caller, as long as there is a caller in the same task. A comprehension is left as well, and
   so is a frame that starts an argument of an outer frame.
2. Library code is left for the first application frame outwards in the same task that does not merely pass control
   through (as a middleware does that calls the next application). Without such a frame, the creating line is the last
   application frame that was left, or else the innermost frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FrameType
from typing import Final, Literal

from .application import ApplicationCode
from .bytecode import names_function
from .came_in import Subject, came_in, holds_as_argument, is_given_generator, passes_through
from .outward import SUSPENDABLE, Outward, module_of_frame

_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_LOOK_AHEAD: Final = 4
_MAX_STEPS: Final = 100
_MOST_BETWEEN: Final = 8
_IMPORT_SYSTEM: Final = "importlib._bootstrap"


@dataclass(slots=True)
class CreatingLine:
    """The chosen frame.

    Attributes:
        place: The frame's position in the walk, 0 for the innermost.
        caller: The position of the application frame that called a plain function there; None if there is none. A
            factory is one line for healthy and leaking callers, which need separate verdicts.
        certainty: ``path`` if every creation on the same path has the same answer; ``creation`` if the answer holds for
            this creation only; ``unsure`` if a frame could not be read or no outer frame settled the question.
    """

    place: int
    caller: int | None = None
    certainty: Literal["path", "creation", "unsure"] = "path"


class _Walk:
    """State shared by the steps outwards."""

    def __init__(self, outward: Outward, subject: Subject, application: ApplicationCode) -> None:
        self.outward = outward
        self.subject = subject
        self.application = application
        self.answer = CreatingLine(0)

    def is_library(self, frame: FrameType) -> bool:
        """Return whether a frame runs library code."""
        return self.application.is_library(frame.f_code, module_of_frame(frame))

    def step(self, place: int) -> int | None:
        """Return the position to continue at if the frame at ``place`` is a spawner, else None."""
        frame = self.outward.at(place)
        assert frame is not None
        code = frame.f_code
        if code.co_name in _COMPREHENSIONS:
            return self.beyond_consumers(place, frame)
        if self.application.is_named_spawner(code, module_of_frame(frame)):
            return place + 1
        answer = came_in(frame, self.subject, is_library=self.is_library(frame))
        if answer == "yes":
            return place + 1
        if answer == "unreadable":
            # The trace function or the other reader may be gone at the next creation.
            self.answer.certainty = "unsure"
            return None
        return self.look_ahead(place, frame)

    def beyond_consumers(self, place: int, generator: FrameType) -> int:
        """Return the position of the function that contains a comprehension, after those that consume its generator."""
        for ahead in range(place + 1, place + _MAX_STEPS):
            outer = self.outward.at(ahead)
            if outer is None or not is_given_generator(outer, generator):
                return ahead
        return place + 1

    def look_ahead(self, place: int, frame: FrameType) -> int | None:
        """Return the position of an outer frame that was called with the started object, unless ``frame`` made it."""
        made = self.subject.code
        if made is None or names_function(frame.f_code, made.co_name):
            return None
        for ahead in range(place + 1, place + 1 + _LOOK_AHEAD):
            outer = self.outward.at(ahead)
            if outer is None:
                break
            if holds_as_argument(outer, self.subject):
                self.answer.certainty = "creation"
                return ahead
        if self.answer.certainty == "path":
            self.answer.certainty = "unsure"
        return None


def find_creating_line(outward: Outward, subject: Subject, application: ApplicationCode) -> CreatingLine:
    """Return the frame to which a creation is attributed.

    Args:
        outward: The frames, at least one.
        subject: The started object.
        application: Distinguishes application code from library code.

    Cost: tens of microseconds, once per path.
    """
    walk = _Walk(outward, subject, application)
    place, last_of_application = 0, None
    for _ in range(_MAX_STEPS):
        frame = outward.at(place)
        if frame is None:
            break
        if not walk.is_library(frame):
            last_of_application = place
        following = walk.step(place)
        subject.inside.append(frame.f_code)
        if following is None or outward.at(following) is None:
            break
        place = following
    answer = walk.answer
    answer.place = place
    current = outward.at(place)
    if current is not None and walk.is_library(current):
        outer = _first_of_application(walk, place)
        answer.place = outer if outer is not None else (last_of_application or 0)
    answer.caller = _caller_of_factory(walk, answer.place)
    return answer


def _caller_of_factory(walk: _Walk, place: int) -> int | None:
    creating = walk.outward.at(place)
    if creating is None or creating.f_code.co_flags & SUSPENDABLE or walk.is_library(creating):
        return None
    for ahead in range(place + 1, place + 1 + _MOST_BETWEEN):
        frame = walk.outward.at(ahead)
        if frame is None:
            return None
        if not walk.is_library(frame):
            return ahead
    return None


def _first_of_application(walk: _Walk, place: int) -> int | None:
    for ahead in range(place + 1, place + 1 + _MAX_STEPS):
        frame, inner = walk.outward.at(ahead), walk.outward.at(ahead - 1)
        if frame is None or inner is None or module_of_frame(frame) == _IMPORT_SYSTEM:
            # The module that imports a library first is not responsible for objects that the library creates for all.
            return None
        if not walk.is_library(frame) and not passes_through(frame, inner.f_code):
            return ahead
    return None
