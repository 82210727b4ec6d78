"""What recording promises the application: nothing is held, nothing is changed, every path is seen."""

import asyncio
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts, take_snapshot
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@pytest.fixture(autouse=True)
def nothing_left_over():
    """Collect what earlier tests left suspended, so that it does not end in the middle of a count."""
    gc.collect()


@pytest.fixture
def instrumented():
    ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600)
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")

    def run_on_uvloop(main):
        loop = uvloop.new_event_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run_on_uvloop


async def blocked(release: asyncio.Event) -> None:
    await release.wait()


def sites(kind: str = "task") -> dict[str, int]:
    return {
        group.site.function.rpartition(".")[2]: group.count for group in take_snapshot().by_site if group.kind == kind
    }


async def by_create_task(coro):
    return [asyncio.create_task(coro)]


async def by_ensure_future(coro):
    return [asyncio.ensure_future(coro)]


async def by_loop(coro):
    return [asyncio.get_running_loop().create_task(coro)]


async def by_gather(coro):
    return [asyncio.gather(coro)]


async def by_shield(coro):
    return [asyncio.shield(coro)]


async def by_direct_task(coro):
    return [asyncio.Task(coro)]


@pytest.mark.parametrize("create", [by_create_task, by_ensure_future, by_loop, by_gather, by_shield])
def test_task_is_counted_at_the_line_that_created_it(instrumented, run, create):
    """Every public way to create a task leads to the application's own frame."""

    async def main():
        release = asyncio.Event()
        made = await create(blocked(release))
        await asyncio.sleep(0)
        found = sites()
        release.set()
        await asyncio.gather(*made)
        return found

    assert run(main())[create.__name__] == 1


def test_sites_at_equal_offsets_of_different_code_are_told_apart(instrumented):
    """The look-up guesses by the offset of the instruction alone, and a wrong guess must not stand."""

    async def main():
        release = asyncio.Event()
        scopes = [{"__name__": f"shop.twin{number}"} for number in range(3)]
        for scope in scopes:
            exec("import asyncio\ndef start(coro): return asyncio.create_task(coro)", scope)
        made = [scopes[number % 3]["start"](blocked(release)) for number in range(12)]
        found = {group.site.function: group.count for group in take_snapshot().by_site if "twin" in group.site.function}
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main()) == {f"shop.twin{number}.start": 4 for number in range(3)}


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
    assert site.first_stack is not site.latest_stack


def test_creations_during_a_prune_are_kept_once(instrumented):
    """Another thread may create while the list prunes itself: its entry is neither lost nor doubled."""
    young = instrumented.recorder.young_tasks
    young.entries.clear()
    release = asyncio.Event()

    async def main():
        made = [asyncio.create_task(blocked(release)) for _ in range(3)]
        first = young.entries[0]

        def creating():
            # The look at the first entry is where the other thread comes in.
            if len(made) == 3:
                made.append(asyncio.create_task(blocked(release)))
            return first()

        young.entries[0] = creating
        young.prune()
        young.entries[0] = first
        found = [reference() for reference in young.entries[::6]]
        release.set()
        await asyncio.gather(*made)
        return len(found), len(set(map(id, found)))

    assert asyncio.run(main()) == (5, 5)


def test_lock_that_nobody_gives_back_stops_no_scan(instrumented, monkeypatch):
    """A signal handler may raise where the prune has just taken the lock."""
    monkeypatch.setattr("opentelemetry.instrumentation.concurrency.record.young._NOBODY_HOLDS_S", 0.01)
    young = instrumented.recorder.young_tasks
    young._lock.acquire()

    async def main():
        instrumented.census.look()
        return await asyncio.to_thread(live_counts)

    assert asyncio.run(main()).tasks >= 1
    assert young._lock.acquire(blocking=False)
    young._lock.release()


def test_directly_constructed_task_is_found_under_its_coroutine(instrumented, run):
    """What no hook can see the census finds, and counts under the coroutine's own function."""

    async def main():
        release = asyncio.Event()
        before = live_counts().tasks
        made = await by_direct_task(blocked(release))
        await asyncio.sleep(0)
        found, more = sites(), live_counts().tasks - before
        release.set()
        await asyncio.gather(*made)
        return found, more

    found, more = run(main())
    assert found["blocked"] == 1
    assert more == 1


def test_run_coroutine_threadsafe_is_counted_under_its_coroutine(instrumented):
    """The walk ends where the loop runs a callback; the line of asyncio.run created nothing."""

    async def main():
        release = asyncio.Event()
        future = asyncio.run_coroutine_threadsafe(blocked(release), asyncio.get_running_loop())
        for _ in range(3):
            await asyncio.sleep(0)
        found = sites()
        release.set()
        await asyncio.wrap_future(future)
        return found

    assert asyncio.run(main())["blocked"] == 1


def test_executor_worker_belongs_to_the_line_of_its_executor(instrumented):
    """Whoever submitted first says nothing about a pool; who made it does."""

    def make_pool():
        return ThreadPoolExecutor(1)

    with make_pool() as pool:
        pool.submit(int).result()
        assert sites("thread")["make_pool"] == 1


def test_thread_is_counted_at_the_line_that_started_it(instrumented):
    """The site of a thread is where it was started, not where it was made."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)

    def start_it():
        thread.start()

    start_it()
    try:
        assert sites("thread")["start_it"] == 1
    finally:
        release.set()
        thread.join()


def test_recording_keeps_neither_task_nor_coroutine_nor_span_nor_thread_alive(instrumented):
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


def test_unretrieved_failures_are_counted_at_their_line_and_still_warned_of(instrumented):
    """We read no exception, so asyncio's own message comes as before."""
    messages = []

    async def fail():
        raise ValueError

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: messages.append(context["message"]))
        asyncio.create_task(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    assert messages == ["Task exception was never retrieved"]
    assert sum(site.unretrieved for site in instrumented.recorder.task_sites.sites) == 1


def test_destroyed_tasks_are_counted_at_their_line(instrumented):
    """A pending task that the collector takes is counted where it was created."""

    async def wait_for_ever():
        await asyncio.get_running_loop().create_future()

    def start_and_drop():
        asyncio.create_task(wait_for_ever())

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        for _ in range(7):
            start_and_drop()
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(main())
    counted = {site.function.rpartition(".")[2]: site.destroyed for site in instrumented.recorder.task_sites.sites}
    assert counted["start_and_drop"] == 7


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_counted(instrumented):
    """The coroutine's first step runs inside create_task, before the hook goes on."""

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        release = asyncio.Event()
        made = await by_create_task(blocked(release))
        found = sites()
        release.set()
        await asyncio.gather(*made)
        return found

    assert asyncio.run(main())["by_create_task"] == 1
