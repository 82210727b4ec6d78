"""Ways to create tasks and threads that came with Python 3.14 and later, and tasks that outlive their thread."""

import asyncio
import concurrent.futures
import contextvars
import sys
import threading

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts, take_snapshot

needs_3_14 = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
needs_3_15 = pytest.mark.skipif(sys.version_info < (3, 15), reason="new in Python 3.15")


@pytest.fixture(autouse=True)
def instrumented():
    ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600)
    yield
    ConcurrencyInstrumentor().uninstrument()


def counts(kind="task"):
    """Count what lives by the last part of the creating function's name."""
    return {
        group.site.function.rpartition(".")[2]: group.count for group in take_snapshot().by_site if group.kind == kind
    }


async def blocked(release, steps):
    steps.append("started")
    await release.wait()


@needs_3_14
@pytest.mark.parametrize("eager_start", [True, False, None])
def test_eager_start_is_passed_on_and_counted_at_its_line(eager_start):
    """The first step runs within create_task exactly when it was asked for; name and context arrive."""
    variable = contextvars.ContextVar("variable")

    async def create(release, steps):
        context = contextvars.copy_context()
        context.run(variable.set, "inside")
        task = asyncio.create_task(blocked(release, steps), name="named", context=context, eager_start=eager_start)
        steps.append("created")
        return task, context

    async def main():
        release, steps = asyncio.Event(), []
        task, context = await create(release, steps)
        await asyncio.sleep(0)
        assert counts()["create"] == 1
        assert (task.get_name(), task.get_context()) == ("named", context)
        release.set()
        await task
        return steps

    assert asyncio.run(main()) == (["started", "created"] if eager_start else ["created", "started"])


@needs_3_14
def test_call_graph_has_no_frame_of_the_package():
    """What `python -m asyncio pstree` reads is the application's alone."""

    async def main():
        release, steps = asyncio.Event(), []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(blocked(release, steps), eager_start=True)
            graph = asyncio.capture_call_graph(task)
            release.set()
        return graph

    graph = asyncio.run(main())
    names = [entry.frame.f_code.co_name for entry in graph.call_stack]
    assert names == ["wait", "blocked"]
    assert [each.future.get_coro().__name__ for each in graph.awaited_by] in ([], ["main"])


@needs_3_14
def test_interpreter_pool_worker_has_the_line_of_its_executor():
    """An interpreter pool is a thread pool too."""

    def make():
        return concurrent.futures.InterpreterPoolExecutor(1)

    with make() as pool:
        pool.submit(int).result()
        assert counts("thread")["make"] == 1


@needs_3_14
def test_thread_with_a_context_is_counted_at_its_line():
    """The new parameter of Thread changes nothing."""
    release = threading.Event()

    def start():
        thread = threading.Thread(target=release.wait, context=contextvars.copy_context())
        thread.start()
        return thread

    thread = start()
    assert counts("thread")["start"] == 1
    release.set()
    thread.join()


@needs_3_15
def test_cancelled_task_group_leaves_nothing():
    """`TaskGroup.cancel` ends its tasks; none of them stays counted."""

    async def main():
        release, steps = asyncio.Event(), []
        before = live_counts().tasks
        async with asyncio.TaskGroup() as group:
            group.create_task(blocked(release, steps))
            await asyncio.sleep(0)
            assert live_counts().tasks == before + 1
            group.cancel()
        return live_counts().tasks - before

    assert asyncio.run(main()) == 0


@pytest.mark.parametrize(
    "create", [asyncio.AbstractEventLoop.create_task, asyncio.Task], ids=["recorded", "unrecorded"]
)
def test_task_that_outlives_the_thread_of_its_loop_stays_counted(create):
    """From 3.14 on each thread has a list of its own tasks; what is left goes to a list of the interpreter."""
    loop = asyncio.new_event_loop()
    kept = []

    async def start():
        coroutine = blocked(asyncio.Event(), [])
        kept.append(asyncio.Task(coroutine) if create is asyncio.Task else loop.create_task(coroutine))
        await asyncio.sleep(0)
        # On ≥ 3.14 a loop is known once a look found a recorded task on it; here its main task.
        counted_within.append(live_counts().tasks)

    counted_within = []
    before = live_counts().tasks
    thread = threading.Thread(target=loop.run_until_complete, args=[start()])
    thread.start()
    thread.join()
    assert counted_within == [before + 2]
    assert live_counts().tasks == before + 1
    kept[0].cancel()
    loop.run_until_complete(asyncio.wait(kept))
    loop.close()
    assert live_counts().tasks == before
