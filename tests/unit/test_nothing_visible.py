"""What the application can see of us after scans, reports and snapshots: nothing is held, nothing comes otherwise."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from opentelemetry import trace
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@pytest.fixture(autouse=True)
def nothing_left_over():
    """Collect what earlier tests left suspended, and take our hooks out whatever happens."""
    gc.collect()
    yield
    ConcurrencyInstrumentor().uninstrument()


class Forgetting(SpanExporter):
    """Keeps nothing, so that what lives on is held by us."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def export(self, spans):
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


class Held:
    """A local variable of the application that can be weakly referenced."""


async def leak(future: asyncio.Future) -> None:
    local = Held()
    try:
        await future
    finally:
        del local


def hold(release: threading.Event) -> None:
    release.wait()


def test_nothing_is_kept_alive_by_scans_and_proofs(run):
    """Task, coroutine, frame locals, future, span and thread of orphans go as soon as the application lets go."""
    exporter = Forgetting()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    ConcurrencyInstrumentor().instrument(
        tracer_provider=tracers,
        task_age=0.001,
        thread_age=0.001,
        resident_limit=0,
        scan_interval=3600,
        stack_sampling=1,
    )
    census = current_installation().census
    seen: dict[str, weakref.ref] = {}
    release = threading.Event()
    wanted = {"python.asyncio.task.orphaned", "python.thread.orphaned"}

    async def request() -> list:
        with tracers.get_tracer("app").start_as_current_span("GET /", kind=trace.SpanKind.SERVER) as span:
            future = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(leak(future))
            thread = threading.Thread(target=hold, args=(release,))
            thread.start()
        await asyncio.sleep(0)
        coro = task.get_coro()
        made = {"task": task, "coroutine": coro, "local": coro.cr_frame.f_locals["local"], "future": future}
        seen.update((name, weakref.ref(found)) for name, found in (made | {"span": span, "thread": thread}).items())
        return [task, thread]

    async def main() -> None:
        kept = await asyncio.create_task(request())
        gc.collect()
        for _ in range(100):
            census.scan()
            take_snapshot()
            if wanted <= set(exporter.names):
                break
        release.set()
        kept.pop().join()
        kept[0].cancel()
        await asyncio.wait(kept)
        del kept
        gc.collect()

    run(main)
    gc.collect()
    assert wanted <= set(exporter.names)
    assert {name for name, reference in seen.items() if reference() is not None} == set()


async def steps(between: Callable[[], object]) -> list[str]:
    """Write down who runs when, over all the ways in which asyncio lets things wait for each other.

    Args:
        between: Called between steps.
    """
    order: list[str] = []
    loop = asyncio.get_running_loop()
    lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue(1)

    async def work(name: str, turns: int) -> str:
        for turn in range(turns):
            order.append(f"{name}{turn}")
            between()
            async with lock:
                await asyncio.sleep(0)
            await queue.put(name)
            order.append(f"{name} took {await queue.get()}")
        await event.wait()
        order.append(f"{name} ends")
        return name

    tasks = []
    for number in range(5):
        loop.call_soon(order.append, f"before {number}")
        task = asyncio.create_task(work(f"t{number}", number))
        task.add_done_callback(lambda done: order.append(f"done {done.result()}"))
        loop.call_soon(order.append, f"after {number}")
        tasks.append(task)
    tasks.append(asyncio.ensure_future(asyncio.gather(*(work(f"g{number}", 2) for number in range(3)))))
    loop.call_soon(event.set)
    done = asyncio.as_completed(tasks)
    order += [str(await each) for each in done]
    return order


def test_everything_runs_in_the_same_order(run):
    """The same program, its every step written down: bare, and with scans between the steps."""
    found = []

    async def note(between: Callable[[], object]) -> None:
        found.append(await steps(between))

    run(lambda: note(int))
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, task_age=0.001)
    run(lambda: note(current_installation().census.scan))
    bare, instrumented = found
    assert len(bare) > 60 and instrumented == bare


def test_single_further_thread_is_the_applications(monkeypatch):
    """Ours starts after the first that it sees, not before; where it can't, nobody hears of it."""
    ConcurrencyInstrumentor().instrument()
    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
    original, started = getattr(threading, name), []

    def start_one(*arguments, **options):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(threading, name, start_one)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError):
        threading.Thread(target=int).start()


@pytest.mark.parametrize("scan", ["scan", "snapshot", "discovery"])
def test_no_scan_leaves_a_frame_in_a_cycle(scan):
    """A frame of ours that is kept in a variable of itself keeps what all threads hold until the next collection."""
    ConcurrencyInstrumentor().instrument(scan_interval=3600)
    census = current_installation().census
    census.scan()
    what = {"scan": census.scan, "snapshot": take_snapshot, "discovery": lambda: census.loops.discover(0.0)}[scan]

    def caller():
        local = Held()
        what()
        return weakref.ref(local)

    gc.collect()
    gc.disable()
    try:
        assert caller()() is None
    finally:
        gc.enable()
