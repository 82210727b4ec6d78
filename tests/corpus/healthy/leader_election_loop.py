"""Each instance campaigns for the lease, leads while it holds it, and campaigns again when it has lost it.

The task of the leader's duty is made anew at each election, by the campaign; the one before was cancelled.

Source: https://kubernetes.io/docs/concepts/architecture/leases/ and client-go's ``leaderelection.RunOrDie``
"""

import asyncio

EXPECTED = {}

campaigns = []


async def lead(term, terms):
    terms.append(term)
    while True:
        await asyncio.sleep(3600)


async def campaign(lease, terms):
    term = 0
    while await lease.get() == "won":
        term += 1
        duty = asyncio.create_task(lead(term, terms))  # innocent
        await lease.get()
        duty.cancel()
        await asyncio.wait([duty])


async def boot(lease, terms):
    campaigns.append(asyncio.create_task(campaign(lease, terms)))  # innocent


async def main(park):
    lease, terms = asyncio.Queue(), []
    await asyncio.create_task(boot(lease, terms))  # innocent
    for _ in range(4):
        lease.put_nowait("won")
        await park.advance(180)
        lease.put_nowait("lost")
        await park.advance(20)
    lease.put_nowait("won")
    await park()
    lease.put_nowait("lost")
    lease.put_nowait("over")
    await campaigns.pop()
    assert terms == [1, 2, 3, 4, 5]
