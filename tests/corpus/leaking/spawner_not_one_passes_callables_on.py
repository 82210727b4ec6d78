"""A route starts a task that gets a session factory and a callback: it made the task, whoever gave it the two.

The framework below calls the route with them. Its line would be that of every request.

Source: https://fastapi.tiangolo.com/tutorial/dependencies/ (a dependency given to a background task)
"""

import asyncio

EXPECTED = {"order": "unwakeable"}
RUNS = {"order": "process"}
COUNT = 5

tasks = []


async def process(get_session, item, on_done):
    get_session()
    await item.wait()
    on_done()


async def order(get_session, on_done):
    tasks.append(asyncio.create_task(process(get_session, asyncio.Event(), on_done)))  # guilty


async def dispatch(route, dependencies):
    return await route(*dependencies)


def get_session():
    return object()


async def handle(number):
    await dispatch(order, (get_session, lambda: None))


async def main(park):
    await park.requests(handle)
    await park()
