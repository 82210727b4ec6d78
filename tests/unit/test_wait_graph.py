"""The wait-for graph leads along what a task cannot go on without; its cycles are deadlocks."""

import asyncio

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.wait_graph import awaited_tasks, awaits_itself, deadlocks


async def suspended(coro):
    task = asyncio.ensure_future(coro)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def cancel(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def forever():
    await asyncio.get_running_loop().create_future()


async def await_it(awaitable):
    await awaitable


def test_awaited_gathered_and_shielded_tasks_are_edges():
    async def main():
        one, two = await suspended(forever()), await suspended(forever())
        directly = await suspended(await_it(one))
        gathering = await suspended(await_it(asyncio.gather(one, two)))
        shielding = await suspended(await_it(asyncio.shield(two)))
        found = [awaited_tasks(task) for task in (directly, gathering, shielding, one)]
        assert found[0] == [one]
        assert set(found[1]) == {one, two}
        assert found[2] == [two]
        assert found[3] == []
        await cancel(directly, gathering, shielding, one, two)

    asyncio.run(main())


def test_waiting_for_the_first_of_several_is_not_an_edge():
    """It may go on without any single one of them."""

    async def main():
        one, two = await suspended(forever()), await suspended(forever())
        waiting = await suspended(asyncio.wait({one, two}, return_when=asyncio.FIRST_COMPLETED))
        assert awaited_tasks(waiting) == []
        await cancel(waiting, one, two)

    asyncio.run(main())


def test_awaits_itself_is_true_within_a_cycle_only():
    async def main():
        tasks, go = [], asyncio.Event()

        async def begin():
            await go.wait()
            await asyncio.shield(tasks[0])

        first = await suspended(begin())
        tasks.append(await suspended(await_it(first)))
        outside = await suspended(await_it(tasks[0]))
        found = [awaits_itself(outside)]
        go.set()
        for _ in range(5):
            await asyncio.sleep(0)
        found += [awaits_itself(task) for task in (first, *tasks, outside)]
        await cancel(first, *tasks, outside)
        return found

    assert asyncio.run(main()) == [False, True, True, False]


@pytest.mark.parametrize("strange", [None, 5, object(), lambda: None])
def test_object_other_than_a_task_awaits_nothing(strange):
    assert awaited_tasks(strange) == []


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({}, []),
        ({1: [2], 2: [3]}, []),
        ({1: [2], 2: [1]}, [(1, 2)]),
        ({1: [1]}, [(1,)]),
        ({5: [3], 3: [9], 9: [5], 7: [3]}, [(3, 9, 5)]),
        ({1: [2, 3], 2: [1], 3: [4], 4: [1]}, [(1, 2)]),
        ({1: [2], 2: [1], 3: [4], 4: [3]}, [(1, 2), (3, 4)]),
        ({1: [2], 2: [3, 8], 3: []}, []),
    ],
)
def test_cycles_are_found_and_named(edges, found):
    """What merely waits for a cycle is not in it; of nested cycles the shortest is shown."""
    assert deadlocks(edges) == found


def test_a_hundred_thousand_tasks_in_a_row_are_no_recursion():
    size = 100_000
    chain = {number: [number + 1] for number in range(size)}
    assert deadlocks(chain) == []
    chain[size] = [0]
    assert deadlocks(chain) == [tuple(range(size + 1))]
