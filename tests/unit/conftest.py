"""Fixtures that more than one module of unit tests needs."""

import asyncio

import pytest


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine function to its end on a loop of each kind."""
    uvloop = pytest.importorskip("uvloop") if request.param == "uvloop" else None
    loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # On ≤ 3.11 subprocesses are waited for by a watcher that must know the loop.
    yield lambda main: loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)
