"""A leaky bucket makes callers wait their turn in futures of its own, woken by timers.

A burst leaves many requests in a bare ``future`` wait that only a timer of the loop ends.

Source: https://aiolimiter.readthedocs.io/en/stable/
"""

from aiolimiter import AsyncLimiter

EXPECTED = {}
NEEDS = ("aiolimiter",)


async def main(park):
    limiter, served = AsyncLimiter(1, 0.02), []

    async def handle(number):
        async with limiter:
            served.append(number)

    await park.requests(handle, 8, begin=120, end=121, patience=0.0)
    await park()
    while len(served) < 8:
        async with limiter:
            pass
