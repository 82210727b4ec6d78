"""Real servers, started as users start them: each worker's leak is found, healthy requests none, they end as bare."""

import signal
import sys

import pytest
from otlp_receiver import OtlpReceiver
from served import LEAKED, identities, line_of_leak, orphans_by_process, script, serve

PYTHON = sys.executable
LISTEN = "127.0.0.1:{port}"
UVICORN = [script("uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "leaking_asgi:app"]
GUNICORN = [script("gunicorn"), "--preload", "-w", "2", "-b", LISTEN, "-k"]
DJANGO = [PYTHON, "-m", "leaking_django", "runserver", "--noreload", LISTEN]

SERVERS = {
    # name: what it needs, its command, its program, its workers, what leaks
    "aiohttp": ("aiohttp", [PYTHON, "-m", "leaking_aiohttp", "{port}"], "leaking_aiohttp", 1, "asyncio.task"),
    "uvicorn": ("uvicorn", UVICORN, "leaking_asgi", 1, "asyncio.task"),
    # On a busy machine a worker may answer its supervisor after more than the usual five seconds, which kills it then.
    "uvicorn spawns": (
        "uvicorn",
        [*UVICORN, "--workers", "2", "--timeout-worker-healthcheck", "120"],
        "leaking_asgi",
        2,
        "asyncio.task",
    ),
    "hypercorn spawns": (
        "hypercorn",
        [script("hypercorn"), "-w", "2", "-b", LISTEN, "leaking_asgi:app"],
        "leaking_asgi",
        2,
        "asyncio.task",
    ),
    "gunicorn forks": (
        "uvicorn_worker",
        [*GUNICORN, "uvicorn_worker.UvicornWorker", "leaking_asgi:app"],
        "leaking_asgi",
        2,
        "asyncio.task",
    ),
    "flask": (
        "flask",
        [script("flask"), "--app", "leaking_flask", "run", "--port", "{port}"],
        "leaking_flask",
        1,
        "thread",
    ),
    "django": ("django", DJANGO, "leaking_django", 1, "thread"),
}


def bare_status(directory, command):
    """Return the exit status of the same server without us."""
    with serve(directory, command) as server:
        return server.end()


@pytest.mark.parametrize("name", SERVERS)
def test_leak_is_found_in_each_worker_at_its_line(tmp_path, name):
    """Healthy requests come first and among the leaks: no other line ever has an orphan."""
    needs, command, program, workers, kind = SERVERS[name]
    pytest.importorskip(needs)
    line = line_of_leak(program)
    with OtlpReceiver() as receiver, serve(tmp_path, command, receiver=receiver) as server:
        for _ in range(LEAKED * 2):
            server.get("healthy")
        processes = server.leak_in(workers)
        assert receiver.wait_for(
            lambda: processes <= {pid for pid, lines in orphans_by_process(receiver, kind).items() if line in lines}
        ), server.stderr.read_text()
        assert receiver.wait_for(lambda: receiver.reports(f"python.{kind}.orphaned"))
        status = server.end()
    assert status == bare_status(tmp_path, command)
    assert {line} == set().union(*orphans_by_process(receiver, kind).values())
    for report in receiver.reports(f"python.{kind}.orphaned"):
        [(_, attributes)] = report.events
        assert attributes["code.line.number"] == line
        assert attributes["code.file.path"].endswith(f"{program}.py")
    used = [identities(receiver)[pid] for pid in processes]
    assert all(len(each) == 1 for each in used), used
    assert len(set().union(*used)) == workers
    assert "opentelemetry/instrumentation/concurrency" not in server.stderr.read_text()


def test_gunicorn_reload_workers_are_seen_like_the_old_ones(tmp_path):
    """After SIGHUP the leak is found again, in other processes with other identities; nothing hangs."""
    pytest.importorskip("uvicorn_worker")
    _, command, program, workers, kind = SERVERS["gunicorn forks"]
    with OtlpReceiver() as receiver, serve(tmp_path, command, receiver=receiver) as server:
        old = server.leak_in(workers)
        server.process.send_signal(signal.SIGHUP)
        new = server.leak_in(workers, besides=old)
        assert receiver.wait_for(lambda: new <= orphans_by_process(receiver, kind).keys()), server.stderr.read_text()
        assert server.end() == 0
    used = [identities(receiver)[pid] for pid in (*old, *new) if pid in identities(receiver)]
    assert len(set().union(*used)) == len(used) >= workers
    assert set().union(*orphans_by_process(receiver, kind).values()) == {line_of_leak(program)}


@pytest.mark.parametrize(("attributes", "warnings"), [("service.instance.id=one,team=shop", 1), ("team=shop", 0)])
def test_identity_that_spawned_workers_share_is_one_warning(tmp_path, attributes, warnings):
    """Backends would mix their series up; one of the workers says so, and names the variable."""
    pytest.importorskip("uvicorn")
    _, command, *_ = SERVERS["uvicorn spawns"]
    with OtlpReceiver() as receiver:
        with serve(tmp_path, command, receiver=receiver, OTEL_RESOURCE_ATTRIBUTES=attributes) as server:
            processes = server.leak_in(2)
            assert receiver.wait_for(lambda: processes <= orphans_by_process(receiver, "asyncio.task").keys())
            server.end()
            said = [line for line in server.stderr.read_text().splitlines() if "service.instance.id" in line]
    assert len(said) == warnings, said
    assert all("OTEL_RESOURCE_ATTRIBUTES" in line for line in said)
