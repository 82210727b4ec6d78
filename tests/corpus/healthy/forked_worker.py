"""A pre-fork server forks its worker out of a process that has tasks and threads; none of them exist in the child.

A detector that keeps its records over the fork accuses the child of its parent's threads.

Source: https://docs.gunicorn.org/en/stable/design.html and https://docs.python.org/3/library/os.html#os.fork
"""

import asyncio
import os
import threading
import warnings

from opentelemetry.instrumentation.concurrency import live_counts

EXPECTED = {}
POSIX = True


def fork():
    with warnings.catch_warnings():
        # From 3.12 on a fork beside threads warns.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        os._exit(live_counts().threads)
    return process


async def main(park):
    stop = threading.Event()
    beats = [threading.Thread(target=stop.wait, daemon=True) for _ in range(3)]
    for beat in beats:
        beat.start()  # innocent

    async def handle(number):
        _, status = await asyncio.to_thread(os.waitpid, fork(), 0)  # innocent
        assert os.waitstatus_to_exitcode(status) == 1

    await park.requests(handle, 2, patience=2.0)
    await park()
    stop.set()
    for beat in beats:
        beat.join()
