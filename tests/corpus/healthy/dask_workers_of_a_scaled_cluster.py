"""A cluster of Dask gets two more workers three times, minutes apart: tasks, listeners and threads of each stay.

Source: https://docs.dask.org/en/stable/deploying-python.html (``cluster.scale``)
"""

import distributed

EXPECTED = {}
NEEDS = ("distributed",)
ASYNCIO_ONLY = True


async def main(park):
    cluster = await distributed.LocalCluster(  # innocent
        n_workers=1, processes=False, threads_per_worker=1, dashboard_address=None, asynchronous=True, memory_limit=0
    )
    client = await distributed.Client(cluster, asynchronous=True)  # innocent

    async def handle(number):
        cluster.scale(3 + 2 * number)
        await cluster
        await client.wait_for_workers(3 + 2 * number)
        assert await client.submit(int, number, pure=False) == number

    await park.requests(handle, 3, patience=20.0)
    await park()
    await client.close()
    await cluster.close()
