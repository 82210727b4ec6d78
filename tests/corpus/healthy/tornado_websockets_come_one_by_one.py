"""Every nine seconds a browser opens a websocket on a Tornado server and keeps it; nothing is sent any more.

Each handler is a task that waits in Tornado's stream, and its creator has ended.

Source: https://www.tornadoweb.org/en/stable/websocket.html
"""

from tornado import httpserver, netutil, web, websocket

EXPECTED = {}
NEEDS = ("tornado",)
ASYNCIO_ONLY = True


class Echo(websocket.WebSocketHandler):
    async def on_message(self, message):
        await self.write_message(message)


async def main(park):
    (listening,) = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(web.Application([("/", Echo)]))
    server.add_socket(listening)
    sockets = []

    async def join(number):
        sockets.append(await websocket.websocket_connect(f"ws://127.0.0.1:{listening.getsockname()[1]}/"))
        await sockets[-1].write_message("hello")
        assert await sockets[-1].read_message() == "hello"

    await park.requests(join, 40, begin=120, end=480, patience=1.0)
    await park()
    for socket in sockets:
        socket.close()
    server.stop()
    await server.close_all_connections()
