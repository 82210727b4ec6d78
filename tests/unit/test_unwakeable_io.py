"""What a descriptor, a peer or another process will wake through the event loop is never proven."""

import asyncio
import os
import socket
import sys

import pytest
from healthy_waits import LOOPS, Waits, forget_registry, new_future, on, prove_then_wake, registry, run_on, set_result

WAITS = Waits()
healthy = WAITS.healthy


@pytest.fixture(autouse=True)
def leave_nothing():
    yield
    forget_registry()


@healthy
def subprocess_and_its_pipe(start):
    async def run():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        registry.process = process
        await asyncio.gather(process.wait(), process.stdout.read())

    start(run())

    async def wake():
        while not hasattr(registry, "process"):
            await asyncio.sleep(0.01)
        registry.process.stdin.write(b"\n")

    return wake


@healthy
def socket_that_accepts(start):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    address = listener.getsockname()

    async def accept(listener):
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        connection.close()
        listener.close()

    start(accept(listener))
    del listener
    return lambda: socket.create_connection(address).close()


@healthy
def stream_that_reads(start):
    ours, theirs = socket.socketpair()

    async def read(theirs):
        reader, writer = await asyncio.open_connection(sock=theirs)
        await reader.readline()
        writer.close()

    start(read(theirs))
    del theirs
    return lambda: (ours.send(b"line\n"), ours.close())


@healthy
def server_that_serves(start):
    async def handle(reader, writer):
        await reader.read()
        writer.close()

    async def serve():
        asyncio.current_task().set_name("serve")
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        registry.server = server
        try:
            async with server:
                await server.serve_forever()
        except asyncio.CancelledError:
            return

    start(serve())

    async def wake():
        while not hasattr(registry, "server"):
            await asyncio.sleep(0.01)
        registry.server.close()
        for task in asyncio.all_tasks():
            if task.get_name() == "serve":
                task.cancel()

    return wake


@healthy
def reader_of_a_descriptor(start):
    ours, theirs = socket.socketpair()
    future = new_future()
    loop = asyncio.get_running_loop()

    def readable(future):
        loop.remove_reader(theirs)
        set_result(future)

    loop.add_reader(theirs, readable, future)
    start(on(future))
    del future
    registry.sockets = ours, theirs
    return lambda: ours.send(b"x")


@healthy
def message_of_a_socket_of_zeromq(start):
    """A client in C whose threads wake it through a descriptor that the loop watches."""
    zmq = pytest.importorskip("zmq.asyncio")
    context = zmq.Context()

    async def wait():
        with context.socket(7) as pulling:  # PULL
            registry.port = pulling.bind_to_random_port("tcp://127.0.0.1")
            await pulling.recv()
        ended.set()

    ended = asyncio.Event()
    start(wait())

    async def wake():
        while not hasattr(registry, "port"):
            await asyncio.sleep(0.01)
        with context.socket(8) as pushing:  # PUSH
            pushing.connect(f"tcp://127.0.0.1:{registry.port}")
            await pushing.send(b"x")
            await ended.wait()
        context.term()

    return wake


@healthy
def protocol_that_holds_its_future(start):
    """No stream and so no weak reference; the loop alone knows the transport."""

    class Protocol(asyncio.Protocol):
        def __init__(self):
            self.future = new_future()

        def data_received(self, data):
            set_result(self.future)

    async def wait(theirs):
        transport, protocol = await asyncio.get_running_loop().create_connection(Protocol, sock=theirs)
        await protocol.future
        transport.close()

    ours, theirs = socket.socketpair()
    registry.sockets = (ours,)
    start(wait(theirs))
    del theirs
    return lambda: ours.send(b"x")


@healthy
def datagrams_and_pipes_of_a_protocol(start):
    class Protocol(asyncio.DatagramProtocol):
        def __init__(self):
            self.future = new_future()

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            set_result(self.future)

        data_received = eof_received = lambda self, *_: set_result(self.future)

    async def datagram():
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", 0)
        )
        registry.address = transport.get_extra_info("sockname")
        del transport
        await protocol.future
        protocol.transport.close()

    async def pipe(reading):
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(Protocol, reading)
        await protocol.future
        transport.close()

    reading, registry.writing = os.pipe()
    start(datagram())
    start(pipe(os.fdopen(reading, "rb", 0)))

    async def wake():
        while not hasattr(registry, "address"):
            await asyncio.sleep(0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", registry.address)
        os.write(registry.writing, b"x")
        os.close(registry.writing)

    return wake


@healthy
def process_of_a_protocol(start):
    class Protocol(asyncio.SubprocessProtocol):
        def __init__(self):
            self.future = new_future()

        def process_exited(self):
            set_result(self.future)

    async def wait():
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            Protocol, sys.executable, "-c", "input()", stdout=None, stderr=None
        )
        registry.pipe = transport.get_pipe_transport(0)
        await protocol.future
        transport.close()

    start(wait())

    async def wake():
        while not hasattr(registry, "pipe"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        registry.__dict__.pop("pipe").close()

    return wake


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("name", sorted(WAITS))
def test_healthy_wait_is_not_proven(name, kind):
    """Whatever was proven must not wake; and every one of these does."""
    assert run_on(kind, prove_then_wake(WAITS[name])) == []
