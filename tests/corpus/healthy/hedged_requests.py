"""The same question goes to two replicas; the first answer wins and the loser is cancelled.

The loser refuses to die at once, it has to give its connection back, and so survives the request a little.

Source: https://research.google/pubs/the-tail-at-scale/ (Dean and Barroso, hedged requests)
"""

import asyncio

EXPECTED = {}


async def main(park):
    given_back = []

    async def ask(replica, answer, release):
        try:
            return await answer.wait() and replica
        finally:
            await release.wait()
            given_back.append(replica)

    async def handle(number):
        fast, slow, release = asyncio.Event(), asyncio.Event(), asyncio.Event()
        releases.append(release)
        fast.set()
        instantly = asyncio.Event()
        instantly.set()
        tasks = [
            asyncio.create_task(ask("first", fast, instantly)),  # innocent
            asyncio.create_task(ask("second", slow, release)),  # innocent
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for loser in pending:
            loser.cancel()
        assert {task.result() for task in done} == {"first"}

    releases = []
    for minute in range(2, 8):
        await park.requests(handle, 1, begin=minute * 60, end=minute * 60)
        await park.advance(20)
        releases[-1].set()
    await park()
    assert given_back == ["first", "second"] * 6
