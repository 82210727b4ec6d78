"""Handlers that block are put behind a queue; a listener's thread empties it. A reload of the settings makes a new one.

The thread was started by a task that is done, waits for ever on an empty queue, and is a daemon.

Source: https://docs.python.org/3/howto/logging-cookbook.html#dealing-with-handlers-that-block
"""

import asyncio
import logging
import logging.handlers
import queue

EXPECTED = {}


class Written(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


async def configure(listeners, handler, records):
    if listeners:
        listeners.pop().stop()
    listeners.append(logging.handlers.QueueListener(records, handler))
    listeners[0].start()  # innocent


async def main(park):
    handler, records, listeners = Written(), queue.SimpleQueue(), []
    logger = logging.getLogger("shop")
    logger.setLevel(logging.INFO)
    sender = logging.handlers.QueueHandler(records)
    logger.addHandler(sender)
    await asyncio.create_task(configure(listeners, handler, records))  # innocent

    async def handle(number):
        if number == 2:
            await configure(listeners, handler, records)
        logger.info("request %d", number)

    await park.requests(handle)
    await park()
    listeners[0].stop()
    logger.removeHandler(sender)
    assert len(handler.lines) == 5
