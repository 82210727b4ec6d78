"""Jobs of an executor start threads and join them; the first one also starts a heartbeat that stays for all.

Source: https://docs.python.org/3/library/concurrent.futures.html#threadpoolexecutor
"""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = True

inbox = queue.Queue()
heartbeats = []


def beat():
    while inbox.get() is not None:
        pass


def work():
    if not heartbeats:
        heartbeats.append(threading.Thread(target=beat, daemon=True))
        heartbeats[0].start()  # innocent
    parts = [threading.Thread(target=int) for _ in range(3)]
    for part in parts:
        part.start()  # innocent
    for part in parts:
        part.join()


async def main(park):
    with ThreadPoolExecutor(4) as pool:  # innocent

        async def handle(number):
            pool.submit(work).result()

        await park.requests(handle, 30)
        await park()
        inbox.put(None)
