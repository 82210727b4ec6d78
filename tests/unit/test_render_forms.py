"""What a client makes of the JSON of a process is what the process would have written itself."""

import asyncio
import io
import re

from pictured import healthy, leaked, snapshot, thread
from pprof_reading import read_profile

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, write_profile
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.live_profile import write_live_snapshot
from opentelemetry.instrumentation.concurrency.render.folded import folded
from opentelemetry.instrumentation.concurrency.render.full_text import full_text
from opentelemetry.instrumentation.concurrency.render.grouped_text import grouped_text
from opentelemetry.instrumentation.concurrency.render.pprof_profile import difference, pprof_profile, samples_of
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally

SHOWN = snapshot([leaked(number) for number in range(20, 23)] + [healthy()], [thread()])


def pprof(samples, **options):
    pieces = pprof_profile("task", samples, taken_at=SHOWN.taken_at, process=ProcessInfo(4711), **options)
    return read_profile(b"".join(pieces))


def test_folded_leak_is_one_line_with_its_count():
    leaks = [task for task in SHOWN.tasks if task.verdict is not None]
    text = "".join(folded(tally(leaks)))
    assert text == "shop.search.ask:24;asyncio.queues.Queue.put:140;[queue.put] 3\n"


def test_client_renders_like_the_process():
    """Texts and samples agree, except for how long each has waited."""

    async def main():
        waiting = asyncio.create_task(asyncio.Event().wait(), name="waits")
        await asyncio.sleep(0)
        texts = [io.BytesIO() for _ in range(3)]
        for debug, stream in enumerate(texts):
            write_profile("task", stream, debug)
        document = io.BytesIO()
        write_live_snapshot(current_installation().live, document)
        waiting.cancel()
        return [stream.getvalue() for stream in texts], read_snapshot(document.getvalue())

    ConcurrencyInstrumentor().instrument(reports="none")
    try:
        (protobuf, grouped, full), read = asyncio.run(main())
    finally:
        ConcurrencyInstrumentor().uninstrument()

    def waiting_block(text):
        return next(block for block in re.split("\n\n|total 2\n", text) if "[event.wait]" in block)

    assert waiting_block("".join(grouped_text("task", tally(read.tasks)))) == waiting_block(grouped.decode())
    assert waiting_block("".join(full_text(read.tasks))) == waiting_block(full.decode())
    ours, theirs = (
        [
            (stack, values[0], labels)
            for stack, values, labels in profile.samples
            if labels["wait_reason"] == "event.wait"
        ]
        for profile in (pprof(samples_of(tally(read.tasks, split_loops=True))), read_profile(protobuf))
    )
    assert ours == theirs != []


def test_difference_of_snapshots_has_added_and_removed_tasks():
    later = snapshot([leaked(number) for number in range(20, 30)], taken_at=SHOWN.taken_at + 60)
    samples = difference(tally(SHOWN.tasks, split_loops=True), tally(later.tasks, split_loops=True))
    profile = pprof(samples, duration_s=60.0)
    assert [values[0] for _, values, _ in profile.samples] == [7, -1]
    assert profile.duration_nanos == 60_000_000_000
