"""``multiprocessing.dummy`` starts threads behind the interface of processes; a request forgets one.

Source: https://docs.python.org/3/library/multiprocessing.html#module-multiprocessing.dummy
"""

import multiprocessing.dummy
import threading

EXPECTED = {"transcode": "orphaned"}
COUNT = 5
RUNS = {"transcode": "encode"}
THREADS = True

released = []


def watch(stop):
    while not stop.wait(3600):
        pass


def encode(accepted):
    accepted.wait()


def boot(stop):
    multiprocessing.dummy.Process(target=watch, args=(stop,)).start()  # innocent


def transcode(number):
    released.append(threading.Event())
    worker = multiprocessing.dummy.Process(target=encode, args=(released[-1],))
    worker.start()  # guilty


async def main(park):
    stop = threading.Event()
    boot(stop)
    await park.requests(transcode, patience=1.0)
    await park()
    for each in (stop, *released):
        each.set()
