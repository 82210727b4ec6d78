"""Each subscription is a task of its connection; closing the connection forgets the tasks instead of cancelling them.

Source: https://github.com/graphql-python/graphql-ws/issues/16
"""

import asyncio

EXPECTED = {"Connection.subscribe": "orphaned"}
COUNT = 10

topics = {}
all_operations = set()


class Connection:
    def __init__(self):
        self.operations = {}

    def subscribe(self, operation):
        task = asyncio.create_task(self.forward(topics.setdefault(operation, asyncio.Event())))  # guilty
        self.operations[operation] = task
        all_operations.add(task)

    async def forward(self, topic):
        await topic.wait()

    async def on_close(self):
        self.operations.clear()


async def handle(number):
    connection = Connection()
    connection.subscribe("history")
    connection.subscribe("presence")
    await connection.on_close()


async def main(park):
    await park.requests(handle)
    await park()
    for topic in topics.values():
        topic.set()
