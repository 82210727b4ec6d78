"""A library with a plain interface keeps one loop in a daemon thread, made at the first call, with a task inside.

Thread and task outlive the request that made the first call; the loop runs, its task waits for work.

Source: https://filesystem-spec.readthedocs.io/en/latest/async.html (``fsspec.asyn.get_loop``)
"""

import asyncio
import threading

EXPECTED = {}


class Client:
    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)
        self._thread.start()  # innocent
        self._sender = self._call(self._start())  # innocent

    def _run(self):
        self._loop.run_forever()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _start(self):
        self._queue = asyncio.Queue()
        return asyncio.create_task(self._send())  # innocent

    async def _send(self):
        while await self._queue.get() is not None:
            pass

    def put(self, item):
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def _stopped(self):
        await self._sender

    def close(self):
        self.put(None)
        self._call(self._stopped())  # innocent
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


async def main(park):
    clients = []

    async def handle(number):
        if not clients:
            clients.append(await asyncio.to_thread(Client))  # innocent
        clients[0].put(number)

    await park.requests(handle, patience=1.0)
    await park()
    await asyncio.to_thread(clients[0].close)
