"""The coroutine of the application behind the wrappers of libraries."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from suspended_tasks import middle, names, outer, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import (
    plumbing_free_coroutine,
    walk_await_chain,
)
from opentelemetry.instrumentation.concurrency.diagnose.verdict.observation import observe

uvloop = pytest.importorskip("uvloop")


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
                    assert observe("task", task).coroutine == "outer"
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
                assert observe("task", task).coroutine == "outer"

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
