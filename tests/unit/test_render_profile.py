"""The forms of a profile: text and protobuf, on any stream, refused with a reason."""

import asyncio
import io
import types

import pytest
from pprof_reading import read_profile
from profiled_service import (
    counts_by_function,
    service,
)

from opentelemetry.instrumentation.concurrency import write_profile
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.live_profile import write_difference
from opentelemetry.instrumentation.concurrency.render.profile_names import PROFILES


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("debug", [1, 2])
def test_text_goes_to_streams_of_text_and_of_bytes(instrumentation, name, debug):
    """Whatever a program opened."""
    text, binary, pieces = io.StringIO(), io.BytesIO(), []
    write_profile(name, text, debug)
    write_profile(name, binary, debug)
    write_profile(name, types.SimpleNamespace(write=pieces.append), debug)
    assert binary.getvalue().decode().count("\n") == text.getvalue().count("\n") == "".join(pieces).count("\n")


def test_protobuf_goes_to_the_bytes_under_a_stream_of_text(instrumentation):
    """As `sys.stdout` has them."""
    under = io.BytesIO()
    text = io.TextIOWrapper(under)
    text.write("before")
    write_profile("task", text, 0)
    assert under.getvalue().startswith(b"before\x1f\x8b")
    with pytest.raises(TypeError, match=r"needs a binary stream, got StringIO: open the file with mode 'wb'"):
        write_profile("task", io.StringIO(), 0)
    with pytest.raises(TypeError, match=r"Expected a stream with write\(\).*got str"):
        write_profile("task", "task.pb.gz")


@pytest.mark.parametrize("name", ["goroutine", "", None, "Task"])
def test_an_unknown_profile_is_refused(instrumentation, name):
    """With what was given and what is expected."""
    with pytest.raises(ValueError, match=rf"Unknown profile {name!r}: expected one of 'task', 'taskleak', 'thread'"):
        write_profile(name, io.BytesIO())


@pytest.mark.parametrize("debug", [3, -1, "1", None])
def test_an_unknown_form_is_refused(instrumentation, debug):
    """With what was given and what is expected."""
    with pytest.raises(ValueError, match=rf"debug={debug!r}: expected 0 \(gzip protobuf\), 1 \(grouped text\) or 2"):
        write_profile("task", io.BytesIO(), debug)


def test_without_instrumentation_the_error_says_how_to_begin():
    """As for a snapshot."""
    with pytest.raises(RuntimeError, match=r"write_profile\(\) needs the instrumentation"):
        write_profile("task", io.StringIO())


def test_difference_has_added_and_removed_tasks(instrumentation):
    """The wait is where things happen; here they happen in it."""

    async def main():
        async with service(leaks=2, workers=1) as tasks:
            stream = io.BytesIO()
            more = service(leaks=3, workers=0)
            loop = asyncio.get_running_loop()

            def wait(seconds):
                assert seconds == 5
                asyncio.run_coroutine_threadsafe(more.__aenter__(), loop).result()
                loop.call_soon_threadsafe(tasks[-1].cancel)
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()

            await asyncio.to_thread(write_difference, current_installation().live, "task", stream, 5, wait=wait)
            await more.__aexit__(None, None, None)
            return stream.getvalue()

    data = asyncio.run(main())
    counts = counts_by_function(data)
    assert (counts["ask"], counts["work"]) == (3, -1)
    assert read_profile(data).duration_nanos == 5_000_000_000


def test_a_difference_over_no_time_is_refused(instrumentation):
    """And one of a profile that does not exist."""
    with pytest.raises(ValueError, match="greater than 0, got -1"):
        write_difference(current_installation().live, "task", io.BytesIO(), -1)
    with pytest.raises(ValueError, match="Unknown profile 'heap'"):
        write_difference(current_installation().live, "heap", io.BytesIO(), 1)
