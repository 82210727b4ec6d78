"""A service has 21 subscriptions of NATS; the first request makes the client's inbox, with one more task at that line.

The server is a stand-in that answers every request at once.

Source: https://github.com/nats-io/nats.py (``Client.request``)
"""

import asyncio

import nats

EXPECTED = {}
NEEDS = ("nats",)


async def serve(reader, writer):  # innocent
    writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1000,"headers":true}\r\n')
    inbox, sid = b"", b""
    while line := await reader.readline():
        words = line.split()
        if words[0] == b"PING":
            writer.write(b"PONG\r\n")
        elif words[0] == b"SUB" and words[1].startswith(b"_INBOX"):
            inbox, sid = words[1], words[2]
        elif words[0] == b"PUB":
            await reader.readline()
            if inbox:
                writer.write(b"MSG %s %s 2\r\nok\r\n" % (words[2], sid))
    writer.close()


async def main(park):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = await nats.connect(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")  # innocent

    async def hear(message):
        pass

    async def boot():
        for number in range(21):
            await client.subscribe(f"topic.{number}", cb=hear)  # innocent

    async def handle(number):
        assert (await client.request("question", b"?")).data == b"ok"  # innocent

    await asyncio.create_task(boot())
    await park.requests(handle, patience=2.0)
    await park()
    await client.close()
    server.close()
    await server.wait_closed()
