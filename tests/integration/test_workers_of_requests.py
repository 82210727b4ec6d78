"""A worker that the first request of a real FastAPI service starts keeps that request's span; its twin does not."""

import json
import sys

import pytest
from services import service

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="create_task takes no context")

SERVICE = """
import asyncio, contextvars, httpx
from fastapi import FastAPI

app = FastAPI()
workers, queues = [], []

async def drain(orders):
    while True:
        await orders.get()

async def drain_in_an_empty_context(orders):
    while True:
        await orders.get()

@app.get("/orders")
async def orders():
    if not workers:
        queues.extend([asyncio.Queue(), asyncio.Queue()])
        workers.append(asyncio.create_task(drain(queues[0])))
        twin = drain_in_an_empty_context(queues[1])
        workers.append(asyncio.create_task(twin, context=contextvars.Context()))
    return "ok"

async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        for _ in range(3):
            # A task per request, as a server has.
            await asyncio.create_task(client.get("/orders"))
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_worker_of_a_request_is_listed_and_its_twin_is_not(tmp_path):
    """The list is no verdict: the exit code stays 0."""
    with service(tmp_path, SERVICE, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="asyncio") as shop:
        shop.wait_until(lambda facts: facts["uptime_s"] > 3)
        done = shop.command("leaks", shop.pid, "--json")
        text = shop.command("leaks", shop.pid).stdout
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)
    (found,) = facts["stale_spans"]
    assert (found["runs"], found["count"], found["span"]) == ("__main__.drain", 1, "GET /orders")
    assert "1 task with the span of an ended request: created by __main__.orders" in text
