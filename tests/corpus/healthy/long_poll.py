"""Clients ask for news and are answered when there are some; until then each request hangs, for minutes.

Two dozen handlers of one line wait on a condition, which is just what long polling is.

Source: https://datatracker.ietf.org/doc/html/rfc6202#section-2
"""

import asyncio

EXPECTED = {}


async def main(park):
    news, answered = asyncio.Condition(), []

    async def poll(number):
        async with news:
            if number % 3 == 2:
                news.notify(1)
            await news.wait()
        answered.append(number)

    await park.requests(poll, 36, patience=0.001)
    await park()
    async with news:
        news.notify_all()
    while len(answered) < 36:
        await asyncio.sleep(0)
