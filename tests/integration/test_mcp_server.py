"""A real leak of a real library: mcp 1.10.1 leaves three tasks of each stateless request in the group of the service.

``MCP_REQUESTS`` is the number of requests, by default 1,000: three thousand tasks are more than the first proof takes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from served import free_port
from services import AGENT_DIR

if sys.version_info[:2] != (3, 11):
    pytest.skip("mcp 1.10.1 is installed on Python 3.11 alone", allow_module_level=True)
pytest.importorskip("mcp")
httpx = pytest.importorskip("httpx")

REQUESTS = int(os.environ.get("MCP_REQUESTS", "1000"))
PROVEN_WITHIN_S = 60

SERVICE = """
import asyncio, contextlib, sys, uvicorn
from mcp.server.fastmcp import FastMCP

server = FastMCP("shop", stateless_http=True, json_response=True, log_level="ERROR")
left = []

@server.tool()
def price(name: str) -> str:
    return "3"

async def main(port):
    app, this_task = server.streamable_http_app(), asyncio.current_task()

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        async with server.session_manager.run():
            yield
            left.extend(asyncio.all_tasks() - {asyncio.current_task(), this_task})

    app.router.lifespan_context = lifespan
    serving = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(serving.serve())
    await asyncio.to_thread(sys.stdin.readline)
    print(len(asyncio.all_tasks()), flush=True)
    serving.should_exit = True
    await task
    print(len(left), sum(each.done() for each in left), flush=True)

asyncio.run(main(int(sys.argv[1])))
"""
SETTINGS = {
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "3s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "1s",
}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPTED = {"accept": "application/json, text/event-stream"}
LEFT_OVER = {"run_stateless_server", "message_router", "_receive_loop"}


def ask(port, times):
    with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
        for _ in range(times):
            answer = client.post(f"http://127.0.0.1:{port}/mcp/", json=LIST_TOOLS, headers=ACCEPTED)
            assert answer.status_code == 200, answer.text


def proven(receiver):
    """Return how many tasks are proven, by what they run."""
    points = [point for point in receiver.points if point.name == "python.asyncio.task.orphan.count"]
    return {
        point.attributes["python.asyncio.task.coroutine"].rpartition(".")[2]: point.value
        for point in points
        if point.attributes.get("python.leak.verdict") == "unwakeable" and point.value
    }


@pytest.mark.timeout(900)
def test_sessions_left_by_requests_are_proven_in_a_minute(tmp_path):
    """All three tasks of a request, over OTLP, with how many were not examined; and none of them ever wakes."""
    port = free_port()
    with OtlpReceiver() as receiver:
        env = {**os.environ, **receiver.environ, **SETTINGS, AGENT_DIR: str(tmp_path)}
        command = [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, "-c", SERVICE, str(port)]
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
            try:
                ask(port, REQUESTS)
                assert receiver.wait_for(lambda: proven(receiver).keys() >= LEFT_OVER, timeout=PROVEN_WITHIN_S)
                assert all(0 < count <= REQUESTS for count in proven(receiver).values())
                ask(port, 100)
                service.stdin.write("end\n")
                service.stdin.flush()
                alive = int(service.stdout.readline())
                left, ended = map(int, service.stdout.readline().split())
            finally:
                service.kill()
    # The requests after the proof woke none of the tasks; the end of the group, which cancels them, ends all.
    assert alive >= 3 * (REQUESTS + 100)
    assert left == ended
