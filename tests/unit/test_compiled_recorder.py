"""The compiled recorder records what the Python recorder records, holds nothing, and survives what goes wrong."""

import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import compiled, recorder_check
from opentelemetry.instrumentation.concurrency.record.compiled import INTERFACE, checked_recorder, choose_recorder
from opentelemetry.instrumentation.concurrency.record.recorder_check import difference_from_python
from opentelemetry.instrumentation.concurrency.record.tasks import create_task_hook
from opentelemetry.instrumentation.concurrency.record.young import WIDTH

CHOSEN = choose_recorder("auto")
needs_extension = pytest.mark.skipif(CHOSEN.name != "compiled", reason=f"no compiled recorder: {CHOSEN.reason}")


async def nothing():
    pass


def spawn(coroutine):
    return asyncio.create_task(coroutine)


class Shapes:
    """Ways to create a task; each is a line of its own."""

    async def direct(self):
        await asyncio.create_task(nothing())

    async def named(self):
        await asyncio.create_task(nothing(), name="one")

    async def spawned(self):
        await spawn(nothing())

    async def gathered(self):
        await asyncio.gather(nothing(), nothing())

    async def ensured(self):
        await asyncio.ensure_future(nothing())

    async def on_loop(self):
        await asyncio.get_running_loop().create_task(nothing())

    async def by_keyword(self):
        await asyncio.get_running_loop().create_task(coro=nothing())

    async def in_comprehension(self):
        await asyncio.wait([asyncio.create_task(nothing()) for _ in range(3)])

    async def from_callback(self):
        made = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: made.set_result(asyncio.ensure_future(nothing())))
        await (await made)


@pytest.mark.parametrize("shape", [name for name in vars(Shapes) if not name.startswith("_")])
def test_recorders_any_shape_record_the_same(shape, run):
    """Site, counter, creator and span; the second half comes from the look-up."""
    if CHOSEN.name != "compiled":
        pytest.skip(f"no compiled recorder: {CHOSEN.reason}")

    def recorded(recorder):
        ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, recorder=recorder)
        facts = []

        async def main():
            young = current_installation().recorder.young_tasks
            for round_ in range(6):
                young.entries.clear()
                with TracerProvider().get_tracer("test").start_as_current_span(f"request {round_}"):
                    await getattr(Shapes(), shape)()
                for place in range(0, len(young.entries), WIDTH):
                    _, site, _, creator, span, _ = young.entries[place : place + WIDTH]
                    facts.append((site.function, site.line, site.via, site.runs, creator() is asyncio.current_task()))
                    facts.append(span.name)

        try:
            run(main)
            sites = current_installation().recorder.task_sites.sites
            return facts, sorted((site.function, site.line, site.created) for site in sites)
        finally:
            ConcurrencyInstrumentor().uninstrument()

    expected = recorded("python")
    assert expected[0]
    assert recorded("compiled") == expected


@needs_extension
def test_self_check_of_this_build_passes():
    assert difference_from_python(CHOSEN.make_hook) is None


@needs_extension
def test_self_check_uses_no_task_name_and_leaves_no_task():
    loop = asyncio.new_event_loop()
    first = loop.create_task(nothing())
    difference_from_python(CHOSEN.make_hook)
    second = loop.create_task(nothing())
    assert int(second.get_name().partition("-")[2]) == int(first.get_name().partition("-")[2]) + 1
    assert asyncio.all_tasks(loop) == {first, second}
    loop.run_until_complete(asyncio.gather(first, second))
    loop.close()
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and "self-check" in repr(found)]


def test_self_check_tasks_end_without_a_word(monkeypatch):
    """A pending task reports its destruction to its loop, unless that is turned off."""
    told = []
    monkeypatch.setattr(recorder_check._Loop, "call_exception_handler", lambda _, context: told.append(context), False)
    assert recorder_check.difference_from_python(create_task_hook) is None
    gc.collect()
    assert told == []


def test_self_check_recorder_that_loses_tasks_is_replaced(caplog):
    def make_hook(create, _table, _young, _failure):
        return (lambda self, coro, **kwargs: create(self, coro, **kwargs)), lambda: None

    broken = compiled.TaskRecorder("compiled", make_hook)
    assert checked_recorder(broken).name == "python"
    assert len(caplog.records) == 1 and "self-check failed" in caplog.text


def test_self_check_recorder_that_raises_is_replaced(caplog):
    def make_hook(*_parts):
        raise SystemError("error return without exception set")

    assert checked_recorder(compiled.TaskRecorder("compiled", make_hook)).name == "python"
    assert len(caplog.records) == 1 and "error return without exception set" in caplog.text


@needs_extension
def test_sources_digest_is_that_of_the_checkout():
    """After a change of the C sources, write what ``python hatch_build.py`` prints into ``compiled.py``."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _DIGEST], cwd=root, capture_output=True, text=True, check=True)
    assert INTERFACE.rpartition("/")[2] == done.stdout.strip()


_DIGEST = "import hatch_build, pathlib; print(hatch_build.digest(pathlib.Path.cwd()))"


@needs_extension
def test_hook_after_a_million_creations_leaks_no_reference():
    """The objects that each creation touches have the references that they had before."""
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, recorder="compiled")
    try:
        installation = current_installation()
        young, number = installation.recorder.young_tasks, 1_000_000 if os.environ.get("CI_LARGE") else 50_000

        async def main():
            with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
                await create(100)
                watched = [span, asyncio.current_task(), nothing.__code__, asyncio.get_running_loop(), None, nothing]
                gc.collect()
                young.prune()
                before, blocks = [sys.getrefcount(each) for each in watched], sys.getallocatedblocks()
                await create(number)
                gc.collect()
                young.prune()
                after = [sys.getrefcount(each) for each in watched]
                return [now - then for now, then in zip(after, before, strict=True)], sys.getallocatedblocks() - blocks

        async def create(number):
            for _ in range(number):
                await asyncio.create_task(nothing())

        changes, blocks = asyncio.run(main())
        # None is shared by everything in the process; the entries and stacks kept are at most some hundred.
        assert max(abs(change) for change in changes) < number / 20
        assert blocks < number / 20
    finally:
        ConcurrencyInstrumentor().uninstrument()


@needs_extension
def test_hook_without_references_is_collected():
    """The hook, its method and the recorder refer to each other."""
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, recorder="compiled")
    asyncio.run(nothing())
    hook = weakref.ref(vars(asyncio.BaseEventLoop)["create_task"])
    ConcurrencyInstrumentor().uninstrument()
    gc.collect()
    assert hook() is None


@needs_extension
def test_hook_between_switching_threads_counts_each_task():
    """Threads switch every 10 microseconds, and the collector runs all the time."""
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, recorder="compiled")
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-5)
        gc.set_threshold(20, 2, 2)

        async def create():
            for _ in range(500):
                await asyncio.create_task(nothing())

        threads = [threading.Thread(target=lambda: asyncio.run(create())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sites = current_installation().recorder.task_sites.sites
        assert [site.created for site in sites if site.function.endswith(".create")] == [2000]
        assert current_installation().recorder.hook_failures == 0
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
        ConcurrencyInstrumentor().uninstrument()


@needs_extension
def test_hook_at_the_recursion_limit_returns_the_task(instrumentation):
    """The stack is exhausted within the hook: the application gets its task or its own RecursionError."""

    async def main():
        outcomes = set()

        def deeper(left, coroutine):
            if left:
                return deeper(left - 1, coroutine)
            return asyncio.get_running_loop().create_task(coroutine)

        depth, frame = 0, sys._getframe()
        while frame is not None:
            depth, frame = depth + 1, frame.f_back
        for spare in range(60):
            coroutine = nothing()
            try:
                await deeper(sys.getrecursionlimit() - depth - spare, coroutine)
                outcomes.add("task")
            except RecursionError:
                outcomes.add("error")
                coroutine.close()
        return outcomes

    assert asyncio.run(main()) == {"task", "error"}


@needs_extension
def test_hook_hostile_arguments_raise_as_without_it(instrumentation):
    hook = asyncio.BaseEventLoop.create_task
    for arguments, keywords in [((), {}), ((1,), {}), ((1, 2, 3), {}), ((), {"self": 1}), ((), {"coro": 1})]:
        with pytest.raises((TypeError, AttributeError)):
            hook(*arguments, **keywords)
    assert hook.__get__(None, asyncio.BaseEventLoop) is hook
    with pytest.raises(TypeError):
        type(hook)()


@needs_extension
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_hook_in_a_forked_child_records(instrumentation):
    """The child of a process that has recorded counts its own tasks."""

    async def create():
        await asyncio.create_task(nothing())

    asyncio.run(create())
    process = os.fork()
    if process == 0:
        code = 1
        try:
            asyncio.run(create())
            sites = current_installation().recorder.task_sites.sites
            code = 0 if [site.created for site in sites if site.function.endswith(".create")] == [1] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


@needs_extension
def test_hook_in_an_empty_context_records_no_span(instrumentation):
    async def main():
        task = contextvars.Context().run(lambda: asyncio.get_running_loop().create_task(nothing()))
        entry = current_installation().recorder.young_tasks.entries[-WIDTH:]
        await task
        return entry[0]() is task, entry[4]

    assert asyncio.run(main()) == (True, None)


_WITHOUT_MEMORY = """
import asyncio, logging
import _testcapi
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

logging.disable(logging.CRITICAL)
ConcurrencyInstrumentor().instrument(
    reports="none", agent_disabled=True, scan_interval=3600, recorder="compiled", stack_sampling=0
)
recorder = current_installation().recorder


async def nothing():
    pass


async def main():
    create_task = asyncio.get_running_loop().create_task
    for number in range(-20, 240):
        coroutine = nothing()
        # The site is known by then: the slow path in Python meets errors of the interpreter itself without memory.
        if number >= 0:
            _testcapi.set_nomemory(number % 80, number % 80 + 1 + number % 2)
        try:
            task = create_task(coroutine)
        except MemoryError:
            task = None
            coroutine.close()
        finally:
            _testcapi.remove_mem_hooks()
        if task is not None:
            await task
        assert len(recorder.young_tasks.entries) % 6 == 0
    failures = recorder.hook_failures
    created = sum(site.created for site in recorder.task_sites.sites)
    await asyncio.create_task(nothing())
    assert sum(site.created for site in recorder.task_sites.sites) == created + 1
    print(failures > 0, recorder.hook_failures - failures)


asyncio.run(main())
"""


@needs_extension
def test_hook_without_memory_stays_installed():
    """Each allocation fails in turn, in a process of its own. Entries stay whole, and later tasks are recorded."""
    pytest.importorskip("_testcapi", reason="needs CPython's test modules")
    command = [sys.executable, "-W", "ignore", "-c", _WITHOUT_MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout) == (0, "True 0\n"), done.stderr


@needs_extension
@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="a debug build of CPython counts all references")
@pytest.mark.timeout(600)
def test_hook_over_a_million_creations_leaks_no_reference(instrumentation):
    """One reference too many in each creation would be a million."""

    async def create(count):
        for _ in range(count):
            await asyncio.create_task(nothing())
        current_installation().census.scan()
        gc.collect()
        return sys.gettotalrefcount()

    async def main():
        before = await create(20_000)
        return await create(1_000_000) - before

    assert abs(asyncio.run(main())) < 20_000
