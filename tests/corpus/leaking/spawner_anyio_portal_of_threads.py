"""Threads of requests start tasks in one event loop through a portal of anyio; what they start for audits never ends.

anyio makes the coroutine in a callback of the loop. The line that a person would name waits in the thread meanwhile.

Source: https://anyio.readthedocs.io/en/stable/threads.html#spawning-tasks-from-worker-threads
"""

import asyncio

import anyio
from anyio.from_thread import BlockingPortal

EXPECTED = {"audit_order": "growing"}
RUNS = {"audit_order": "audit"}
COUNT = 40
NEEDS = ("anyio",)
NO_ORPHAN = "the group of the portal waits for them"


class Bridge:
    def __init__(self, portal):
        self.portal = portal

    def submit(self, function, *arguments):
        return self.portal.start_task_soon(function, *arguments)


async def load(number):
    await asyncio.sleep(0)
    return number


async def audit(closed):
    await closed.wait()


async def refresh(stopped):
    await stopped.wait()


def audit_order(bridge):
    bridge.submit(audit, anyio.Event())  # guilty


async def main(park):
    stopped = anyio.Event()
    async with BlockingPortal() as portal:
        bridge = Bridge(portal)

        def boot():
            bridge.submit(refresh, stopped)  # innocent

        def serve(number):
            assert portal.call(load, number) == number  # innocent
            audit_order(bridge)

        await asyncio.to_thread(boot)  # innocent
        await park.requests(serve, 40, end=14 * 60, patience=1.0)
        await park(at=None)
        await portal.stop(cancel_remaining=True)
