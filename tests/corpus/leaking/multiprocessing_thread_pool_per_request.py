"""A request makes a ``ThreadPool`` and never closes it; the module has another one for all requests.

Workers and three handler threads of every pool start at lines of the standard library. The one to name made the pool.

Source: https://github.com/python/cpython/issues/78353
"""

from multiprocessing.pool import ThreadPool

EXPECTED = {"digest": "orphaned"}
COUNT = 25
THREADS = True

pools = []


def open_shared_pool():
    pools.append(ThreadPool(2))  # innocent


def digest(items):
    pools.append(ThreadPool(2))  # guilty
    return pools[-1].map(len, items)


def handle(number):
    assert pools[0].map(len, ["a", "bb"]) == [1, 2]
    assert digest(["a", "bb"]) == [1, 2]


async def main(park):
    open_shared_pool()
    await park.requests(handle, patience=2.0)
    await park()
    for pool in pools:
        pool.terminate()
        pool.join()
