"""``start_http_server`` serves metrics from a daemon thread; scrapers keep connections open, each with a thread more.

The threads wait in ``accept`` and ``recv`` for as long as the process lives.

Source: https://prometheus.github.io/client_python/exporting/http/
"""

import asyncio

from prometheus_client import CollectorRegistry, start_http_server

EXPECTED = {}
NEEDS = ("prometheus_client",)

servers = []


async def boot():
    servers.append(await asyncio.to_thread(start_http_server, 0, "127.0.0.1", CollectorRegistry()))  # innocent


async def main(park):
    await asyncio.create_task(boot())  # innocent
    server, thread = servers.pop()

    async def scrape(number):
        reader, writer = await asyncio.open_connection(*server.server_address[:2])
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()
        await writer.wait_closed()

    await park.requests(scrape, patience=1.0)
    await park()
    await asyncio.to_thread(server.shutdown)
    server.server_close()
    await asyncio.to_thread(thread.join)
