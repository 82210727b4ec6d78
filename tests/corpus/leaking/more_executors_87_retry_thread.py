"""A retrying executor has a thread that looks for what is due; it is garbage to its user but never shut down.

Source: https://github.com/rohanpm/more-executors/issues/87
"""

import concurrent.futures
import queue
import threading

EXPECTED = {"RetryExecutor.__init__": "orphaned"}
COUNT = 5
THREADS = True

started = []


class RetryExecutor:
    def __init__(self):
        self.due = queue.Queue()
        self.thread = threading.Thread(target=self.submit_loop, daemon=True)
        self.thread.start()  # guilty
        started.append(self)

    def submit_loop(self):
        while (job := self.due.get()) is not None:
            function, future = job
            future.set_result(function())

    def submit(self, function):
        future = concurrent.futures.Future()
        self.due.put((function, future))
        return future


def handle(number):
    return RetryExecutor().submit(int).result()


async def main(park):
    await park.requests(handle)
    await park()
    for executor in started:
        executor.due.put(None)
        executor.thread.join()
