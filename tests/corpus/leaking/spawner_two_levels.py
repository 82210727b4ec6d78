"""The application's ``add_task`` calls the helper of a utility module, which starts the task.

Source: https://github.com/letta-ai/letta/pull/2823 (``fire_and_forget`` beside ``safe_create_task``)
"""

import asyncio

EXPECTED = {"Server.open_session": "unwakeable"}
RUNS = {"Server.open_session": "expire"}
COUNT = 5

held = set()


def fire_and_forget(coro, *, name):
    held.add(task := asyncio.create_task(coro, name=name))
    task.add_done_callback(held.discard)


class Server:
    def __init__(self):
        self.log = asyncio.Queue()

    def add_task(self, work):
        fire_and_forget(work, name=f"server: {work.__name__}")

    async def start(self):
        self.add_task(write_log(self.log))  # innocent

    async def open_session(self, number):
        self.log.put_nowait(f"session {number}")
        self.add_task(expire(asyncio.Event()))  # guilty


async def write_log(log):
    while await log.get():
        pass


async def expire(closed):
    await closed.wait()


async def main(park):
    server = Server()
    await asyncio.create_task(server.start())

    async def handle(number):
        await server.open_session(number)

    await park.requests(handle)
    await park()
    server.log.put_nowait(None)
