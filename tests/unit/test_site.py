"""Creation sites where the loop's callbacks come from C."""

import asyncio
import gc

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot

uvloop = pytest.importorskip("uvloop")


@pytest.fixture
def instrumented():
    # Tasks of earlier tests that only the collector frees would be listed as well.
    gc.collect()
    instrumentor = ConcurrencyInstrumentor()
    instrumentor.instrument(metrics="none", reports="none", agent_disabled=True, eventloop_delay_disabled=True)
    yield
    instrumentor.uninstrument()


async def read(reader, writer):
    await reader.readline()
    writer.close()


async def serve_three():
    """Return the functions that the tasks of three accepted connections are attributed to."""
    server = await asyncio.start_server(read, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    me = asyncio.current_task().get_name()
    for _ in range(1000):
        tasks = [task for task in take_snapshot().tasks if task.name != me]
        if len(tasks) == 3:
            break
        await asyncio.sleep(0)
    for _, writer in clients:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return [task.site.function.rpartition(".")[2] for task in tasks]


def run_by_name():
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(serve_three())
    finally:
        loop.close()


@pytest.mark.parametrize("run", [lambda: uvloop.run(serve_three()), run_by_name], ids=["run", "run_until_complete"])
def test_connection_accepted_on_uvloop_names_its_handler(instrumented, run):
    """That line made the main task, and lies below the callbacks that make the others: all of them, not the first."""
    assert run() == ["read", "read", "read"]
