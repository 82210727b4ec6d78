"""Results are handled as they come; the slow ones still run while the caller waits for the next.

``as_completed`` waits through a queue of its own, so no callback of theirs leads straight to the caller.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.as_completed
"""

import asyncio

EXPECTED = {}


async def probe(answer):
    return await answer.wait()


async def start(answers):
    return [asyncio.create_task(probe(answer)) for answer in answers]  # innocent


async def main(park):
    answers = [asyncio.Event() for _ in range(6)]
    probes, seen = await asyncio.create_task(start(answers)), []  # innocent

    async def collect():
        for next_one in asyncio.as_completed(probes):
            seen.append(await next_one)

    collector = asyncio.create_task(collect())  # innocent
    answers[0].set()
    await park()
    for answer in answers:
        answer.set()
    await collector
    assert len(seen) == 6
