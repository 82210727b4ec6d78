"""Before an access token expires a timer starts a task that fetches the next, which sets the next timer.

The line makes a task every few minutes for ever, out of callbacks; each is short, the timer stays.

Source: https://datatracker.ietf.org/doc/html/rfc6749#section-1.5
"""

import asyncio

EXPECTED = {}


class Credentials:
    def __init__(self):
        self.serial = 0
        self._timer = None
        self._task = None
        self.fetched = asyncio.Semaphore(0)

    async def fetch(self, expires_in):
        await asyncio.sleep(0)
        self.serial += 1
        self._timer = asyncio.get_running_loop().call_later(expires_in, self._renew, expires_in)
        self.fetched.release()

    def _renew(self, expires_in):
        lifetime = expires_in if self.serial < 5 else 3600
        self._task = asyncio.get_running_loop().create_task(self.fetch(lifetime))  # innocent

    def close(self):
        self._timer.cancel()


async def main(park):
    credentials = Credentials()
    await asyncio.create_task(credentials.fetch(0.001))  # innocent
    for _ in range(6):
        await credentials.fetched.acquire()
        await park.advance(240)
    await park()
    credentials.close()
    assert credentials.serial == 6
