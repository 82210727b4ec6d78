"""Profiles of a living process: what leaks is in them, what is healthy is not accused, and nothing is held."""

import asyncio
import gc
import io
import threading

from healthy_waits import run_on
from pprof_reading import read_profile
from profiled_service import (
    await_next,
    blocks,
    counts_by_function,
    instrumented,
    profile,
    service,
)
from suspended_tasks import abandon

from opentelemetry.instrumentation.concurrency.diagnose.proof import wakeability
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.live_profile import write_live_snapshot
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot
from opentelemetry.instrumentation.concurrency.snapshot.picture import iter_pictures, iter_summaries


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


def test_declared_task_is_not_in_the_leak_profile():
    """The setting IGNORE counts on request too."""

    async def main():
        async with service():
            return profile("taskleak")

    with instrumented(ignore=["*profiled_service.service"]):
        assert asyncio.run(main()) == "taskleak profile: total 0\n"


def test_picture_has_its_own_stack_or_says_whose_it_is():
    """With sampling on, the first task of a site has its own; the second shows the first one's as another's."""

    async def wait(event):
        await event.wait()

    async def main():
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait(event), name=f"waits {number}") for number in range(2)]
        await asyncio.sleep(0)
        census, diagnosis = current_installation().census, current_installation().diagnosis
        with census.locked():
            pictures = [one for one in iter_pictures(census, diagnosis, "task") if one.name.startswith("waits")]
        with census.locked():
            summaries = [one for one in iter_summaries(census, diagnosis) if one.site == pictures[0].site]
        event.set()
        await asyncio.wait(tasks)
        return pictures, summaries

    with instrumented(stack_sampling=1000):
        pictures, summaries = asyncio.run(main())
    assert [one.creation_sampled for one in pictures] == [one.creation_sampled for one in summaries] == [False, True]
    assert pictures[0].creation_stack and pictures[0].creation_stack == pictures[1].creation_stack
    assert pictures[0].site.runs.endswith("wait")


def test_a_circle_of_tasks_is_shown_as_a_deadlock(instrumentation):
    """Full text and JSON say who awaits whom."""

    async def main():
        circle = []
        circle += [asyncio.create_task(await_next(circle, number)) for number in (1, 0)]
        await asyncio.sleep(0)
        full, stream = profile("taskleak", 2), io.StringIO()
        write_live_snapshot(current_installation().live, stream)
        abandon(*circle)
        return full, read_snapshot(stream.getvalue())

    # asyncio.run() would cancel the circle, and recurse without end.
    full, shown = run_on("asyncio", main())
    gc.collect()
    assert full.count("old: it and 1 other task await each other in a cycle\n") == 2
    assert full.count("# deadlock: task ") == 2
    assert sorted(len(one.deadlock) for one in shown.tasks) == [0, 2, 2]


def test_unexamined_tasks_are_counted(instrumentation, monkeypatch):
    """An interpreter without a global lock gives no verdict, and the profile doesn't look like health."""
    monkeypatch.setattr(wakeability, "FREE_THREADED_BUILD", True)

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
