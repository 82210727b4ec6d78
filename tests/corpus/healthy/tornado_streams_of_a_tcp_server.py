"""A TCP server of Tornado's serves each connection in a task of its own, which waits for a line.

``IOStream.read_until`` is a plain function that returns a future, so no frame of Tornado shows where the task waits.

Source: https://www.tornadoweb.org/en/stable/tcpserver.html
"""

import asyncio

from tornado import netutil, tcpclient, tcpserver

EXPECTED = {}
NEEDS = ("tornado",)
ASYNCIO_ONLY = True

serving = set()


class Lines(tcpserver.TCPServer):
    async def handle_stream(self, stream, address):
        serving.add(asyncio.create_task(self.serve(stream)))  # innocent

    async def serve(self, stream):
        while True:
            await stream.write(await stream.read_until(b"\n"))


async def main(park):
    (listening,) = netutil.bind_sockets(0, "127.0.0.1")
    server = Lines()
    server.add_socket(listening)
    opened = []

    async def join(number):
        opened.append(await tcpclient.TCPClient().connect(*listening.getsockname()))  # innocent
        await opened[-1].write(b"hello\n")
        assert await opened[-1].read_until(b"\n") == b"hello\n"

    await park.requests(join, 40, begin=120, end=480, patience=1.0)
    await park()
    for task in serving:
        task.cancel()
    await asyncio.wait(serving)
    for stream in opened:
        stream.close()
    server.stop()
