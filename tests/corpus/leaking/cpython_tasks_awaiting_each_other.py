"""Two parts of a shutdown await each other's task: a cycle that not even cancelling ends (RecursionError).

Source: https://docs.python.org/3/library/asyncio-task.html (tasks await tasks); made for the corpus after
GoBench's AB-BA deadlocks, https://doi.org/10.1109/CGO51591.2021.9370317
"""

import asyncio

EXPECTED = {"shut_down": "unwakeable"}
COUNT = 10

stopping = set()


async def stop(parts, other):
    await parts[other]


async def shut_down():
    parts = {}
    parts["server"] = asyncio.create_task(stop(parts, "database"))  # guilty
    parts["database"] = asyncio.create_task(stop(parts, "server"))  # guilty
    stopping.update(parts.values())


async def handle(number):
    await shut_down()


async def main(park):
    await park.requests(handle)
    await park()
