"""Ways in which applications start tasks through functions and objects of their own, each a spawner or not."""

import asyncio
import contextlib
import functools

from creation_sites import job

background = set()


def keep(coro):
    """Start a task as asyncio's documentation advises."""
    task = asyncio.create_task(coro)
    background.add(task)
    task.add_done_callback(background.discard)
    return task


def keep_logged(coro):
    """Start an inner coroutine that awaits what came in."""

    async def wrapper():
        with contextlib.suppress(ValueError):
            await coro

    return asyncio.create_task(wrapper())


async def guarded(coro):
    with contextlib.suppress(ValueError):
        return await coro


def keep_guarded(coro):
    return asyncio.create_task(guarded(coro))


def call_in_background(function, *args, **kwargs):
    return asyncio.create_task(function(*args, **kwargs))


def in_background(function):
    @functools.wraps(function)
    def start(*args):
        return asyncio.create_task(function(*args))

    return start


def in_guarded_background(function):
    @functools.wraps(function)
    def start(*args):
        return asyncio.create_task(guarded(function(*args)))

    return start


@in_background
async def refresh():
    await job()


@in_guarded_background
async def refresh_guarded():
    await job()


class Job:
    """Holds a coroutine until it is started."""

    def __init__(self, coro):
        self.coro = coro

    def start(self):
        return asyncio.create_task(self.coro)

    def start_wrapped(self):
        return asyncio.create_task(self._run())

    async def _run(self):
        await self.coro


class SlottedJob:
    __slots__ = ("coro",)

    def __init__(self, coro):
        self.coro = coro


class Queued:
    """Keeps coroutines in a list between the method that takes them and the one that starts them."""

    def __init__(self):
        self.pending = []

    def add(self, coro):
        self.pending.append(coro)
        self.kick()

    def kick(self):
        asyncio.create_task(self.pending.pop())


class Worker:
    """Starts methods of its own."""

    def start(self):
        self.task = asyncio.create_task(self.run())

    async def run(self):
        await job()


class HoldingWorker:
    """Starts a method that has nothing to do with the coroutine that it holds."""

    def __init__(self, coro):
        self.coro = coro

    def start(self):
        self.task = asyncio.create_task(self.run())

    async def run(self):
        await job()


def launch(spec):
    return asyncio.create_task(spec.coro)


def starter_of(coro):
    def start():
        return asyncio.create_task(coro)

    return start


def keep_all(coros):
    return [asyncio.create_task(coro) for coro in coros]


def gather_all(*coros):
    return asyncio.gather(*coros)


def keep_checked(awaitable):
    awaitable = guarded(awaitable)
    return asyncio.create_task(awaitable)


def keep_below(coro):
    return keep(coro)


async def keep_later(coro):
    await asyncio.sleep(0)
    return keep(coro)


def recursing(depth, coro):
    return recursing(depth - 1, coro) if depth else asyncio.create_task(coro)


async def poll(_number, _callback):
    await job()


def watch(number, on_done):
    return asyncio.create_task(poll(number, on_done))


def handle(item):
    return asyncio.create_task(job(item))


class Nursery:
    """Wraps a task group, whose tasks its methods start."""

    def __init__(self, group):
        self.group = group

    def start(self, coro):
        self.group.create_task(coro)

    def start_soon(self, function, *args):
        self.group.start_soon(function, *args)


class TracingLoop(asyncio.SelectorEventLoop):
    """Overrides what every task comes through, as some frameworks' loops do."""

    def create_task(self, coro, **kwargs):
        return super().create_task(coro, **kwargs)
