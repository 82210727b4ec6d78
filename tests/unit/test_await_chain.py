"""The await chain: every frame from a task's coroutine to its innermost await, whatever lies between."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import threading
import types
import weakref

import anyio
import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

from opentelemetry.instrumentation.concurrency.diagnose.await_chain import (
    leaf_waiter,
    plumbing_free_coroutine,
    walk_await_chain,
)
from opentelemetry.instrumentation.concurrency.diagnose.wait_reason import wait_reason

uvloop = pytest.importorskip("uvloop")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine function to its end on a loop of each kind."""
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield lambda main: loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@contextlib.asynccontextmanager
async def suspended(coro):
    """Start ``coro`` as a task, let it reach its await, and cancel it afterwards."""
    task = asyncio.create_task(coro)
    for _ in range(5):
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def names(chain):
    return [frame.code.co_name for frame in chain.frames]


async def middle(awaitable):
    return await awaitable


async def outer(awaitable):
    return await middle(awaitable)


async def ticks(awaitable):
    yield await awaitable


async def inner_agen(awaitable):
    await awaitable
    yield 1


async def middle_agen(awaitable):
    async for item in inner_agen(awaitable):
        yield item


async def outer_agen(awaitable):
    async for item in middle_agen(awaitable):
        yield item


@types.coroutine
def pause():
    yield


@types.coroutine
def generator_based(awaitable):
    return (yield from middle(awaitable))


class TestFrames:
    def test_frames_lead_from_the_coroutine_to_the_innermost_await(self, run):
        """Outermost first, with code, line and module; the future itself is what is awaited."""

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(outer(future)) as task:
                chain = walk_await_chain(task.get_coro())
            assert names(chain) == ["outer", "middle"]
            assert [frame.module for frame in chain.frames] == [__name__, __name__]
            assert [frame.line for frame in chain.frames] == [
                outer.__code__.co_firstlineno + 1,
                middle.__code__.co_firstlineno + 1,
            ]
            assert all(frame.lasti > 0 for frame in chain.frames)
            assert chain.awaited is future
            assert (chain.running, chain.truncated, chain.partial) == (False, False, None)

        run(main)

    def test_three_async_generators_deep(self, run):
        """`async for` inside an async generator inside another one is followed, where the standard library stops."""

        async def consume(awaitable):
            async for _ in outer_agen(awaitable):
                pass

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(consume(future)) as task:
                chain = walk_await_chain(task.get_coro())
            assert names(chain) == ["consume", "outer_agen", "middle_agen", "inner_agen"]
            assert chain.awaited is future

        run(main)

    @pytest.mark.parametrize("way", ["asend", "anext", "anext with default", "athrow", "aclose", "aclosing"])
    def test_every_way_into_an_async_generator(self, run, way):
        """asend, athrow, aclose and anext, which have no link attribute, lead into the generator's frame."""

        async def generator(awaitable):
            try:
                if way in {"asend", "anext", "anext with default"}:
                    await awaitable
                yield 1
            finally:
                await awaitable

        async def enter(awaitable):
            agen = generator(awaitable)
            if way == "asend":
                await agen.asend(None)
            elif way == "anext":
                await anext(agen)
            elif way == "anext with default":
                await anext(agen, None)
            elif way == "aclosing":
                async with contextlib.aclosing(agen) as items:
                    await anext(items)
            else:
                await anext(agen)
                await (agen.aclose() if way == "aclose" else agen.athrow(ValueError("thrown in")))

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(enter(future)) as task:
                chain = walk_await_chain(task.get_coro())
            found = [name for name in names(chain) if name != "__aexit__"]
            assert found == ["enter", "generator"]
            assert chain.awaited is future
            assert chain.partial is None

        run(main)

    def test_a_coroutine_sent_into_an_async_generator_is_not_taken_for_it(self, run):
        """asend() holds the sent value, too; the chain follows the generator."""

        async def echo(awaitable):
            sent = yield
            await awaitable
            sent.close()

        async def main():
            future = asyncio.get_running_loop().create_future()
            agen = echo(future)
            await anext(agen)
            parcel = middle(future)
            async with suspended(outer(agen.asend(parcel))) as task:
                chain = walk_await_chain(task.get_coro())
            parcel.close()
            assert names(chain) == ["outer", "middle", "echo"]
            assert chain.awaited is future

        run(main)

    def test_await_methods_and_generator_based_coroutines(self, run):
        """`__await__` that hands out a coroutine's own iterator, and `types.coroutine`, are links like others."""

        class Wrapper:
            def __await__(self):
                return middle(generator_based(future)).__await__()

        async def main():
            nonlocal future
            future = asyncio.get_running_loop().create_future()
            async with suspended(outer(Wrapper())) as task:
                chain = walk_await_chain(task.get_coro())
            assert names(chain) == ["outer", "middle", "middle", "generator_based", "middle"]
            assert chain.awaited is future

        future = None
        run(main)

    def test_python_future_looks_like_a_c_future(self, run):
        """A pure Python future is what is awaited, without the frame of its `__await__`."""

        async def main():
            future = asyncio.futures._PyFuture(loop=asyncio.get_running_loop())
            async with suspended(outer(future)) as task:
                chain = walk_await_chain(task.get_coro())
            assert names(chain) == ["outer", "middle"]
            assert chain.awaited is future

        run(main)

    def test_awaited_task_ends_the_chain(self, run):
        """The chain stays within one task: the awaited task is the innermost awaitable."""

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(outer(future)) as inner, suspended(outer(inner)) as task:
                chain = walk_await_chain(task.get_coro())
                assert names(chain) == ["outer", "middle"]
                assert chain.awaited is inner

        run(main)

    def test_wait_for_is_looked_through(self, run):
        """wait_for of a coroutine gives the same chain whether it makes a task (≤ 3.11) or not."""

        async def bounded(awaitable):
            await asyncio.wait_for(middle(awaitable), 3600)

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(bounded(future)) as task:
                chain = walk_await_chain(task.get_coro())
            assert names(chain) == ["bounded", "wait_for", "middle"]
            assert chain.awaited is future

        run(main)

    def test_two_tasks_in_wait_for_on_each_other_end_the_walk(self, run):
        """A circle through wait_for stops where it would repeat."""

        async def other(name):
            await asyncio.wait_for(tasks[name], 3600)

        async def main():
            tasks["a"] = asyncio.create_task(other("b"))
            tasks["b"] = asyncio.create_task(other("a"))
            for _ in range(5):
                await asyncio.sleep(0)
            chain = walk_await_chain(tasks["a"].get_coro())
            assert names(chain)[:2] == ["other", "wait_for"]
            assert len(chain.frames) <= 4
            abandon(*tasks.values())

        tasks = {}
        run(main)

    def test_bare_yield_awaits_nothing(self, run):
        """A generator that only yields is the innermost frame, and nothing is awaited."""

        async def main():
            coro = outer(pause())
            coro.send(None)
            chain = walk_await_chain(coro)
            coro.close()
            assert names(chain) == ["outer", "middle", "pause"]
            assert chain.awaited is None

        run(main)

    def test_cython_coroutine_is_followed(self):
        """uvloop's own coroutines show their function, file and module."""

        async def main():
            loop = asyncio.get_running_loop()
            left, right = __import__("socket").socketpair()
            left.setblocking(False)
            async with suspended(outer(loop.sock_recv(left, 1))) as task:
                chain = walk_await_chain(task.get_coro())
            left.close()
            right.close()
            assert names(chain) == ["outer", "middle", "sock_recv"]
            assert chain.frames[-1].module == "uvloop.loop"
            assert isinstance(chain.awaited, asyncio.Future)

        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())
        loop.close()

    def test_coroutine_in_a_foreign_holder_is_followed(self, run):
        """An awaitable of unknown type that holds one coroutine (aiohttp's request managers) leads into it."""

        class Manager:
            __slots__ = ("_coro",)

            def __init__(self, coro):
                self._coro = coro

            def send(self, value):
                return self._coro.send(value)

            def throw(self, *args):
                return self._coro.throw(*args)

            def close(self):
                return self._coro.close()

            def __await__(self):
                return self

            def __iter__(self):
                return self

            def __next__(self):
                return self.send(None)

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(outer(Manager(middle(future)))) as task:
                chain = walk_await_chain(task.get_coro())
                assert names(walk_await_chain(Manager(task.get_coro()))) == ["outer", "middle", "middle"]
            assert names(chain) == ["outer", "middle", "middle"]
            assert chain.awaited is future

        run(main)


class TestStates:
    def test_not_started(self):
        """A coroutine that has not run yet is one frame that awaits nothing."""
        coro = outer(None)
        chain = walk_await_chain(coro)
        coro.close()
        assert names(chain) == ["outer"]
        assert chain.frames[0].line == outer.__code__.co_firstlineno
        assert (chain.awaited, chain.running, chain.partial) == (None, False, None)

    def test_ended(self):
        """A finished coroutine has no frames, and the chain says why."""
        coro = outer(None)
        coro.close()
        chain = walk_await_chain(coro)
        assert chain.frames == ()
        assert "ended" in chain.partial

    @pytest.mark.parametrize("nothing", [None, 7, "text", object(), asyncio.Future, type])
    def test_what_is_no_coroutine(self, nothing):
        """Anything else gives an empty chain."""
        chain = walk_await_chain(nothing)
        assert chain.frames == ()
        assert chain.awaited is None

    def test_running_without_frames_shows_the_outer_frame(self):
        """A running coroutine says so; what is inside it does not show."""

        async def look():
            return walk_await_chain(coro)

        coro = middle(look())
        with pytest.raises(StopIteration) as stop:
            coro.send(None)
        chain = stop.value.value
        assert chain.running
        assert names(chain) == ["middle"]

    def test_running_in_another_thread_shows_its_stack(self):
        """With the frames of all threads, a running coroutine shows the calls inside it, plain ones too."""
        entered, release = threading.Event(), threading.Event()

        def block():
            entered.set()
            release.wait()

        async def busy():
            block()

        coro = outer(busy())
        thread = threading.Thread(target=lambda: asyncio.run(coro))
        thread.start()
        try:
            entered.wait()
            chain = walk_await_chain(coro, current_frames=sys._current_frames())
            cut = walk_await_chain(coro, limit=2, current_frames=sys._current_frames())
            moved = walk_await_chain(coro, current_frames={})
        finally:
            release.set()
            thread.join()
        assert chain.running
        assert names(chain)[:4] == ["outer", "middle", "busy", "block"]
        assert names(cut) == ["outer", "middle"]
        assert cut.truncated
        assert names(moved) == ["outer"]
        assert moved.running
        assert moved.partial

    def test_loop_of_another_thread_may_move_on_meanwhile(self):
        """Walking coroutines that another thread runs, starts and ends never raises and never gives nonsense."""
        stop, current = threading.Event(), []

        async def hop():
            for _ in range(3):
                await asyncio.sleep(0)

        async def main():
            while not stop.is_set():
                current.append(asyncio.create_task(outer(hop())).get_coro())
                del current[:-5]
                await asyncio.sleep(0)
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()
        try:
            for _ in range(3000):
                for coro in list(current):
                    chain = walk_await_chain(coro, current_frames=sys._current_frames())
                    assert chain.partial is None or "walk failed" not in chain.partial
                    assert names(chain)[:1] in ([], ["outer"])
        finally:
            stop.set()
            thread.join()

    def test_ten_thousand_frames_deep(self):
        """A recursion ten thousand frames deep is walked without recursion, and cut at the limit with a word."""
        seen = []

        def walk():
            coro = middle(pause())
            for _ in range(9_998):
                coro = middle(coro)
            coro.send(None)
            seen.append(walk_await_chain(coro))
            seen.append(walk_await_chain(coro, limit=9_999))
            seen.append(walk_await_chain(coro, limit=0))
            with contextlib.suppress(StopIteration):
                coro.send(None)

        recursion_limit, stack_size = sys.getrecursionlimit(), threading.stack_size(512 * 1024 * 1024)
        sys.setrecursionlimit(50_000)
        try:
            thread = threading.Thread(target=walk)
            thread.start()
            thread.join()
        finally:
            sys.setrecursionlimit(recursion_limit)
            threading.stack_size(stack_size)
        whole, cut, none = seen
        assert (len(whole.frames), whole.truncated) == (10_000, False)
        assert names(whole)[-1] == "pause"
        assert (len(cut.frames), cut.truncated) == (9_999, True)
        assert "9999" in cut.partial
        assert (none.frames, none.truncated) == ((), True)


touched = []
armed = []


def note(hook):
    """Take a note and raise, but only while a test observes: pytest, too, looks at these objects."""
    if armed:
        touched.append(hook)
        raise RuntimeError(hook)


@contextlib.contextmanager
def nothing_touched():
    touched.clear()
    armed.append(True)
    try:
        yield
    finally:
        armed.clear()
    assert touched == []


class Meta(type):
    def __getattribute__(cls, name):
        note(f"Meta.{name}")
        return super().__getattribute__(name)

    def __hash__(cls):
        note("Meta.__hash__")
        return super().__hash__()

    def __eq__(cls, other):
        note("Meta.__eq__")
        return cls is other

    def __instancecheck__(cls, instance):
        note("Meta.__instancecheck__")
        return super().__instancecheck__(instance)


class Liar(metaclass=Meta):
    """An iterator to await that raises and takes notes whenever it is asked something."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return None

    def __getattribute__(self, name):
        note(name)
        return super().__getattribute__(name)

    def __eq__(self, other):
        note("__eq__")
        return self is other

    def __hash__(self):
        note("__hash__")
        return 0

    def __bool__(self):
        note("__bool__")
        return True

    def __len__(self):
        note("__len__")
        return 1

    @property
    def __class__(self):
        note("__class__")
        return types.CoroutineType


class LyingFuture(asyncio.Future):
    """A future whose Python side must not be asked."""

    @property
    def _callbacks(self):
        note("_callbacks")

    @property
    def _state(self):
        note("_state")

    def done(self):
        note("done")
        return super().done()

    def __bool__(self):
        note("__bool__")
        return True

    def __getattribute__(self, name):
        note(name)
        return super().__getattribute__(name)

    def __eq__(self, other):
        note("__eq__")
        return self is other

    __hash__ = None


class TestForeignCode:
    def test_lying_awaitable_is_never_asked(self):
        """An object that lies about its class and raises from every hook is the end of the chain, untouched."""
        liar = Liar()
        coro = outer(liar)
        coro.send(None)
        with nothing_touched():
            chain = walk_await_chain(coro)
            nothing = walk_await_chain(liar)
            same = plumbing_free_coroutine(liar)
            leaf = leaf_waiter(liar)
        coro.close()
        assert names(chain) == ["outer", "middle"]
        assert chain.awaited is liar
        assert "Liar" in chain.partial
        assert nothing.frames == ()
        assert same is liar
        assert leaf is None

    def test_overrides_of_a_future_are_never_called(self):
        """Futures are read by asyncio's own descriptors, past the overrides of a subclass."""

        async def main():
            future = LyingFuture(loop=asyncio.get_running_loop())
            task = asyncio.create_task(outer(future))
            owner = asyncio.create_task(outer(task))
            for _ in range(3):
                await asyncio.sleep(0)
            with nothing_touched():
                chain = walk_await_chain(task.get_coro())
                reason = wait_reason(task, chain)
                leaf, leaf_of_owner = leaf_waiter(task), leaf_waiter(owner)
            assert chain.awaited is future
            assert reason == "future"
            assert leaf is future
            assert leaf_of_owner is future
            asyncio.Future.set_result(future, None)
            await owner

        asyncio.run(main())

    def test_chain_keeps_nothing_but_the_awaited_object_alive(self):
        """Frames hold code objects only: coroutine, locals and frames die with the task."""

        class Local:
            pass

        async def hold(awaitable):
            local = Local()
            references.append(weakref.ref(local))
            await awaitable

        async def main():
            async with suspended(hold(asyncio.get_running_loop().create_future())) as task:
                chains.append(walk_await_chain(task.get_coro()).frames)
                references.append(weakref.ref(task))

        references, chains = [], []
        asyncio.run(main())
        gc.collect()
        assert names(types.SimpleNamespace(frames=chains[0])) == ["hold"]
        assert [reference() for reference in references] == [None, None]


def abandon(*tasks):
    """Get rid of tasks that wait for each other: cancelling them would recurse without end."""
    for task in tasks:
        task._log_destroy_pending = False
        task.get_coro().close()


class TestLeafWaiter:
    def test_future_of_the_task_itself(self, run):
        """Without anything between, the leaf waiter is the task's own waiter."""

        async def main():
            future = asyncio.get_running_loop().create_future()
            async with suspended(outer(future)) as task:
                assert leaf_waiter(task) is future

        run(main)

    def test_through_tasks_gather_and_shield(self, run):
        """Awaited tasks, the first undone child of a gather, and the inner of a shield are followed."""

        async def gathering(done, *children):
            await asyncio.gather(done, *children)

        async def shielding(task):
            await asyncio.shield(task)

        async def main():
            loop = asyncio.get_running_loop()
            future, done, later = loop.create_future(), loop.create_future(), loop.create_future()
            done.set_result(None)
            async with (
                suspended(outer(future)) as first,
                suspended(shielding(first)) as second,
                suspended(gathering(done, second, later)) as third,
                suspended(outer(third)) as fourth,
            ):
                assert leaf_waiter(fourth) is future

        run(main)

    def test_task_that_waits_for_nothing(self, run):
        """A task that has not started, one that is done, and what is no task have no leaf waiter."""

        async def main():
            task = asyncio.create_task(outer(asyncio.sleep(0)))
            assert leaf_waiter(task) is None
            await task
            assert leaf_waiter(task) is None
            assert leaf_waiter(None) is None

        run(main)

    def test_tasks_awaiting_each_other(self, run):
        """In a circle the walk ends; the answer stays the same object at every look."""

        async def other(name):
            await tasks[name]

        async def main():
            tasks["a"] = asyncio.create_task(other("b"))
            tasks["b"] = asyncio.create_task(other("a"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert leaf_waiter(tasks["a"]) is tasks["b"]
            assert leaf_waiter(tasks["b"]) is tasks["a"]
            async with suspended(outer(asyncio.shield(tasks["a"]))) as outsider:
                assert leaf_waiter(outsider) in {tasks["a"], tasks["b"]}
                assert leaf_waiter(outsider) is leaf_waiter(outsider)
            chain = walk_await_chain(tasks["a"].get_coro())
            assert names(chain) == ["other"]
            assert chain.awaited is tasks["b"]
            abandon(*tasks.values())

        tasks = {}
        run(main)

    def test_python_task(self, run):
        """The pure Python task and future give the same answers as C's."""

        async def main():
            loop = asyncio.get_running_loop()
            future = asyncio.futures._PyFuture(loop=loop)
            task = asyncio.tasks._PyTask(middle(future), loop=loop)
            await asyncio.sleep(0)
            assert leaf_waiter(task) is future
            future.set_result(None)
            await task

        run(main)


class TestPlumbingFreeCoroutine:
    def test_upstream_wrapper_before_its_start(self):
        """The coroutine that the asyncio instrumentation wrapped is found before the wrapper has run."""
        coro = outer(None)
        wrapper = AsyncioInstrumentor().trace_coroutine(coro)
        twice = AsyncioInstrumentor().trace_coroutine(wrapper)
        assert plumbing_free_coroutine(twice) is coro
        assert plumbing_free_coroutine(wrapper) is coro
        for each in (twice, wrapper, coro):
            each.close()

    def test_upstream_wrapper_after_its_start(self, run):
        """A started wrapper is followed by the chain and left alone here."""

        async def main():
            AsyncioInstrumentor().instrument()
            try:
                future = asyncio.get_running_loop().create_future()
                async with suspended(outer(future)) as task:
                    assert plumbing_free_coroutine(task.get_coro()) is task.get_coro()
                    chain = walk_await_chain(task.get_coro())
                assert names(chain) == ["trace_coroutine", "outer", "middle"]
                assert chain.awaited is future
            finally:
                AsyncioInstrumentor().uninstrument()

        run(main)

    def test_anyio_task_before_its_start(self, run):
        """anyio's wrapper, which keeps the coroutine in a handle or in a local, gives it up as well."""

        async def main():
            before = asyncio.all_tasks()
            async with anyio.create_task_group() as group:
                group.start_soon(outer, asyncio.sleep(0))
                (task,) = asyncio.all_tasks() - before
                assert plumbing_free_coroutine(task.get_coro()).cr_code is outer.__code__

        run(main)

    def test_uvloop_run(self):
        """uvloop.run's wrapper captures the main coroutine in a closure."""
        found = []

        class Loop(uvloop.Loop):
            def run_until_complete(self, future):
                if asyncio.iscoroutine(future):
                    found.append(plumbing_free_coroutine(future))
                return super().run_until_complete(future)

            def create_task(self, coro, **kwargs):
                found.append(plumbing_free_coroutine(coro))
                return super().create_task(coro, **kwargs)

        main = outer(asyncio.sleep(0))
        uvloop.run(main, loop_factory=Loop)
        assert main in found

    @pytest.mark.parametrize("other", [None, object(), outer])
    def test_anything_else_is_given_back(self, other):
        """What wraps nothing known is returned as it is."""
        assert plumbing_free_coroutine(other) is other

    def test_application_coroutine_is_given_back(self):
        """A coroutine that takes another one as an argument is no wrapper."""
        inner = middle(None)
        coro = outer(inner)
        assert plumbing_free_coroutine(coro) is coro
        for each in (coro, inner):
            each.close()


def test_frames_are_shared_between_chains(run):
    """A hundred thousand equal chains hold one set of frames."""

    async def main():
        future = asyncio.get_running_loop().create_future()
        async with suspended(outer(future)) as one, suspended(outer(future)) as two:
            pairs = zip(walk_await_chain(one.get_coro()).frames, walk_await_chain(two.get_coro()).frames, strict=True)
        assert all(itertools.starmap(lambda left, right: left is right, pairs))

    run(main)
