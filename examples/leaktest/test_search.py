"""A handler that leaves a task behind, and a test that only a leak test can fail: ``pytest --leaks=error``."""

import asyncio


async def ask(engine, results):
    await asyncio.sleep(0)
    await results.put(f"result of {engine}")


async def query():
    results = asyncio.Queue(maxsize=1)
    for engine in ("web", "image", "video", "news"):
        asyncio.create_task(ask(engine, results), name=engine)
    return [await results.get(), await results.get()]


async def handler():
    return await query()


def test_handler():
    assert len(asyncio.run(handler())) == 2
