"""``@repeat_every`` starts its loop from the start-up hook, which returns at once; the loop sleeps between its turns.

Nothing holds or awaits the task, and it sleeps nearly all the time.

Source: https://fastapi-utils.davidmontague.xyz/user-guide/repeated-tasks/
"""

import asyncio
import functools

EXPECTED = {}

jobs = []


def repeat_every(seconds):
    def decorate(function):
        @functools.wraps(function)
        async def start():
            async def repeat():
                while True:
                    await function()
                    await asyncio.sleep(seconds)

            jobs.append(asyncio.ensure_future(repeat()))  # innocent

        return start

    return decorate


turns = []


@repeat_every(seconds=3600)
async def remove_expired_tokens():
    turns.append("removed")


async def main(park):
    await asyncio.create_task(remove_expired_tokens())  # innocent
    await park()
    jobs[0].cancel()
    await asyncio.wait(jobs)
    assert turns == ["removed"]
