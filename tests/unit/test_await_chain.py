"""The await chain: every frame from a task's coroutine to its innermost await, whatever lies between."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import types

import pytest
from suspended_tasks import abandon, middle, names, outer, outer_agen, pause, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection import await_chain
from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import walk_await_chain

uvloop = pytest.importorskip("uvloop")


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
            assert [frame.module for frame in chain.frames] == [outer.__module__, middle.__module__]
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

    def test_chain_coroutine_sent_into_async_generator_is_not_it(self, run):
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


def test_frames_are_shared_between_chains(run):
    """A hundred thousand equal chains hold one set of frames."""

    async def main():
        future = asyncio.get_running_loop().create_future()
        async with suspended(outer(future)) as one, suspended(outer(future)) as two:
            pairs = zip(walk_await_chain(one.get_coro()).frames, walk_await_chain(two.get_coro()).frames, strict=True)
        assert all(itertools.starmap(lambda left, right: left is right, pairs))

    run(main)


class FutureIter:
    """Has the name of asyncio's iterator, but is the application's."""

    def __init__(self, coroutine):
        self.coroutine = coroutine


def test_wrapper_of_the_application_leads_to_its_only_coroutine(run):
    async def main():
        async with suspended(outer(asyncio.get_running_loop().create_future())) as task:
            coroutine = task.get_coro()
            assert await_chain._wrapped(FutureIter(coroutine)) is coroutine
            assert await_chain._wrapped(FutureIter(3)) is None

    run(main)


def test_callback_releases_the_waiter_that_it_was_given():
    """That of ``asyncio.wait_for`` up to 3.11, not any callback of the future."""

    def release(waiter, _future):
        """Be a callback."""

    waiter, other = object(), object()
    assert await_chain._releases(functools.partial(release, waiter), waiter) is True
    assert await_chain._releases(functools.partial(release, other), waiter) is False
    assert await_chain._releases(functools.partial(release), waiter) is False
    assert await_chain._releases(functools.partial(print, waiter), waiter) is False
    assert await_chain._releases(release, waiter) is False
