"""Tasks made past the hooks get a verdict where they pile up, and none where a start left them."""

import asyncio

import pytest
from simulated import serve

held, events = set(), {}


@pytest.fixture(autouse=True)
def hold_nothing_over():
    yield
    held.clear()
    events.clear()


async def listen():
    # Kept by a module: no proof.
    event = events[len(events)] = asyncio.Event()
    await event.wait()


def make():
    task = asyncio.Task(listen())
    held.add(task)
    task.add_done_callback(held.discard)


def end_all():
    for event in events.values():
        event.set()


async def made(park, count, begin, end):
    async def handle(_number):
        make()

    await park.requests(handle, count, begin=begin, end=end)


def test_unrecorded_tasks_that_pile_up_are_orphans():
    async def main(park):
        await made(park, 60, begin=10, end=900)
        await park()
        end_all()

    service = serve(main)
    # The last ones are younger than the age limit, or their site is not yet seen twice.
    assert 50 <= service.orphans["listen"][0] <= 60
    reason = service.events_named("python.asyncio.task.orphaned")[-1]["python.leak.reason"]
    assert "its creation was not recorded" in reason and "have accumulated" in reason


def test_unrecorded_tasks_of_the_start_are_silent():
    async def main(park):
        for _ in range(60):
            make()
        await made(park, 25, begin=300, end=900)
        await park()
        end_all()

    service = serve(main)
    assert service.orphans == {} and service.events_named("python.asyncio.task.orphaned") == []


def test_unrecorded_tasks_with_an_owner_are_silent():
    async def main(park):
        async def handle(_number):
            await asyncio.Task(listen())

        await park.requests(handle, 60, begin=10, end=900)
        await park()
        end_all()

    service = serve(main)
    assert service.events_named("python.asyncio.task.orphaned") == []


def test_few_unrecorded_tasks_are_silent():
    async def main(park):
        await made(park, 20, begin=10, end=900)
        await park()
        end_all()

    service = serve(main)
    assert service.orphans == {}
