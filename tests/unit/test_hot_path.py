"""What recording promises the application: nothing is held, nothing is changed, no creation is lost."""

import asyncio
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


def test_creations_are_counted_on_across_sampled_stacks(instrumented):
    """One number counts creations and down to the next whole stack; neither loses or repeats any."""

    async def main():
        for _ in range(1000):
            await asyncio.create_task(asyncio.sleep(0))

    asyncio.run(main())
    (site,) = (
        each for each in instrumented.recorder.task_sites.sites if each.function.endswith("across_sampled_stacks.main")
    )
    assert site.created == 1000
    assert site.any_stack().frames[0].code is site.code
    assert 0 < site.samples_until_stack <= 128


def test_creations_during_a_prune_are_kept_once(instrumented):
    """Another thread may create while the list prunes itself: its entry is neither lost nor doubled."""
    young = instrumented.recorder.young_tasks
    young.entries.clear()
    release = asyncio.Event()

    async def main():
        made = [asyncio.create_task(release.wait()) for _ in range(3)]
        first = young.entries[0]

        def creating():
            # The look at the first entry is where the other thread comes in.
            if len(made) == 3:
                made.append(asyncio.create_task(release.wait()))
            return first()

        young.entries[0] = creating
        young.prune()
        young.entries[0] = first
        found = [reference() for reference in young.entries[::6]]
        release.set()
        await asyncio.gather(*made)
        return len(found), len(set(map(id, found)))

    assert asyncio.run(main()) == (5, 5)


def test_lost_lock_does_not_stop_scans(instrumented, monkeypatch):
    """A signal handler may raise where the prune has just taken the lock."""
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.record.young._LOCK_TIMEOUT_S", 0.01)
    young = instrumented.recorder.young_tasks
    young._lock.acquire()

    async def main():
        instrumented.census.scan()
        return await asyncio.to_thread(live_counts)

    assert asyncio.run(main()).tasks >= 1
    assert young._lock.acquire(blocking=False)
    young._lock.release()


def test_recording_keeps_no_object_alive(instrumented):
    """References are weak: what the application drops is collected as without us."""
    tracer = TracerProvider().get_tracer("test")

    async def main():
        with tracer.start_as_current_span("request") as span:
            task = asyncio.create_task(asyncio.sleep(0))
        seen = [weakref.ref(task), weakref.ref(task.get_coro()), weakref.ref(span)]
        await task
        return seen

    seen = asyncio.run(main())
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    seen.append(weakref.ref(thread))
    del thread
    instrumented.recorder.young_tasks.prune()
    gc.collect()
    from opentelemetry.instrumentation.concurrency.record.creator import CreatorSpan, latest_span

    assert [reference() for reference in seen] == [None] * 4
    assert isinstance(latest_span.record, CreatorSpan)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio keeps no weak reference there")
@pytest.mark.parametrize("known_weakly", [False, True])
def test_entry_reuses_the_weak_reference_of_asyncio(instrumented, known_weakly, monkeypatch):
    """Another weak reference per task would make the collector run earlier; one of the application is not kept."""
    kept = []

    class Task(asyncio.tasks.Task):
        """A task that its class also refers to weakly."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            kept.append(weakref.ref(self, lambda _reference: None))

    if known_weakly:
        monkeypatch.setattr(asyncio.tasks, "Task", Task)

    async def main():
        # The first creation of a site records its stack, with a reference of its own.
        task = [asyncio.create_task(asyncio.sleep(0)) for _ in range(2)][-1]
        references = list(instrumented.recorder.young_tasks.entries[::6])
        (own,) = (reference for reference in references if reference() is task)
        registered = getattr(asyncio.tasks, "_all_tasks", None) or asyncio.tasks._scheduled_tasks
        is_reused = any(own is each for each in registered.data)
        await task
        return is_reused, any(own is each for each in kept)

    is_reused, is_of_application = asyncio.run(main())
    assert is_reused is not known_weakly
    assert not (known_weakly and is_of_application)


def test_no_done_callback_is_added(instrumented):
    """asyncio's own signal for "nobody waits" stays what it was."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0))
        callbacks = task._callbacks
        await task
        return callbacks

    assert not asyncio.run(main())


def test_debug_mode_shows_the_applications_line_as_creator(instrumented):
    """repr(task) in debug mode names the same frame as without us."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(0))
        shown = [frame.filename for frame in task._source_traceback]
        await task
        return shown

    shown = asyncio.run(main(), debug=True)
    assert not any("concurrency/record" in name for name in shown)
    assert shown[-2] == __file__


def test_invalid_argument_raises_as_without_us(instrumented):
    """Errors of create_task pass through, and nothing is recorded."""

    async def main():
        before = live_counts().tasks
        with pytest.raises(TypeError):
            asyncio.create_task(42)
        return live_counts().tasks - before

    assert asyncio.run(main()) == 0


def test_uninstrument_restores_the_originals():
    """Patches are reversible, and installing twice is a no-op."""
    before = asyncio.BaseEventLoop.create_task, threading.Thread.start, ThreadPoolExecutor.__init__
    instrumentor = ConcurrencyInstrumentor()
    instrumentor.instrument(reports="none")
    assert asyncio.BaseEventLoop.create_task is not before[0]
    instrumentor.uninstrument()
    assert before == (asyncio.BaseEventLoop.create_task, threading.Thread.start, ThreadPoolExecutor.__init__)


@pytest.mark.parametrize("ours_first_in", [True, False])
@pytest.mark.parametrize("ours_first_out", [True, False])
def test_upstream_threading_instrumentation_lives_beside_ours(ours_first_in, ours_first_out):
    """In either order, taking one out leaves the other in place and working."""
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    original = threading.Thread.start
    ours, theirs = ConcurrencyInstrumentor(), ThreadingInstrumentor()
    first, second = (ours, theirs) if ours_first_in else (theirs, ours)
    options = {id(ours): {"reports": "none"}, id(theirs): {}}
    first.instrument(**options[id(first)])
    second.instrument(**options[id(second)])

    def start_one():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    start_one()
    installation = current_installation()
    assert [site.created for site in installation.recorder.thread_sites.sites if "start_one" in site.function] == [1]
    for one in (ours, theirs) if ours_first_out else (theirs, ours):
        one.uninstrument()
        start_one()
    assert threading.Thread.start is original
    # Upstream leaves Timer with a `start` of its own, which no later patch of Thread reaches.
    if "start" in vars(threading.Timer):
        del threading.Timer.start


def test_throwing_meter_provider_is_one_warning(caplog):
    """A broken provider costs its signal, never the application."""

    class Broken:
        def get_meter(self, *_args, **_kwargs):
            raise RuntimeError("no meters today")

    ConcurrencyInstrumentor().instrument(meter_provider=Broken(), reports="none")
    try:
        assert asyncio.run(asyncio.sleep(0, "fine")) == "fine"
        assert len(caplog.records) == 1
    finally:
        ConcurrencyInstrumentor().uninstrument()
