"""A websocket's sender waits for the next message of an empty queue; that the client has gone, nobody tells it.

Source: https://github.com/PrefectHQ/prefect/pull/12346
"""

import asyncio

EXPECTED = {"stream_task_runs": "unwakeable"}
COUNT = 5

senders = set()


async def send_updates(queue):
    while True:
        await queue.get()


async def stream_task_runs(client_gone):
    sender = asyncio.create_task(send_updates(asyncio.Queue()))  # guilty
    senders.add(sender)
    sender.add_done_callback(senders.discard)
    await client_gone.wait()


async def handle(number):
    client_gone = asyncio.Event()
    client_gone.set()
    await stream_task_runs(client_gone)


async def main(park):
    await park.requests(handle)
    await park()
