"""An open circuit breaker waits in a task for the moment when it may try again; a request that failed started it.

Each opening makes a new task at the same line, one after the other, long after start-up.

Source: https://martinfowler.com/bliki/CircuitBreaker.html
"""

import asyncio

EXPECTED = {}


class CircuitBreaker:
    def __init__(self):
        self.state = "closed"
        self.recovery = None

    async def call(self, function):
        if self.state == "open":
            raise ConnectionRefusedError
        try:
            function()
        except ConnectionResetError:
            self.state = "open"
            self.recovery = asyncio.create_task(self._recover())  # innocent
            raise
        self.state = "closed"

    async def _recover(self):
        await asyncio.sleep(0.005)
        self.state = "half-open"


async def main(park):
    breaker = CircuitBreaker()

    def down():
        raise ConnectionResetError

    async def handle(number):
        await breaker.call(down)

    for minute in range(2, 10):
        await park.requests(handle, 2, begin=minute * 60, end=minute * 60 + 10)
        await breaker.recovery
        assert breaker.state == "half-open"
    await park()
