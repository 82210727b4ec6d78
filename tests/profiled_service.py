"""A service with leaks and healthy twins, and readers of its profiles."""

import asyncio
import contextlib
import io
import types

from pprof_reading import read_profile

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, write_profile

registry = types.SimpleNamespace()


@contextlib.contextmanager
def instrumented(**settings):
    ConcurrencyInstrumentor().instrument(reports="none", **settings)
    try:
        yield
    finally:
        ConcurrencyInstrumentor().uninstrument()


async def ask(queue):
    await queue.put("question")


async def work(queue):
    await queue.get()


async def await_next(circle, number):
    await circle[number]


@contextlib.asynccontextmanager
async def service(leaks=3, workers=2):
    """Run a planted leak and its healthy twin."""
    full, registry.inbox = asyncio.Queue(1), asyncio.Queue()
    full.put_nowait("nobody takes this")
    tasks = [asyncio.create_task(ask(full), name=f"leak {number}") for number in range(leaks)]
    tasks += [asyncio.create_task(work(registry.inbox), name=f"worker {number}") for number in range(workers)]
    del full
    await asyncio.sleep(0)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def profile(name, debug=1):
    stream = io.StringIO() if debug else io.BytesIO()
    write_profile(name, stream, debug)
    return stream.getvalue()


def counts_by_function(data):
    found = {}
    for stack, values, _ in read_profile(data).samples:
        for function in {function.rpartition(".")[2] for function, _, _ in stack}:
            found[function] = found.get(function, 0) + values[0]
    return found


def blocks(text):
    """Return count and last function of each block, by its first comment."""
    found = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("taskleak") and " profile: " not in line]
        if lines:
            found[lines[1]] = int(lines[0].split()[0])
    return found
