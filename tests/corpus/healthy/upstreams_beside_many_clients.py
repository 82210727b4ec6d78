"""A library's line starts the ping task of accepted and of opened connections; more than twenty clients are connected.

The gateway opens its two upstreams when a request first needs them.

Source: https://websockets.readthedocs.io/en/stable/topics/keepalive.html
"""

import asyncio

EXPECTED = {}


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def keep_alive(self):
        self.pings = asyncio.get_running_loop().create_task(self.ping())  # innocent

    async def ping(self):
        while True:
            await asyncio.sleep(3600)
            self.writer.write(b".")


async def main(park):
    served, handlers, clients, upstreams = [], [], [], {}

    async def serve(reader, writer):  # innocent
        handlers.append(asyncio.current_task())
        served.append(Connection(reader, writer))
        served[-1].keep_alive()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def join(number):
        clients.append(await asyncio.open_connection("127.0.0.1", port))

    async def ask(number):
        name = number // 3
        if name not in upstreams:
            upstreams[name] = Connection(*await asyncio.open_connection("127.0.0.1", port))
            upstreams[name].keep_alive()
        upstreams[name].writer.write(b"question")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await park.requests(join, 25, begin=1, end=50, patience=0.5)
    await park.requests(ask, 6, patience=0.5)
    await park()
    for connection in (*served, *upstreams.values()):
        connection.pings.cancel()
    for writer in (*(writer for _, writer in clients), *(upstream.writer for upstream in upstreams.values())):
        writer.close()
        await writer.wait_closed()
    await asyncio.gather(*handlers)
    server.close()
    await server.wait_closed()
