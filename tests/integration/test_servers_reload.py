"""Servers of a developer's desk: they start anew when a file changes, and end with Ctrl-C."""

import os
import shutil
import signal
import sys
import time

import pytest
from otlp_receiver import OtlpReceiver
from served import SERVERS, identities, line_of_leak, orphans_by_process, script, serve

UVICORN = [script("uvicorn"), "--host", "127.0.0.1", "--port", "{port}", "leaking_asgi:app"]
RELOADING = {
    # name: its command, its program, what leaks
    "uvicorn": ([*UVICORN, "--reload", "--reload-dir", "."], "leaking_asgi", "asyncio.task"),
    "django": ([sys.executable, "-m", "leaking_django", "runserver", "127.0.0.1:{port}"], "leaking_django", "thread"),
}


def change(file, server, old, limit_s=60):
    """Change a file until another process answers; reloaders look at whole seconds."""
    deadline = time.monotonic() + limit_s
    while (new := server.wait_until_it_serves()) == old:
        assert time.monotonic() < deadline, server.stderr.read_text()
        file.write_text(file.read_text() + "\n")
        time.sleep(1)
    return new


def ctrl_c(server):
    """Interrupt all of its processes, as a terminal does, and return its exit status; a hang fails."""
    os.killpg(server.process.pid, signal.SIGINT)
    return server.process.wait(30)


@pytest.mark.parametrize("name", RELOADING)
def test_leak_is_found_again_after_the_server_reloaded(tmp_path, name):
    """In the new process, at the same line, under another identity; nothing hangs, and it ends as bare."""
    command, program, kind = RELOADING[name]
    pytest.importorskip(name)
    shutil.copy(SERVERS / f"{program}.py", tmp_path)
    with serve(tmp_path, command) as server:
        bare = ctrl_c(server)
    with OtlpReceiver() as receiver, serve(tmp_path, command, receiver=receiver) as server:
        [old] = server.leak_in(1)
        assert receiver.wait_for(lambda: old in orphans_by_process(receiver, kind)), server.stderr.read_text()
        new = change(tmp_path / f"{program}.py", server, old)
        assert server.leak_in(1, besides={old}) == {new}
        assert receiver.wait_for(lambda: new in orphans_by_process(receiver, kind)), server.stderr.read_text()
        assert ctrl_c(server) == bare
    assert set().union(*orphans_by_process(receiver, kind).values()) == {line_of_leak(program)}
    assert len(identities(receiver)[old] | identities(receiver)[new]) == 2
    assert "opentelemetry/instrumentation/concurrency" not in server.stderr.read_text()


ENDED_BY_HAND = {
    # name: what it needs, its command, what leaks
    "aiohttp": ("aiohttp", [sys.executable, "-m", "leaking_aiohttp", "{port}"], "asyncio.task"),
    "uvicorn": ("uvicorn", UVICORN, "asyncio.task"),
    "hypercorn": ("hypercorn", [script("hypercorn"), "-b", "127.0.0.1:{port}", "leaking_asgi:app"], "asyncio.task"),
    "gunicorn": (
        "uvicorn_worker",
        [script("gunicorn"), "-b", "127.0.0.1:{port}", "-k", "uvicorn_worker.UvicornWorker", "leaking_asgi:app"],
        "asyncio.task",
    ),
    "flask": ("flask", [script("flask"), "--app", "leaking_flask", "run", "--port", "{port}"], "thread"),
}


@pytest.mark.parametrize("name", ENDED_BY_HAND)
def test_server_that_leaks_ends_with_ctrl_c_as_bare(tmp_path, name):
    """The same exit status, within seconds, with the leak still there."""
    needs, command, kind = ENDED_BY_HAND[name]
    pytest.importorskip(needs)
    with serve(tmp_path, command) as server:
        server.leak_in(1)
        bare = ctrl_c(server)
    with OtlpReceiver() as receiver, serve(tmp_path, command, receiver=receiver) as server:
        [process] = server.leak_in(1)
        assert receiver.wait_for(lambda: process in orphans_by_process(receiver, kind)), server.stderr.read_text()
        assert ctrl_c(server) == bare
    assert "opentelemetry/instrumentation/concurrency" not in server.stderr.read_text()
