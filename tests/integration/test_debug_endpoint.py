"""The debug endpoint of a real process: paths, headers and refusals as Go's, and the same mounted in applications."""

import base64
import gzip
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from debug_endpoint import SERVICE, free_port, garbage, get, service, throw, wait_for

from opentelemetry.instrumentation.concurrency.snapshot.as_json import snapshot_schema

pytestmark = pytest.mark.every_python


@pytest.fixture(scope="module")
def base():
    port = free_port()
    with service(debug_address=f"127.0.0.1:{port}"):
        url = f"http://127.0.0.1:{port}/debug"
        wait_for(lambda: json.loads(get(f"{url}/concurrency/overview.json")[2])["totals"]["unwakeable"] == 43)
        yield url


def test_index_names_the_profiles_with_their_counts(base):
    status, headers, body = get(f"{base}/pprof/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'>44</td><td><a href="task?debug=1">task</a>' in body
    assert b'>43</td><td><a href="taskleak?debug=1">taskleak</a>' in body


@pytest.mark.parametrize("path", ["pprof/", "pprof/task?debug=1", "concurrency/", "concurrency/page.js", "pprof/none"])
def test_answers_are_neither_sniffed_nor_cached_nor_framed(base, path):
    _, headers, _ = get(f"{base}/{path}")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "content_type", "begins"),
    [
        ("pprof/task?debug=1", "text/plain; charset=utf-8", b"task profile: total 44\n40 @ 0x"),
        ("pprof/task?debug=2", "text/plain; charset=utf-8", b"task "),
        ("pprof/taskleak?debug=1", "text/plain; charset=utf-8", b"taskleak profile: total 43\n"),
        ("pprof/thread?debug=1", "text/plain; charset=utf-8", b"thread profile: total "),
        ("pprof/task", "application/octet-stream", b"\x1f\x8b"),
        ("pprof/task?seconds=1", "application/octet-stream", b"\x1f\x8b"),
        ("concurrency/snapshot.json", "application/json; charset=utf-8", b'{\n "schema_version":'),
        ("concurrency/overview.json", "application/json; charset=utf-8", b'{"overview_version":'),
    ],
)
def test_profile_comes_in_every_form(base, path, content_type, begins):
    status, headers, body = get(f"{base}/{path}")
    assert (status, headers["Content-Type"]) == (200, content_type)
    assert body.startswith(begins), body[:200]
    if begins == b"\x1f\x8b":
        assert b"wait_for_ever" in gzip.decompress(body) or "seconds" in path
        assert headers["Content-Disposition"].startswith('attachment; filename="task')


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("pprof/goroutine", 404, b"Unknown profile\n"),
        ("pprof/task?seconds=0", 400, b'invalid value for "seconds" - must be a positive integer\n'),
        ("pprof/task?seconds=x", 400, b'invalid value for "seconds" - must be a positive integer\n'),
        ("pprof/task?seconds=1&debug=1", 400, b"seconds and debug params are incompatible\n"),
        ("pprof/taskleak?seconds=1", 400, b'"seconds" parameter is not supported for this profile type\n'),
        ("pprof/task?seconds=9999", 400, b"profile duration exceeds the limit of 300 seconds\n"),
        ("concurrency/snapshot.json?kind=goroutine", 400, b"wrong value for kind"),
        ("concurrency/snapshot.json?around=one", 400, b"wrong value for around"),
        ("concurrency/../../etc/passwd", 404, b"404"),
        ("concurrency/nothing.js", 404, b"404"),
        ("", 404, b"404"),
    ],
)
def test_wrong_requests_are_refused_as_go_refuses_them(base, path, status, text):
    answered, headers, body = get(f"{base}/{path}")
    assert (answered, body[: len(text)]) == (status, text)
    if path.startswith("pprof/"):
        assert headers["X-Go-Pprof"] == "1"


def test_other_methods_are_refused_and_head_has_no_body(base):
    status, headers, _ = get(f"{base}/pprof/task?debug=1", method="POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    assert get(f"{base}/pprof/task?debug=1", method="HEAD")[::2] == (200, b"")


def test_foreign_host_name_is_refused():
    """Against DNS rebinding: a page elsewhere may let its name point here, but not change the Host header."""
    port = free_port()
    with service(debug_address=f"127.0.0.1:{port}"):
        assert get(f"http://127.0.0.1:{port}/debug/pprof/", Host="evil.example")[0] == 421


def test_snapshot_and_selections_follow_the_schema(base):
    schema = snapshot_schema()
    whole = json.loads(get(f"{base}/concurrency/snapshot.json")[2])
    jsonschema.validate(whole, schema)
    circle = next(task for task in whole["tasks"] if task["name"].endswith("in circle 0"))
    around = json.loads(get(f"{base}/concurrency/snapshot.json?kind=task&around={circle['serial']}")[2])
    jsonschema.validate(around, schema)
    assert {task["name"][-11:] for task in around["tasks"]} == {f"in circle {number}" for number in range(3)}
    site = whole["sites"][next(task for task in whole["tasks"] if task["name"] == "left by 0")["site"]]
    query = f"kind=task&function={site['function']}&line={site['line']}&limit=5"
    assert len(json.loads(get(f"{base}/concurrency/snapshot.json?{query}")[2])["tasks"]) == 5


def test_overview_has_the_data_of_the_page(base):
    found = json.loads(get(f"{base}/concurrency/overview.json")[2])
    assert found["process"]["service_name"] == "shop"
    assert found["totals"]["tasks"] == 44 and found["totals"]["unwakeable"] == 43
    row = next(row for row in found["sites"] if row["function"] == "__main__.handle")
    assert (row["live"], row["created"], row["unwakeable"]) == (40, 40, 40)
    group = next(group for group in found["groups"] if found["sites"][group["site"]] == row)
    assert found["frames"][found["stacks"][group["stack"]][-1]][0] == "__main__.wait_for_ever"
    assert found["left_out"] == {"sites": 0, "groups": 0, "executors": 0, "generators_left": 0}


def test_many_clients_get_an_answer_or_a_refusal(base):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: get(f"{base}/pprof/task?debug=1")[0], range(16)))
    assert answers == [200] * 16


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_go_reads_the_profile_from_the_address(base):
    done = subprocess.run(
        ["go", "tool", "pprof", "-top", f"{base}/pprof/task"], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "wait_for_ever" in done.stdout


def test_garbage_leaves_the_endpoint_up(base):
    """Random bytes, half requests, endless headers, wild queries: each ends, and the next honest one is answered."""
    dice = random.Random(5)
    for _ in range(2_000):
        throw(base, garbage(dice))
    assert get(f"{base}/pprof/task?debug=1")[0] == 200
    counts = json.loads(get(f"{base}/concurrency/overview.json")[2])["totals"]
    assert counts["tasks"] == 44


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"<script> x\r\n\r\n", b"400"),
        (b"GET /debug/pprof/ HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"a" * 70_000, b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_malformed_request_is_refused_in_plain_text(base, sent, status):
    head, _, body = throw(base, sent).partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert b"text/plain" in head and b"nosniff" in head and body.endswith(b".\n")


def test_token_lets_in_and_nothing_else_does():
    port = free_port()
    with service(debug_address=f"127.0.0.1:{port}", debug_token="s3cret"):
        url = f"http://127.0.0.1:{port}/debug/pprof/"
        status, headers, _ = get(url)
        assert status == 401 and headers["WWW-Authenticate"].startswith("Basic")
        basic = base64.b64encode(b"anybody:s3cret").decode()
        assert get(url, Authorization="Bearer s3cret")[0] == 200
        assert get(url, Authorization=f"Basic {basic}")[0] == 200
        assert get(url, Authorization="Bearer s3cre")[0] == 401
        assert get(f"{url}?token=s3cret")[0] == 401


def test_public_address_without_token_and_tls_stays_closed():
    with service(debug_address="0.0.0.0:0") as process:
        process.terminate()
        assert "stays closed" in process.communicate(timeout=10)[1]


def test_tls_is_spoken_where_a_certificate_is_given(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    with service(
        debug_address=f"127.0.0.1:{port}",
        debug_token="s3cret",
        debug_tls_cert=str(certificate),
        debug_tls_key=str(key),
    ):
        trusted = ssl.create_default_context(cafile=certificate)
        url = f"https://127.0.0.1:{port}/debug/pprof/"
        assert get(url, context=trusted, Authorization="Bearer s3cret")[0] == 200


def serves(port, found):
    """Return what the overview at a port says, if that is a debug endpoint and ``found`` holds of it."""
    try:
        said = json.loads(get(f"http://127.0.0.1:{port}/debug/concurrency/overview.json")[2])
    except (OSError, ValueError):
        return None
    return said if found(said) else None


def test_taken_port_leads_to_one_of_the_next():
    port = free_port()
    with service(debug_address=f"127.0.0.1:{port}"), service(debug_address=f"127.0.0.1:{port}") as second:

        def is_second(said):
            return said["process"]["process_id"] == second.pid

        wait_for(lambda: any(serves(each, is_second) for each in range(port + 1, port + 17)))


def test_forked_child_serves_its_own_tasks():
    port = free_port()
    source = """
import asyncio, os, sys
held = set()
async def main(number):
    for _ in range(number):
        held.add(asyncio.create_task(asyncio.Event().wait()))
    if number == 5: print("READY", child, sep="\\n", flush=True)
    await asyncio.Event().wait()
child = os.fork()
if child == 0:
    asyncio.run(main(2))
else:
    asyncio.run(main(5))
"""
    with service(source, debug_address=f"127.0.0.1:{port}") as process:
        child = int(process.stdout.readline())
        tasks = {process.pid: 6, child: 3}
        try:
            for pid, count in tasks.items():

                def is_that(said, pid=pid, count=count):
                    return said["process"]["process_id"] == pid and said["totals"]["tasks"] == count

                wait_for(lambda is_that=is_that: any(serves(each, is_that) for each in range(port, port + 17)))
        finally:
            os.kill(child, signal.SIGTERM)


EXAMPLES = str(Path(__file__).parents[2] / "examples")
RUN = {
    "aiohttp": """
import asyncio
async def main():
    runner = web.AppRunner(make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("READY", flush=True)
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
""",
    "asgi": """
import asyncio, uvicorn
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
async def main():
    serving = asyncio.create_task(server.serve())
    while not server.started: await asyncio.sleep(0.01)
    print("READY", flush=True)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving
asyncio.run(main())
""",
    "wsgi": """
from wsgiref.simple_server import make_server
server = make_server("127.0.0.1", 0, app)
print("READY", flush=True)
print(server.server_port, flush=True)
server.serve_forever()
""",
}


@pytest.mark.parametrize("name", ["aiohttp", "django", "fastapi", "flask", "starlette"])
def test_pages_can_be_mounted(name):
    """The same paths and answers below the place where they are mounted; the token is asked for there, too."""
    pytest.importorskip(name)
    kind = {"flask": "wsgi", "django": "wsgi", "aiohttp": "aiohttp"}.get(name, "asgi")
    source = f"import sys; sys.path.insert(0, {EXAMPLES!r}); from mounting.{name}_app import *\n{RUN[kind]}"
    with service(source, debug_token="s3cret") as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/ops/debug"
        assert get(f"{url}/pprof/")[0] == 401
        status, headers, body = get(f"{url}/pprof/thread?debug=1", Authorization="Bearer s3cret")
        assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff")
        assert body.startswith(b"thread profile: total ")
        assert get(f"{url}/concurrency/", Authorization="Bearer s3cret")[0] == 200
        assert get(f"{url}/pprof/none", Authorization="Bearer s3cret")[0] == 404
        assert get(f"{url}/pprof/task", method="HEAD", Authorization="Bearer s3cret")[::2] == (200, b"")


def test_endpoint_is_closed_unless_asked_for():
    with service(SERVICE) as process:
        ports = Path(f"/proc/{process.pid}/net/tcp")
        if sys.platform != "linux" or not ports.exists():
            pytest.skip("needs /proc")
        inodes = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
        listening = {
            f"socket:[{row.split()[9]}]" for row in ports.read_text().splitlines()[1:] if row.split()[3] == "0A"
        }
        assert not inodes & listening
