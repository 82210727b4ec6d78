"""Who ends a task by cancelling it, without any of the proof around it."""

import asyncio
import gc

import anyio
import pytest

from opentelemetry.instrumentation.concurrency.diagnose.proof.cancelling import Cancellers, cancellers_among


def test_cancellers_in_batch_are_positions_others_minus_one():
    batch = [object(), object()]
    cancellers = Cancellers({id(batch[0]): [id(batch[1]), 7]}, frozenset(), {})
    assert cancellers.in_batch(batch) == {0: [1, -1]}


def test_tasks_ended_by_awake_ones_are_awake_and_so_on():
    cancellers = Cancellers({2: [1], 3: [2], 5: [4]}, frozenset(), {})
    assert cancellers.reached_from({1}, {1, 2, 3, 4, 5}) == {1, 2, 3}


def test_canceller_that_is_not_examined_counts_as_awake():
    cancellers = Cancellers({2: [1]}, frozenset(), {})
    assert cancellers.reached_from(set(), {2}) == {2}


@pytest.fixture
def group_of_one():
    """Run a check over host, member, what the member awaits, and what that one shields."""

    def run(check):
        async def main():
            futures = asyncio.get_running_loop().create_future()

            async def shielded():
                await futures

            async def awaited():
                await asyncio.shield(behind)

            async def member():
                await inner

            behind = asyncio.ensure_future(shielded())
            inner = asyncio.ensure_future(awaited())
            async with anyio.create_task_group() as group:
                group.start_soon(member)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                host = asyncio.current_task()
                (begun,) = asyncio.all_tasks() - {host, inner, behind}
                try:
                    return check(host, begun, inner, behind)
                finally:
                    futures.cancel()
                    group.cancel_scope.cancel()

        found = asyncio.run(main())
        gc.collect()
        return found

    return run


def test_host_ends_members_and_their_awaited_tasks(group_of_one):
    def check(host, member, inner, behind):
        found = cancellers_among([member, inner, behind], lambda _: False).by_task
        assert found == {id(member): [id(host)], id(inner): [id(member)]}

    group_of_one(check)


def test_member_that_outlived_its_creator_has_no_canceller(group_of_one):
    def check(host, member, inner, behind):
        assert cancellers_among([member, inner, behind], lambda task: task is member).by_task == {}

    group_of_one(check)
