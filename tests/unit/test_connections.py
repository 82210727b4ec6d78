"""Which tasks belong to an open connection."""

import asyncio
import socket

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection import connections
from opentelemetry.instrumentation.concurrency.diagnose.introspection.connections import (
    _is_open_transport,
    belongs_to_connection,
    connection_side,
)

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


def test_task_with_another_wait_has_no_connection(loop):
    """Who waits for an event is not known to be needed by the connection."""
    assert run(loop, lambda connection, link: connection.wait(asyncio.Event())) == [False, False]


def test_task_of_a_request_belongs_to_no_connection(loop):
    """That a request knows its connection does not keep what the request left behind."""
    assert run(loop, lambda connection, link: poll(Request(connection))) == [False, False]


def test_plain_sleeper_belongs_to_no_connection(loop):
    """Even if connections are open elsewhere in its module."""
    assert run(loop, lambda connection, link: asyncio.sleep(3600)) == [False, False]


async def sides(side_of):
    """Return the sides of a pinger and a reader of an accepted connection, and of an opened one."""
    accepted, arrived = Connection(), asyncio.Event()

    async def serve(reader, writer):
        accepted._reader, accepted._writer = reader, writer
        arrived.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    opened = Connection()
    await opened.open(server.sockets[0].getsockname()[1])
    await arrived.wait()
    tasks = [asyncio.create_task(make()) for each in (accepted, opened) for make in (each.ping, each._reader.read)]
    await asyncio.sleep(0)
    found = [side_of(task) for task in tasks]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for each in (accepted, opened):
        each._writer.close()
        await each._writer.wait_closed()
    server.close()
    await server.wait_closed()
    return found


def test_side_of_a_connection_is_known_from_its_server(loop):
    """How many connections a server has accepted is for its clients to decide."""
    assert loop.run_until_complete(sides(connection_side)) == ["accepted", "accepted", "opened", "reads"]


def test_side_of_a_task_without_connection_is_none(loop):
    async def ask():
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        found = connection_side(task)
        task.cancel()
        await asyncio.wait([task])
        return found

    assert loop.run_until_complete(ask()) == "none"


class Transport:
    """Has the name, but is the application's."""

    asked = False

    def is_closing(self):
        self.asked = True
        return False


def test_transport_of_the_application_is_never_asked():
    found = Transport()
    assert _is_open_transport(found) is False
    assert not found.asked


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_transport_is_open_until_it_is_closed(new_loop):
    async def main():
        server = await asyncio.get_running_loop().create_server(Link, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", port)
        found = [_is_open_transport(transport), _is_open_transport(server)]
        transport.close()
        found.append(_is_open_transport(transport))
        server.close()
        return found

    loop = new_loop()
    assert loop.run_until_complete(main()) == [True, False, False]
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def test_side_of_what_is_gone_is_accepted():
    """It is accused of nothing."""
    assert connection_side(None) == "accepted"


@pytest.mark.parametrize(("is_tornado", "side"), [(False, "reads"), (True, "accepted")])
def test_side_of_a_reader_without_transport_is_known_for_tornado(monkeypatch, is_tornado, side):
    """Its accepted connections have no transport either."""
    monkeypatch.setattr(connections, "stream_wait", lambda _: "io.read" if is_tornado else None)

    async def main():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        task = asyncio.create_task(asyncio.get_running_loop().sock_recv(ours, 1))
        await asyncio.sleep(0)
        found = connection_side(task)
        task.cancel()
        await asyncio.wait([task])
        ours.close()
        theirs.close()
        return found

    assert asyncio.run(main()) == side
