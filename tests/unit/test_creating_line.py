"""Which frame a creation is attributed to, over frames written down by each test."""

import contextlib
import sys

import pytest

from opentelemetry.instrumentation.concurrency.record.came_in import subject_of
from opentelemetry.instrumentation.concurrency.record.creating_line import find_creating_line

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 13),
    reason="below Python 3.13 the variables of a traced frame are not read",
)


class Frames(list):
    """The frames of a creation, innermost first, in place of the walk outwards."""

    def at(self, place):
        return self[place] if place < len(self) else None


class Application:
    """Recognizes library code and named spawners by the prefix of the function's name."""

    def is_library(self, code, _module):
        return code.co_name.startswith("library")

    def is_named_spawner(self, code, _module):
        return code.co_name.startswith("named")


async def job():
    """Stand for the coroutine function that is started."""


@pytest.fixture
def coroutine():
    made = job()
    yield made
    made.close()


def frames_of(count):
    """Return the frame of the caller and those outside it."""
    frame, found = sys._getframe(1), Frames()
    for _ in range(count):
        found.append(frame)
        frame = frame.f_back
    return found


def line_of(frames, started):
    """Return function, certainty and calling function of the creating line."""
    found = find_creating_line(frames, subject_of(started, started, started.cr_code), Application())
    caller = None if found.caller is None else frames[found.caller].f_code.co_name
    return frames[found.place].f_code.co_name, found.certainty, caller


def keep(coroutine, count):
    """Start a coroutine for the caller."""
    assert coroutine is not None
    return frames_of(count)


def makes_own(count):
    """Start a coroutine that the function names itself."""
    made = job
    assert made is not None
    return frames_of(count)


def test_creating_line_spawner_is_left_for_its_caller(coroutine):
    def caller():
        return keep(coroutine, 2)

    assert line_of(caller(), coroutine)[0] == "caller"


def test_creating_line_spawner_without_caller_in_its_task_stays(coroutine):
    assert line_of(keep(coroutine, 1), coroutine) == ("keep", "path", None)


def test_creating_line_own_coroutine_stays_and_shows_its_caller(coroutine):
    """A factory is one line for its callers, which need separate verdicts."""

    def library_between():
        return makes_own(3)

    def caller():
        return library_between()

    assert line_of(caller(), coroutine) == ("makes_own", "path", "caller")


def test_creating_line_in_a_coroutine_has_no_caller(coroutine):
    async def creates():
        made = job
        assert made is not None
        return frames_of(2)

    def caller():
        with pytest.raises(StopIteration) as stopped, contextlib.closing(creates()) as created:
            created.send(None)
        return stopped.value.value

    assert line_of(caller(), coroutine) == ("creates", "path", None)


def test_creating_line_named_spawner_is_left(coroutine):
    def named_spawner():
        made = job
        assert made is not None
        return frames_of(2)

    def caller():
        return named_spawner()

    assert line_of(caller(), coroutine)[0] == "caller"


def test_creating_line_library_is_left_for_the_application(coroutine):
    def library():
        made = job
        assert made is not None
        return frames_of(4)

    def middleware(following):
        """Merely call the next application."""
        return following()

    def caller():
        return middleware(library)

    def main():
        return caller()

    assert line_of(main(), coroutine)[0] == "caller"


def test_creating_line_application_inside_a_library_stays(coroutine):
    """Even if it is a spawner: no application frame outside the library could be the creating line."""

    def library_inside(started):
        assert started is not None
        return frames_of(3)

    def spawner(started):
        return library_inside(started)

    def library_outside():
        return spawner(coroutine)

    assert line_of(library_outside(), coroutine)[0] == "spawner"


def test_creating_line_of_an_imported_library_is_its_own(coroutine):
    """The module that imports a library first is not responsible for what it creates."""
    namespace = {"__name__": "importlib._bootstrap"}
    exec("def library_import(run):\n    return run()", namespace)

    def library():
        made = job
        assert made is not None
        return frames_of(3)

    def caller():
        return namespace["library_import"](library)

    assert line_of(caller(), coroutine)[0] == "library"


pending = []


def flush(count):
    """Start what was put aside."""
    pending.clear()
    return frames_of(count)


def test_creating_line_outer_frame_given_the_coroutine_is_left(coroutine):
    """The answer holds for this creation only: another call may have put aside another coroutine."""

    def put_aside(started):
        pending.append(started)
        return flush(3)

    def caller():
        return put_aside(coroutine)

    assert line_of(caller(), coroutine)[:2] == ("caller", "creation")


def test_creating_line_that_no_outer_frame_settles_is_unsure(coroutine):
    def caller():
        return flush(2)

    assert line_of(caller(), coroutine)[:2] == ("flush", "unsure")


def test_creating_line_unreadable_frame_is_unsure(coroutine):
    namespace = {"frames_of": frames_of}
    exec("job = None\nframes = frames_of(1)", namespace)
    assert line_of(namespace["frames"], coroutine)[1] == "unsure"


def test_creating_line_generator_is_left_beyond_its_consumer(coroutine):
    def consumes(generator):
        return next(generator)

    def caller():
        return consumes(frames_of(3) for _ in range(1))

    assert line_of(caller(), coroutine)[0] == "caller"
