"""A leaking service with the debug endpoint open, and requests to it."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SERVICE = """
import asyncio, threading
held = set()
async def wait_for_ever():
    await asyncio.get_running_loop().create_future()
async def handle(number):
    held.add(asyncio.create_task(wait_for_ever(), name=f"left by {number}"))
async def follow(tasks, number):
    await tasks[(number + 1) % 3]
async def main():
    tasks = {}
    for number in range(3):
        tasks[number] = asyncio.create_task(follow(tasks, number), name=f"in circle {number}")
    tasks[0].set_name("<script>document.title='owned'</script><img src=x onerror=alert(1)>in circle 0")
    for number in range(40):
        await asyncio.create_task(handle(number))
    threading.Thread(target=threading.Event().wait, name="left", daemon=True).start()
    print("READY", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
FAST = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "100ms",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def service(source=SERVICE, **settings):
    """Run a service under ``opentelemetry-instrument`` until the end of the block; gives the process."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    options = {f"OTEL_PYTHON_CONCURRENCY_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-c", source],
        env={**clean, **FAST, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "READY\n", process.stderr.read()
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def get(url, *, method="GET", context=None, **headers):
    """Return status, headers and body of a request, whatever the status."""
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


def wait_for(found, limit_s=20.0):
    """Ask until ``found()`` is true."""
    deadline = time.monotonic() + limit_s
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


WORDS = [*b"GET HEAD /debug/pprof/task ?debug= &seconds= .. %00 HTTP/1.1 Host:x \xff".split(), b"\r\n", b" "]
PATHS = (b"/debug/pprof/task", b"/debug/pprof/", b"/debug/concurrency/", b"/debug/concurrency/snapshot.json", b"/")
QUERIES = (
    b"?",
    b"debug=",
    b"seconds=",
    b"&",
    b"=",
    b"1",
    b"-9",
    b"99999999999",
    b"%",
    b"%ff",
    b"\xff",
    b"limit=",
    b"x",
)


def garbage(dice: random.Random) -> bytes:
    """Return what nobody should send: half requests, endless headers, wild queries, random bytes."""
    if dice.random() < 0.5:
        pieces = (dice.choice(WORDS) if dice.random() < 0.8 else dice.randbytes(dice.randrange(20)) for _ in range(12))
        return b"".join(pieces) + (b"\r\n\r\n" if dice.random() < 0.7 else b"")
    query = b"".join(dice.choice(QUERIES) for _ in range(dice.randrange(8)))
    path = dice.choice(PATHS) + dice.choice((b"", b"", b"/..", b"//x", b"%2e")) + query
    method = dice.choice((b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE", b"get", b"X" * 50))
    header = dice.choice(
        (b"", b"A: b\r\n", b"Authorization: Basic %%%\r\n", b"Content-Length: 99\r\n", b"no colon\r\n")
    )
    return method + b" " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header * dice.randrange(4) + b"\r\n"


def throw(base, sent):
    """Send bytes to the endpoint on a connection of its own and return what came back until it was closed."""
    host, port = base.removeprefix("http://").removesuffix("/debug").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), 5) as client, contextlib.suppress(OSError):
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(5)
        while piece := client.recv(65536):
            answer += piece
    return answer
