"""Each job that an executor runs starts a heartbeat that nothing stops; the worker that ran the job goes on.

Source: https://github.com/celery/celery/issues/6819 has the same in a worker of Celery; here the pool is the standard
library's.
"""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

EXPECTED = {"start_heartbeat": "orphaned"}
COUNT = 30
THREADS = True

inboxes = []


def beat(inbox):
    while inbox.get() is not None:
        pass


def start_heartbeat():
    inboxes.append(queue.Queue())
    threading.Thread(target=beat, args=(inboxes[-1],), daemon=True).start()  # guilty


async def main(park):
    with ThreadPoolExecutor(4) as pool:  # innocent

        async def handle(number):
            pool.submit(start_heartbeat).result()

        await park.requests(handle, 30)
        await park()
        for inbox in inboxes:
            inbox.put(None)
