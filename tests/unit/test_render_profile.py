"""Profiles of a living process: what leaks is in them, what is healthy is not accused, and nothing is held."""

import asyncio
import contextlib
import gc
import io
import json
import threading
import types
import weakref

import jsonschema
import pytest
from healthy_waits import run_on
from pprof_reading import read_profile
from suspended_tasks import abandon

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot, write_profile
from opentelemetry.instrumentation.concurrency.diagnose import wakeability
from opentelemetry.instrumentation.concurrency.diagnose.picture import iter_glimpses, iter_pictures
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.render.profile import PROFILES, write_difference, write_live_snapshot
from opentelemetry.instrumentation.concurrency.render.snapshot_json import read_snapshot, snapshot_schema
from opentelemetry.instrumentation.concurrency.render.tally import tally

registry = types.SimpleNamespace()


@contextlib.contextmanager
def instrumented(**settings):
    ConcurrencyInstrumentor().instrument(reports="none", **settings)
    try:
        yield
    finally:
        ConcurrencyInstrumentor().uninstrument()


@pytest.fixture
def instrumentation():
    with instrumented():
        yield


async def ask(queue):
    await queue.put("question")


async def work(queue):
    await queue.get()


async def await_next(circle, number):
    await circle[number]


@contextlib.asynccontextmanager
async def service(leaks=3, workers=2):
    """Run a planted leak and its healthy twin."""
    full, registry.inbox = asyncio.Queue(1), asyncio.Queue()
    full.put_nowait("nobody takes this")
    tasks = [asyncio.create_task(ask(full), name=f"leak {number}") for number in range(leaks)]
    tasks += [asyncio.create_task(work(registry.inbox), name=f"worker {number}") for number in range(workers)]
    del full
    await asyncio.sleep(0)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def profile(name, debug=1):
    stream = io.StringIO() if debug else io.BytesIO()
    write_profile(name, stream, debug)
    return stream.getvalue()


def counts_by_function(data):
    found = {}
    for stack, values, _ in read_profile(data).samples:
        for function in {function.rpartition(".")[2] for function, _, _ in stack}:
            found[function] = found.get(function, 0) + values[0]
    return found


def blocks(text):
    """Return count and last function of each block, by its first comment."""
    found = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("taskleak") and " profile: " not in line]
        if lines:
            found[lines[1]] = int(lines[0].split()[0])
    return found


def test_the_leak_profile_proves_the_leak_and_spares_its_twin(instrumentation):
    """No age is needed: a proof is a proof at once, in every form."""

    async def main():
        async with service():
            return profile("taskleak"), profile("taskleak", 2), profile("taskleak", 0), profile("task")

    grouped, full, protobuf, everything = asyncio.run(main())
    assert grouped.startswith("taskleak profile: total 3\n3 @ 0x")
    assert "# [queue.put, unwakeable]" in grouped
    assert grouped.count(" @ ") == 1
    assert full.count('"leak ') == 3 and '"worker ' not in full
    assert "old: nothing that still runs holds what it waits for\n" in full
    assert [(values[0], labels["verdict"]) for _, values, labels in read_profile(protobuf).samples] == [
        (3, "unwakeable")
    ]
    # The profile of all tasks runs no proof.
    assert blocks(everything) == {"# [queue.put]": 3, "# [queue.get]": 2, "# [running]": 1}


def test_a_healthy_process_has_an_empty_leak_profile(instrumentation):
    """A false alarm costs more than a missed leak."""

    async def main():
        async with service(leaks=0):
            return profile("taskleak"), profile("taskleak", 2), read_profile(profile("taskleak", 0)).samples

    assert asyncio.run(main()) == ("taskleak profile: total 0\n", "", [])


def test_what_was_declared_to_be_no_leak_is_in_no_leak_profile():
    """The setting IGNORE counts on request too."""

    async def main():
        async with service():
            return profile("taskleak")

    with instrumented(ignore=["*test_render_profile.service"]):
        assert asyncio.run(main()) == "taskleak profile: total 0\n"


def test_a_circle_of_tasks_is_shown_as_a_deadlock(instrumentation):
    """Full text and JSON say who awaits whom."""

    async def main():
        circle = []
        circle += [asyncio.create_task(await_next(circle, number)) for number in (1, 0)]
        await asyncio.sleep(0)
        full, stream = profile("taskleak", 2), io.StringIO()
        write_live_snapshot(stream)
        abandon(*circle)
        return full, read_snapshot(stream.getvalue())

    # asyncio.run() would cancel the circle, and recurse without end.
    full, shown = run_on("asyncio", main())
    gc.collect()
    assert full.count("old: it and 1 other task await each other in a circle\n") == 2
    assert full.count("# deadlock: task ") == 2
    assert sorted(len(one.deadlock) for one in shown.tasks) == [0, 2, 2]


def test_what_could_not_be_proven_is_said(instrumentation, monkeypatch):
    """An interpreter without a global lock gives no verdict, and the profile doesn't look like health."""
    monkeypatch.setattr(wakeability, "_is_free_threaded", lambda: True)

    async def main():
        async with service():
            return profile("taskleak"), profile("taskleak", 2), read_profile(profile("taskleak", 0)).comments

    grouped, full, comments = asyncio.run(main())
    assert grouped.startswith("taskleak profile: total 0\n# not everything could be proven: this interpreter has no")
    assert full.startswith("# not everything could be proven: ")
    assert comments[-1].startswith("not everything could be proven: ")


def test_threads_are_shown_with_their_stacks(instrumentation):
    """The waiting thread, by the line that started it."""
    release, ready = threading.Event(), threading.Event()

    def wait():
        ready.set()
        release.wait()

    thread = threading.Thread(target=wait, name="waits")
    thread.start()
    try:
        assert ready.wait(10)
        grouped, full, protobuf = profile("thread"), profile("thread", 2), profile("thread", 0)
    finally:
        release.set()
        thread.join()
    assert "test_threads_are_shown_with_their_stacks\t" in grouped
    assert '"waits" [event.wait]:' in full
    assert counts_by_function(protobuf)["wait"] >= 1


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


def test_a_difference_has_what_came_and_what_went(instrumentation):
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

            await asyncio.to_thread(write_difference, "task", stream, 5, wait=wait)
            await more.__aexit__(None, None, None)
            return stream.getvalue()

    data = asyncio.run(main())
    counts = counts_by_function(data)
    assert (counts["ask"], counts["work"]) == (3, -1)
    assert read_profile(data).duration_nanos == 5_000_000_000


def test_a_difference_over_no_time_is_refused(instrumentation):
    """And one of a profile that does not exist."""
    with pytest.raises(ValueError, match="greater than 0, got -1"):
        write_difference("task", io.BytesIO(), -1)
    with pytest.raises(ValueError, match="Unknown profile 'heap'"):
        write_difference("heap", io.BytesIO(), 1)


def test_the_live_snapshot_is_what_take_snapshot_sees(instrumentation):
    """By the published schema, and with the same groups."""

    async def main():
        async with service():
            stream = io.BytesIO()
            write_live_snapshot(stream)
            return stream.getvalue(), take_snapshot()

    text, taken = asyncio.run(main())
    jsonschema.Draft202012Validator(snapshot_schema()).validate(json.loads(text))
    read = read_snapshot(text)
    # Of the tasks alone: threads of our own may start meanwhile.
    sites = [[(one.count, one.site) for one in found.by_site if one.kind == "task"] for found in (read, taken)]
    assert sites[0] == sites[1]
    waiting = [one for one in taken.tasks if one.wait_reason != "running"]
    assert [(one.serial, one.stack, one.owners) for one in read.tasks if one.wait_reason != "running"] == [
        (one.serial, one.stack, one.owners) for one in waiting
    ]


@pytest.mark.parametrize(
    "write",
    [*((lambda stream, form=form: write_profile("task", stream, form)) for form in (0, 1, 2)), write_live_snapshot],
)
def test_a_slow_reader_keeps_nothing_from_running(instrumentation, write):
    """While the stream takes its time, the census is free for scans, forks and other readers."""
    free, writes = [], []

    def look():
        with current_installation().census.locked():
            free.append(True)

    class Slow(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            other = threading.Thread(target=look, daemon=True)
            other.start()
            other.join(5)
            writes.append(len(data))
            return len(data)

    async def main():
        async with service():
            write(Slow())

    asyncio.run(main())
    assert writes and len(free) == len(writes)


def test_a_profile_holds_nothing_alive(instrumentation):
    """What has ended after it is gone."""

    async def main():
        async with service() as tasks:
            for name in PROFILES:
                for debug in (0, 1, 2):
                    profile(name, debug)
            return [weakref.ref(task) for task in tasks]

    references = asyncio.run(main())
    gc.collect()
    assert [reference() for reference in references] == [None] * 5


class Lying(str):
    """A name that runs code when somebody looks."""

    __slots__ = ()

    def __str__(self):
        return self

    def _never(self, *_):
        raise AssertionError("the application's code ran")

    isprintable = __len__ = __getitem__ = __iter__ = encode = replace = __eq__ = __hash__ = __repr__ = _never


def test_a_name_of_the_applications_own_type_runs_none_of_its_code(instrumentation):
    """Its characters are shown all the same."""

    async def main():
        task = asyncio.create_task(work(asyncio.Queue()), name=Lying("sly"))
        await asyncio.sleep(0)
        stream = io.BytesIO()
        write_live_snapshot(stream)
        full = profile("task", 2)
        task.cancel()
        return full, read_snapshot(stream.getvalue())

    full, shown = asyncio.run(main())
    assert ' "sly" [queue.get]:\n' in full
    assert "sly" in {one.name for one in shown.tasks}


def test_a_glimpse_counts_as_a_picture_does(instrumentation):
    """The cheap look of the counts and the whole one agree."""

    async def main():
        async with service():
            here = current_installation()
            with here.census.locked():
                pictures = tally(iter_pictures(here.census, here.diagnosis, "task"), split_loops=True)
                glimpses = tally(iter_glimpses(here.census, here.diagnosis), split_loops=True)
            return [
                [(one.count, one.site, one.wait_reason, one.loop, one.creation_stack) for one in counted]
                for counted in (pictures, glimpses)
            ]

    pictures, glimpses = asyncio.run(main())
    assert pictures == glimpses
    assert len(pictures) == 3
