"""The leaf waiter: the future that everything above it waits for."""

from __future__ import annotations

import asyncio

from suspended_tasks import abandon, middle, names, outer, suspended

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import leaf_waiter, walk_await_chain


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
