"""A job takes a lock, fails, and never releases it; every job after it waits in a thread of its own.

Source: GoBench, GoKer moby#17176, with threads | https://github.com/moby/moby/pull/17176
"""

import threading

EXPECTED = {"deactivate": "orphaned"}
COUNT = 5
THREADS = True

devices = threading.Lock()


def job(deleted):
    devices.acquire()
    if not deleted:
        return
    devices.release()


async def deactivate(number):
    threading.Thread(target=job, args=(number,), daemon=True).start()  # guilty


async def main(park):
    await park.requests(deactivate, 6)
    await park()
    devices.release()
