"""The live snapshot and profiles disturb nothing, hold nothing and run none of the application's code."""

import asyncio
import gc
import io
import json
import threading
import weakref

import jsonschema
import pytest
from profiled_service import (
    profile,
    service,
    work,
)

from opentelemetry.instrumentation.concurrency import take_snapshot, write_profile
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.live_profile import write_live_snapshot
from opentelemetry.instrumentation.concurrency.render.profile_names import PROFILES
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot, snapshot_schema
from opentelemetry.instrumentation.concurrency.snapshot.picture import iter_pictures, iter_summaries
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally


def test_live_snapshot_equals_take_snapshot(instrumentation):
    """By the published schema, and with the same groups."""

    async def main():
        async with service():
            stream = io.BytesIO()
            write_live_snapshot(current_installation().live, stream)
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
    [
        *((lambda stream, form=form: write_profile("task", stream, form)) for form in (0, 1, 2)),
        lambda stream: write_live_snapshot(current_installation().live, stream),
    ],
)
def test_a_slow_reader_keeps_nothing_from_running(instrumentation, write):
    """While the stream takes its time, the census is free for scans, forks and other readers."""
    free, writes = [], []

    def scan():
        with current_installation().census.locked():
            free.append(True)

    class Slow(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            other = threading.Thread(target=scan, daemon=True)
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
    """A name that runs code when it is read."""

    __slots__ = ()

    def __str__(self):
        return self

    def _never(self, *_):
        raise AssertionError("the application's code ran")

    isprintable = __len__ = __getitem__ = __iter__ = encode = replace = __eq__ = __hash__ = __repr__ = _never


def test_name_of_an_own_type_runs_no_code_of_it(instrumentation):
    """Its characters are shown all the same."""

    async def main():
        task = asyncio.create_task(work(asyncio.Queue()), name=Lying("sly"))
        await asyncio.sleep(0)
        stream = io.BytesIO()
        write_live_snapshot(current_installation().live, stream)
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
                summaries = tally(iter_summaries(here.census, here.diagnosis), split_loops=True)
            return [
                [(one.count, one.site, one.wait_reason, one.loop, one.creation_stack) for one in counted]
                for counted in (pictures, summaries)
            ]

    pictures, summaries = asyncio.run(main())
    assert pictures == summaries
    assert len(pictures) == 3
