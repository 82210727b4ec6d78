"""What others pay for knowing who created a task: create + await a no-op task under each, in alternating blocks.

This package; the same with every creation stack kept; the OpenTelemetry instrumentation of asyncio, which makes spans;
asyncio's own debug mode; pyleak's task check with creation stacks; aiomonitor with its task factory. Ratios are those
of the fastest blocks. A peer that is not installed is named and left out; `pip install pyleak aiomonitor`.
"""

import asyncio
import contextlib
import datetime as dt
import platform
import socket
import threading
import time
import warnings

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

BLOCKS, TASKS = 20, 2_000


async def no_op():
    pass


async def create_and_await():
    """Return the seconds that a task takes."""
    await asyncio.create_task(no_op())
    began = time.perf_counter()
    for _ in range(TASKS):
        await asyncio.create_task(no_op())
    return (time.perf_counter() - began) / TASKS


@contextlib.contextmanager
def instrumented(instrumentor, **settings):
    instrumentor.instrument(**settings)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def bare():
    return asyncio.run(create_and_await())


def ours():
    with instrumented(ConcurrencyInstrumentor(), metrics="none", reports="none"):
        return bare()


def ours_with_every_stack():
    with instrumented(ConcurrencyInstrumentor(), metrics="none", reports="none", stack_sampling=1):
        return bare()


def upstream():
    from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

    with instrumented(AsyncioInstrumentor()):
        return bare()


def debug_mode():
    return asyncio.run(create_and_await(), debug=True)


def pyleak():
    from pyleak import no_task_leaks

    async def main():
        async with no_task_leaks(enable_creation_tracking=True):
            return await create_and_await()

    return asyncio.run(main())


def aiomonitor():
    from aiomonitor import start_monitor

    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    async def main():
        ports = {name: free_port() for name in ("port", "console_port", "webui_port")}
        with start_monitor(asyncio.get_running_loop(), hook_task_factory=True, **ports):
            return await create_and_await()

    return asyncio.run(main())


PEERS = {
    "this package": ours,
    "this package, every stack kept": ours_with_every_stack,
    "OpenTelemetry asyncio instrumentation": upstream,
    "pyleak, creation stacks": pyleak,
    "asyncio's debug mode": debug_mode,
    "aiomonitor, task factory": aiomonitor,
}


def main():
    warnings.simplefilter("ignore")
    # As the exporters of an SDK do: with a second thread alone, the C library makes everything slower.
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    there = {}
    for name, block in PEERS.items():
        try:
            block()
        except ImportError as error:
            print(f"left out: {name}: {error}")
        else:
            there[name] = []
    without = []
    for _ in range(BLOCKS):
        without.append(bare())
        for name, took in there.items():
            took.append(PEERS[name]())
    print(f"CPython {platform.python_version()}, {platform.machine()}, {dt.datetime.now(dt.timezone.utc).date()}")
    print(f"{'create + await a task':<40} {'us':>8} {'ratio':>7}")
    print(f"{'bare':<40} {min(without) * 1e6:>8.2f} {1:>7.2f}")
    for name, took in there.items():
        print(f"{name:<40} {min(took) * 1e6:>8.2f} {min(took) / min(without):>7.2f}")


if __name__ == "__main__":
    main()
