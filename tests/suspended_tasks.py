"""Suspended tasks of every shape, to look at."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import types

from opentelemetry.instrumentation.concurrency.diagnose.introspection.await_chain import walk_await_chain
from opentelemetry.instrumentation.concurrency.diagnose.introspection.wait_reason import wait_reason


@contextlib.asynccontextmanager
async def suspended(coro, scans=6):
    """Start ``coro`` as a task, let it reach its await, and cancel it afterwards."""
    task = asyncio.create_task(coro)
    for _ in range(scans):
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def application(awaitable):
    """Stand for a frame of the application around the wait."""
    return await awaitable


def reason_of(task):
    return wait_reason(task, walk_await_chain(task.get_coro()))


async def reason(awaitable, scans=6):
    async with suspended(application(awaitable), scans) as task:
        return reason_of(task)


def future():
    return asyncio.get_running_loop().create_future()


def names(chain):
    return [frame.code.co_name for frame in chain.frames]


async def middle(awaitable):
    return await awaitable


async def outer(awaitable):
    return await middle(awaitable)


async def inner_agen(awaitable):
    await awaitable
    yield 1


async def middle_agen(awaitable):
    async for item in inner_agen(awaitable):
        yield item


async def outer_agen(awaitable):
    async for item in middle_agen(awaitable):
        yield item


@types.coroutine
def pause():
    yield


async def ticks(awaitable):
    yield await awaitable


def abandon(*tasks):
    """Get rid of tasks that wait for each other: cancelling them would recurse without end."""
    for task in tasks:
        task._log_destroy_pending = False
        task.get_coro().close()


@contextlib.contextmanager
def socket_pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    try:
        yield left, right
    finally:
        left.close()
        right.close()
