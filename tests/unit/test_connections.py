"""Which tasks belong to an open connection."""

import asyncio

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.connections import belongs_to_connection

uvloop = pytest.importorskip("uvloop")


class Connection:
    """A client's connection with a pinger, as pools open them."""

    async def open(self, port):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)

    async def ping(self):
        while True:
            await asyncio.sleep(3600)
            self._writer.write(b"ping")

    async def wait(self, event):
        await event.wait()


class Link(asyncio.Protocol):
    """The same without streams."""

    def connection_made(self, transport):
        self.transport = transport

    async def ping(self):
        await asyncio.sleep(3600)


class Request:
    """Knows its connection, but is none."""

    def __init__(self, connection):
        self.connection = connection


async def poll(request):
    await asyncio.sleep(3600)
    request.connection.ping()


async def hold(reader, writer):
    try:
        await reader.read()
    finally:
        writer.close()


async def ask(make):
    """Return what is said of the task that ``make`` starts, while its connection is open and after it was closed."""
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection()
    await connection.open(port)
    transport, link = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", port)
    task = asyncio.create_task(make(connection, link))
    await asyncio.sleep(0)
    answers = [belongs_to_connection(task)]
    connection._writer.close()
    transport.close()
    answers.append(belongs_to_connection(task))
    task.cancel()
    await asyncio.wait([task])
    await connection._writer.wait_closed()
    server.close()
    await server.wait_closed()
    return answers


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request):
    loop = request.param()
    yield loop
    loop.close()


def run(loop, make):
    return loop.run_until_complete(ask(make))


def test_pinger_belongs_to_its_connection_until_that_is_closed(loop):
    """It sleeps between two pings, on a stream of its own object."""
    assert run(loop, lambda connection, link: connection.ping()) == [True, False]


def test_pinger_of_a_protocol_belongs_to_its_transport(loop):
    """The transport may be an attribute itself."""
    assert run(loop, lambda connection, link: link.ping()) == [True, False]


def test_task_that_waits_for_something_else_belongs_to_no_connection(loop):
    """Who waits for an event is not known to be needed by the connection."""
    assert run(loop, lambda connection, link: connection.wait(asyncio.Event())) == [False, False]


def test_task_of_a_request_belongs_to_no_connection(loop):
    """That a request knows its connection does not keep what the request left behind."""
    assert run(loop, lambda connection, link: poll(Request(connection))) == [False, False]


def test_plain_sleeper_belongs_to_no_connection(loop):
    """Even if connections are open elsewhere in its module."""
    assert run(loop, lambda connection, link: asyncio.sleep(3600)) == [False, False]
