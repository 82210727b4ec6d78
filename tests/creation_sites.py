"""The sites at which tasks and threads are counted, by what a person reads: function, source of the line, what runs."""

import asyncio
import inspect
import linecache
import threading
from typing import NamedTuple

from opentelemetry.instrumentation.concurrency import take_snapshot


class Created(NamedTuple):
    """A creation site, short enough to write down in a test."""

    function: str
    source: str
    runs: str


class _Release:
    tasks: asyncio.Event
    threads: threading.Event


async def job(*_values):
    """Be what a task runs: wait until the sites have been read."""
    await _Release.tasks.wait()


def work(*_values):
    """Be what a thread runs: wait until the sites have been read."""
    _Release.threads.wait()


def short(site):
    """Return a snapshot's site without modules, its line as source text."""
    source = linecache.getline(site.path, site.line).strip()
    return Created(site.function.rpartition(".")[2], source, site.runs.rpartition(".")[2])


def task_sites(caller, *, loop=None):
    """Return the site of each task that ``caller`` creates, in order of discovery.

    Args:
        caller: A function or coroutine function. Where it takes a parameter, it gets a function that reads the sites
            and lets the tasks end; else that happens when it has returned.
        loop: The event loop to run in; a new one of asyncio by default.
    """
    found = []

    async def main():
        _Release.tasks = asyncio.Event()
        before = {each.serial for each in take_snapshot().tasks}

        def scan():
            found.extend(each.site for each in take_snapshot().tasks if each.serial not in before)
            _Release.tasks.set()

        made = caller(*([scan] if inspect.signature(caller).parameters else []))
        if inspect.iscoroutine(made):
            await made
        if not _Release.tasks.is_set():
            # The creating callbacks of the loop need an iteration or two.
            for _ in range(3):
                await asyncio.sleep(0)
            scan()
        for _ in range(3):
            await asyncio.sleep(0)

    if loop is None:
        asyncio.run(main())
    else:
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
    return found


def task_site(caller, *, loop=None):
    """Return the one site of the tasks that ``caller`` creates."""
    (site,) = set(map(short, task_sites(caller, loop=loop)))
    return site


def thread_sites(caller, *, ending=lambda: None):
    """Return the site of each thread that ``caller`` starts; the threads end when they are read.

    Args:
        caller: A function.
        ending: Called when the sites are read, to end threads that do not run ``work``.
    """
    _Release.threads = threading.Event()
    before = {each.serial for each in take_snapshot().threads}
    earlier = set(threading.enumerate())
    try:
        caller()
        later = [each.site for each in take_snapshot().threads if each.serial not in before]
        # The first thread that is recorded starts those of this package.
        return [site for site in later if not site.function.startswith("opentelemetry.")]
    finally:
        _Release.threads.set()
        ending()
        for thread in set(threading.enumerate()) - earlier:
            if not thread.name.startswith("OtelConcurrency"):
                thread.join(5)


def thread_site(caller):
    """Return the one site of the threads that ``caller`` starts."""
    (site,) = set(map(short, thread_sites(caller)))
    return site
