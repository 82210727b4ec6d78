"""The wait reason of tasks that wait for sockets, streams, names and subprocesses."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import threading

from suspended_tasks import application, reason, reason_of, socket_pair


@contextlib.asynccontextmanager
async def streams():
    """Two connected pairs of reader and writer; the second one does not read."""
    left, right = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=left)
    other_reader, other_writer = await asyncio.open_connection(sock=right)
    try:
        yield reader, writer
    finally:
        for each in (writer, other_writer):
            each.transport.abort()
        for each in (writer, other_writer):
            with contextlib.suppress(OSError):
                await each.wait_closed()
        del other_reader


class TestInputAndOutput:
    def test_sockets(self, run):
        """Receiving and accepting is `io.read`, sending `io.write`, on uvloop's own coroutines as well."""

        async def main():
            loop = asyncio.get_running_loop()
            with socket_pair() as (left, _):
                assert await reason(loop.sock_recv(left, 1)) == "io.read"
                assert await reason(loop.sock_recv_into(left, bytearray(1))) == "io.read"
            with socket_pair() as (left, _):
                assert await reason(loop.sock_sendall(left, bytes(50_000_000))) == "io.write"
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                listener.setblocking(False)
                assert await reason(loop.sock_accept(listener)) == "io.read"

        run(main)

    def test_streams(self, run):
        """Every read of a stream is `io.read`, drain is `io.write`."""

        async def main():
            async with streams() as (reader, writer):
                assert await reason(reader.read(1)) == "io.read"
                assert await reason(reader.readline()) == "io.read"
                assert await reason(reader.readuntil(b"x")) == "io.read"
                assert await reason(reader.readexactly(10)) == "io.read"
                assert await reason(asyncio.wait_for(reader.readline(), 3600)) == "io.read"
                assert await reason(anext(reader)) == "io.read"
                writer.write(bytes(50_000_000))
                assert await reason(writer.drain()) == "io.write"

        run(main)

    def test_name_resolution_is_executor(self, run):
        """getaddrinfo runs in a thread of an executor, uvloop's in libuv's."""

        async def main():
            loop = asyncio.get_running_loop()
            busy = threading.Event()
            loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
            loop.run_in_executor(None, busy.wait)
            # The only worker is busy: on ≥ 3.14 an answer that is there at once would end the task in its first step.
            task = asyncio.create_task(loop.getaddrinfo("localhost", 80))
            await asyncio.sleep(0)
            assert reason_of(task) in {"executor", "runnable"}
            busy.set()
            await asyncio.wait([task])

        run(main)

    def test_subprocess(self, run):
        """Waiting for a process is `subprocess`, for its pipes `io.read`."""

        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            try:
                assert await reason(process.wait()) == "subprocess"
                assert await reason(process.stdout.read()) == "io.read"
            finally:
                process.stdin.close()
                await process.communicate()
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            pending = asyncio.create_task(application(process.communicate(bytes(10_000_000))))
            await asyncio.sleep(0)
            assert reason_of(pending) == "subprocess"
            await pending

        run(main)
