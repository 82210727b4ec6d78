"""The creating line of tasks that asyncio's own functions start: the line that calls them."""

import asyncio

import pytest
from creation_sites import job, task_site

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor


@pytest.fixture(autouse=True)
def instrumented():
    ConcurrencyInstrumentor().instrument(metrics="none", reports="none", scan_interval=3600)
    yield
    ConcurrencyInstrumentor().uninstrument()


async def by_create_task():
    asyncio.create_task(job())


async def by_ensure_future():
    asyncio.ensure_future(job())


async def by_gather():
    asyncio.gather(job(), job())


async def by_loop():
    asyncio.get_running_loop().create_task(job())


@pytest.mark.parametrize("caller", [by_create_task, by_ensure_future, by_gather, by_loop])
def test_site_of_a_task_is_the_line_that_calls_asyncio(caller):
    async def outer():
        await caller()

    assert task_site(outer).function == caller.__name__
