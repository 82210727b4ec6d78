"""What a client makes of the JSON of a process is what the process would have written itself."""

import asyncio
import io
import re

import pytest
from pictured import healthy, leaked, snapshot, thread
from pprof_reading import read_profile

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, write_profile
from opentelemetry.instrumentation.concurrency.render.forms import FORMS, write_form, write_pprof_difference
from opentelemetry.instrumentation.concurrency.render.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.render.profile import write_live_snapshot
from opentelemetry.instrumentation.concurrency.render.snapshot_json import read_process_info, read_snapshot

SHOWN = snapshot([leaked(number) for number in range(20, 23)] + [healthy()], [thread()])


def made(form, name="task", shown=SHOWN, **options):
    stream = io.BytesIO()
    write_form(shown, name, form, stream, **options)
    return stream.getvalue()


def test_leaks_are_the_tasks_with_a_verdict():
    """The healthy twin is in no form of the leak profile."""
    assert made("text", "taskleak").startswith(b"taskleak profile: total 3\n3 @")
    assert b"worker" not in made("full", "taskleak")
    assert made("folded", "taskleak") == b"shop.search.ask:24;asyncio.queues.Queue.put:140;[queue.put] 3\n"
    assert [values[0] for _, values, _ in read_profile(made("pprof", "taskleak")).samples] == [3]


def test_json_is_the_snapshot_itself():
    """It can be written on, with the process it came from."""
    text = made("json", process=ProcessInfo(4711, "3.14.0", "shop"))
    assert read_snapshot(text) == SHOWN
    assert read_process_info(text).service_name == "shop"


def test_a_client_renders_what_the_process_would_have():
    """Texts and samples agree, but for how long each has waited."""

    async def main():
        waiting = asyncio.create_task(asyncio.Event().wait(), name="waits")
        await asyncio.sleep(0)
        texts = [io.BytesIO() for _ in range(3)]
        for debug, stream in enumerate(texts):
            write_profile("task", stream, debug)
        document = io.BytesIO()
        write_live_snapshot(document)
        waiting.cancel()
        return [stream.getvalue() for stream in texts], read_snapshot(document.getvalue())

    ConcurrencyInstrumentor().instrument(reports="none")
    try:
        (pprof, grouped, full), read = asyncio.run(main())
    finally:
        ConcurrencyInstrumentor().uninstrument()

    def waiting_block(text):
        return next(block for block in re.split("\n\n|total 2\n", text.decode()) if "[event.wait]" in block)

    assert waiting_block(made("text", shown=read)) == waiting_block(grouped)
    assert waiting_block(made("full", shown=read)) == waiting_block(full)
    ours, theirs = (
        [sample for sample in read_profile(data).samples if sample[2]["wait_reason"] == "event.wait"]
        for data in (made("pprof", shown=read), pprof)
    )
    assert [(stack, values[0], labels) for stack, values, labels in ours] == [
        (stack, values[0], labels) for stack, values, labels in theirs
    ]


def test_the_difference_of_two_files_is_a_profile():
    """What came and what went between them."""
    stream = io.BytesIO()
    later = snapshot([leaked(number) for number in range(20, 30)], taken_at=SHOWN.taken_at + 60)
    write_pprof_difference(SHOWN, later, "task", stream)
    profile = read_profile(stream.getvalue())
    assert [values[0] for _, values, _ in profile.samples] == [7, -1]
    assert profile.duration_nanos == 60_000_000_000


def test_unknown_names_and_forms_are_refused():
    """With what was given and what is expected."""
    with pytest.raises(
        ValueError, match="Unknown form 'svg': expected one of 'pprof', 'text', 'full', 'folded', 'json'"
    ):
        made("svg")
    for form in FORMS:
        with pytest.raises(ValueError, match="Unknown profile 'heap': expected one of 'task', 'taskleak', 'thread'"):
            made(form, "heap")
