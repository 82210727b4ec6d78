"""Servers started as users start them, with a receiver that tells what each of their workers sent."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from services import clean_environment

SERVERS = Path(__file__).with_name("integration") / "servers"
LEAKED = 25
"""More than ``RESIDENT_LIMIT``: what a worker leaks before it has to be found."""

QUICK = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "100ms",
    "OTEL_METRIC_EXPORT_INTERVAL": "500",
    # With it each export tells the process that made it.
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
}


def script(name):
    """Return the path of a console script beside this Python."""
    return str(Path(sys.executable).with_name(name))


def free_port():
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def line_of_leak(name):
    """Return the number of the line that says it is the leak."""
    lines = (SERVERS / f"{name}.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith("# the leak"))


class Server:
    """A running server.

    Attributes:
        process: Of its master.
        port: Where it listens.
        stderr: The file with what it wrote there.
    """

    def __init__(self, process, port, stderr):
        self.process = process
        self.port = port
        self.stderr = stderr

    def get(self, path):
        """Ask once, on a connection of its own, and return the process that answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=20) as reply:
            return int(reply.read())

    def wait_until_it_serves(self, limit_s=40):
        """Wait for the first answer."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                return self.get("healthy")
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None and time.monotonic() < deadline, self.stderr.read_text()
                time.sleep(0.05)

    def leak_in(self, workers, *, besides=(), limit_s=40):
        """Ask until so many workers have leaked enough each, and return their processes."""
        leaked, deadline = {}, time.monotonic() + limit_s
        while sum(count >= LEAKED for count in leaked.values()) < workers:
            assert time.monotonic() < deadline, (leaked, self.stderr.read_text())
            # A reload closes connections under us.
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                pid = self.get("leak")
                if pid not in besides:
                    leaked[pid] = leaked.get(pid, 0) + 1
        return {pid for pid, count in leaked.items() if count >= LEAKED}

    def end(self, with_signal=signal.SIGTERM):
        """End it as its supervisor does and return its exit status; a hang fails."""
        self.process.send_signal(with_signal)
        return self.process.wait(100)


@contextlib.contextmanager
def serve(directory, command, *, receiver=None, **more):
    """Run a server inside the block, bare without a receiver; ``{port}`` in its command is replaced."""
    port = free_port()
    words = [str(word).replace("{port}", str(port)) for word in command]
    environment = clean_environment(directory / "agents", PYTHONPATH=str(SERVERS), **more)
    if receiver is not None:
        words = [script("opentelemetry-instrument"), *words]
        environment = {**environment, **QUICK, **receiver.environ, **more}
    stderr = directory / f"stderr-{'bare' if receiver is None else 'instrumented'}"
    with stderr.open("w") as file:
        process = subprocess.Popen(
            words, env=environment, cwd=directory, stdout=file, stderr=file, start_new_session=True
        )
        server = Server(process, port, stderr)
        try:
            server.wait_until_it_serves()
            yield server
        finally:
            # Its workers too, whatever became of their master.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def orphans_by_process(receiver, kind):
    """Return the lines at which each process has had orphans: ``{pid: {line, …}}``."""
    found = {}
    for point in receiver.points[:]:
        if point.name == f"python.{kind}.orphan.count" and point.value:
            found.setdefault(point.resource["process.pid"], set()).add(point.attributes.get("code.line.number"))
    return found


def identities(receiver):
    """Return the ``service.instance.id`` that each process has used: ``{pid: {id, …}}``."""
    found = {}
    for point in receiver.points[:]:
        found.setdefault(point.resource["process.pid"], set()).add(point.resource["service.instance.id"])
    return found
