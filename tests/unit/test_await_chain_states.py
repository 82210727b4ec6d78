"""The await chain of coroutines that are not started, running, ended, or absurdly deep."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import pytest
from suspended_tasks import middle, names, outer, pause

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import walk_await_chain


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
        assert "finished" in chain.partial

    @pytest.mark.parametrize("nothing", [None, 7, "text", object(), asyncio.Future, type])
    def test_object_other_than_a_coroutine(self, nothing):
        """Anything else gives an empty chain."""
        chain = walk_await_chain(nothing)
        assert chain.frames == ()
        assert chain.awaited is None

    def test_running_without_frames_shows_the_outer_frame(self):
        """A running coroutine says so; what is inside it does not show."""

        async def scan():
            return walk_await_chain(coro)

        coro = middle(scan())
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
