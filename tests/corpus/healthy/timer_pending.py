"""A ``threading.Timer`` will expire the session cache in an hour; each request that prolongs it replaces the timer.

The thread waits, started by a request that is over; the ones before were cancelled and are gone.

Source: https://docs.python.org/3/library/threading.html#timer-objects
"""

import threading

EXPECTED = {}


class Session:
    def __init__(self):
        self._timer = None

    def prolong(self):
        self.expire()
        self._timer = threading.Timer(3600, self.expire)
        self._timer.daemon = True
        self._timer.start()  # innocent

    def expire(self):
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()


async def main(park):
    session = Session()

    async def handle(number):
        session.prolong()

    await park.requests(handle)
    await park()
    session.expire()
