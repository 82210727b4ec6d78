"""A request starts a ``QueueListener`` of the standard library for its own log and never stops it.

One that runs is no leak; that there are more and more of them is.

Source: https://docs.python.org/3/library/logging.handlers.html#queuelistener
"""

import logging
import logging.handlers
import queue

EXPECTED = {"trace_request": "growing"}
COUNT = 40
THREADS = True
NO_ORPHAN = "a listener usually runs until exit"

left_running = []


def start_logging():
    listener = logging.handlers.QueueListener(queue.Queue(), logging.NullHandler())
    listener.start()  # innocent
    return listener


def trace_request(number):
    listener = logging.handlers.QueueListener(queue.Queue(), logging.NullHandler())
    left_running.append(listener)
    listener.start()  # guilty


async def main(park):
    listener = start_logging()
    await park.requests(trace_request, 40, end=14 * 60, patience=1.0)
    await park(at=None)
    for each in (listener, *left_running):
        each.stop()
