"""Waits for streams of Tornado, and threads of distributed's copy of the thread pool."""

import asyncio
import socket

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection.connections import belongs_to_connection
from opentelemetry.instrumentation.concurrency.diagnose.introspection.readable import chain_of
from opentelemetry.instrumentation.concurrency.diagnose.introspection.tornado_streams import (
    is_tornado_stream,
    stream_wait,
)
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import wait_reason
from opentelemetry.instrumentation.concurrency.record.threads import executor_of


class Session:
    """Works on a stream that is an attribute."""

    def __init__(self, stream):
        self.stream = stream

    async def read(self):
        await self.line()

    async def line(self):
        return await self.stream.read_until(b"\n")


async def ask(make):
    """Return the wait reason of the task that ``make`` starts on a stream, and whether it belongs to a connection."""
    iostream = pytest.importorskip("tornado.iostream")
    ours, theirs = socket.socketpair()
    stream = iostream.IOStream(ours)
    task = asyncio.create_task(make(stream))
    await asyncio.sleep(0)
    found = wait_reason(task, chain_of(task)), belongs_to_connection(task)
    task.cancel()
    await asyncio.wait([task])
    stream.close()
    theirs.close()
    return found


async def read_local(stream):
    await stream.read_bytes(1)


async def write_much(stream):
    await stream.write(b"x" * 10_000_000)


async def wait_beside(stream):
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (read_local, ("io.read", True)),
        (lambda stream: Session(stream).read(), ("io.read", True)),
        (write_much, ("io.write", True)),
        (wait_beside, ("future", False)),
    ],
    ids=["local", "attribute", "write", "other future"],
)
def test_tornado_stream_names_the_wait_for_it_alone(make, expected):
    assert asyncio.run(ask(make)) == expected


def test_tornado_stream_of_another_object_is_none():
    assert not is_tornado_stream(object()) and stream_wait(object()) is None


def test_worker_of_distributed_belongs_to_its_executor():
    pool = pytest.importorskip("distributed.threadpoolexecutor")
    executor = pool.ThreadPoolExecutor(1)
    executor.submit(int).result()
    (worker,) = executor._threads
    assert executor_of(worker) is executor
    executor.shutdown()
