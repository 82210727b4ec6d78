"""The server process dies; the reader of its answers ends, and every request that waits for an answer still waits.

Source: https://github.com/modelcontextprotocol/python-sdk/issues/332
"""

import asyncio

EXPECTED = {"open_session": "unwakeable"}
COUNT = 10

calls = set()


class Session:
    def __init__(self):
        self.pending = {}
        self.incoming = asyncio.Queue()

    async def read_answers(self):
        while (answer := await self.incoming.get()) is not None:
            self.pending.pop(answer).set_result(answer)

    async def request(self, number):
        self.pending[number] = asyncio.get_running_loop().create_future()
        return await self.pending[number]


async def open_session():
    session = Session()
    reader = asyncio.create_task(session.read_answers())  # innocent
    for number in (1, 2, 3):
        calls.add(asyncio.create_task(session.request(number)))  # guilty
    session.incoming.put_nowait(None)
    await asyncio.sleep(0)
    session.incoming.put_nowait(None)
    session.pending[1].set_result("initialised")
    await reader


async def handle(number):
    await open_session()


async def main(park):
    await park.requests(handle)
    await park()
