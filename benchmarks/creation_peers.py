"""What others pay for knowing who created a task: create + await a no-op task under each, by CPU time.

This package; the same with every creation stack kept; the OpenTelemetry instrumentation of asyncio, which makes spans;
asyncio's own debug mode; pyleak's task check with creation stacks; aiomonitor with its task factory. Each has a
process of its own; their blocks are run in turn as in `creation.py`, and a ratio is the median over the rounds. A peer
that is not installed is named and left out; `pip install pyleak aiomonitor`.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
import warnings
from statistics import median

import creation

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

ROUNDS, STARTS, TASKS = 200, 4, 960


async def no_op():
    pass


async def create_and_await():
    """Return the seconds of CPU time that a task takes."""
    for _ in range(TASKS // 10):
        await asyncio.create_task(no_op())
    began = time.thread_time()
    for _ in range(TASKS):
        await asyncio.create_task(no_op())
    return (time.thread_time() - began) / TASKS


def bare():
    return asyncio.run(create_and_await())


def without():
    return bare


def ours():
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none")
    return bare


def ours_with_every_stack():
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none", stack_sampling=1)
    return bare


def upstream():
    from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

    AsyncioInstrumentor().instrument()
    return bare


def debug_mode():
    return lambda: asyncio.run(create_and_await(), debug=True)


def pyleak():
    from pyleak import no_task_leaks

    async def main():
        async with no_task_leaks(enable_creation_tracking=True):
            return await create_and_await()

    return lambda: asyncio.run(main())


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

    return lambda: asyncio.run(main())


PEERS = {
    "bare": without,
    "this package": ours,
    "this package, every stack kept": ours_with_every_stack,
    "OpenTelemetry asyncio instrumentation": upstream,
    "pyleak, creation stacks": pyleak,
    "asyncio's debug mode": debug_mode,
    "aiomonitor, task factory": aiomonitor,
}
"""Each prepares its process and returns a block, which returns the seconds of a task."""


def measured_process(name):
    warnings.simplefilter("ignore")
    creation.keep_an_idle_thread()
    try:
        block = PEERS[name]()
    except ImportError as error:
        print(f"left out: {name}: {error}")
        return
    for _ in range(creation.WARM_UP if name.startswith(("bare", "this")) else 1):
        block()
    creation.serve(block)


def child(name):
    return [sys.executable, __file__, "--child", name]


def is_installed(name):
    """Return whether a peer can be measured; print why if not."""
    run = subprocess.run(child(name), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    if run.stdout.startswith("left out"):
        print(run.stdout.strip())
    return not run.stdout.startswith("left out")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measured_process(arguments.child)
        return
    creation.use_one_core()
    print(creation.title(sys.executable))
    seconds = creation.paired({name: child(name) for name in PEERS if is_installed(name)}, ROUNDS, STARTS)
    print(f"{'create + await a task':<40} {'us':>8} {'ratio':>7}")
    for name, took in seconds.items():
        print(f"{name:<40} {median(took) * 1e6:>8.2f} {creation.ratio(seconds, name, 'bare'):>7.2f}")


if __name__ == "__main__":
    main()
