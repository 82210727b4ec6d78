"""Tasks that run a step of an asynchronous generator, or close it, have the generator as what they run."""

import asyncio
import gc

import pytest
from creation_sites import job, short, task_site, task_sites

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor


@pytest.fixture(autouse=True)
def instrumented():
    ConcurrencyInstrumentor().instrument(reports="none", task_age=3600, scan_interval=3600)
    yield
    ConcurrencyInstrumentor().uninstrument()


async def rows():
    try:
        yield 1
        yield 2
    finally:
        await job()


class Cursor:
    async def pages(self):
        try:
            yield 1
            yield 2
        finally:
            await job()


async def begun(generator):
    await generator.__anext__()
    return generator


async def waits_within():
    await job()
    yield 1


def test_abandoned_generators_each_have_a_site_of_their_own():
    """The loop closes them in tasks that no line creates: the generator's first line stands for it."""

    async def caller(scan):
        for generator in (rows(), Cursor().pages()):
            await begun(generator)
        del generator
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        scan()

    found = {short(each) for each in task_sites(caller)}

    assert found == {("rows", "async def rows():", "rows"), ("pages", "async def pages(self):", "pages")}


def test_closing_in_a_task_names_the_line_and_the_generator():
    async def caller():
        generator = await begun(rows())
        asyncio.ensure_future(generator.aclose())

    assert task_site(caller) == ("caller", "asyncio.ensure_future(generator.aclose())", "rows")


@pytest.mark.parametrize("step", ["asend", "__anext__"])
def test_step_in_a_task_names_the_line_and_the_generator(step):
    def caller():
        generator = waits_within()
        asyncio.create_task(getattr(generator, step)(*([None] if step == "asend" else [])))

    assert task_site(caller)[::2] == ("caller", "waits_within")


def test_steps_of_two_generators_at_one_line_run_two():
    async def waits_otherwise():
        await job()
        yield 1

    def caller():
        for generator in (waits_within(), waits_otherwise(), waits_within()):
            asyncio.create_task(generator.__anext__())

    assert [short(each).runs for each in task_sites(caller)] == ["waits_within", "waits_otherwise", "waits_within"]
