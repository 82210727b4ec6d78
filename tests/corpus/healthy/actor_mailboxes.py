"""Each chat room is an actor with a mailbox; a room awakes with the first message and goes to sleep when it is left.

An actor outlives the request that woke it by minutes and waits on an empty mailbox, but rooms come and go.

Source: https://docs.python.org/3/library/asyncio-queue.html, in the manner of https://www.microsoft.com/en-us/research/
project/orleans-virtual-actors/
"""

import asyncio

EXPECTED = {}


class Rooms:
    def __init__(self):
        self.rooms = {}

    def send(self, room, message):
        if room not in self.rooms:
            mailbox = asyncio.Queue()
            self.rooms[room] = mailbox, asyncio.create_task(self._act(room, mailbox))  # innocent
        self.rooms[room][0].put_nowait(message)

    async def _act(self, room, mailbox):
        while await mailbox.get() != "leave":
            pass
        del self.rooms[room]


async def main(park):
    rooms = Rooms()

    async def handle(number):
        rooms.send(number // 2, "hello" if number % 2 == 0 else "leave")

    # Somebody enters every minute and is gone half a minute later.
    await park.requests(handle, 16, begin=120, end=120 + 15 * 30)
    await park()
    assert not rooms.rooms
