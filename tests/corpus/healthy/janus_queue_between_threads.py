"""A queue with a side for the loop and one for threads; producers block in threads, the consumer in the loop.

Three live threads wait for room in the queue, and helper tasks of the queue carry their signals across.

Source: https://github.com/aio-libs/janus
"""

import asyncio
import threading

import janus

EXPECTED = {}
NEEDS = ("janus",)


async def main(park):
    queue = janus.Queue(maxsize=1)

    def produce(name):
        for number in range(3):
            queue.sync_q.put((name, number))

    producers = [threading.Thread(target=produce, args=(name,), daemon=True) for name in "abc"]
    for producer in producers:
        producer.start()  # innocent
    await park()
    seen = [await queue.async_q.get() for _ in range(9)]
    for producer in producers:
        await asyncio.to_thread(producer.join)
    await queue.aclose()
    assert len(seen) == 9
