"""A Collector process on loopback, configured with a file of ``collector-config``."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "collector-config"


def binary() -> Path:
    """Return the path of the Collector that ``make collector`` builds.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    found = Path(os.environ.get("OTELCOL") or ROOT / "build" / "otelcol")
    if not found.exists():
        raise FileNotFoundError(f"No Collector at {found}: run `make collector` first, or set OTELCOL to its path.")
    return found


def free_port() -> int:
    """Return a free port below those that Linux gives to clients.

    A client that dials a closed port of its own range may get that port for itself, and so connect to itself.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Collector:
    """A Collector process.

    Args:
        config: Name of the file in ``collector-config``, or an absolute path.
        log: File for its output.
        environ: Variables that the configuration uses.
    """

    def __init__(self, config: str, log: Path, **environ: str) -> None:
        # Several run on one machine, so none may open the port for its own metrics.
        options = ["--config", str(CONFIGS / config), "--set", "service::telemetry::metrics::level=none"]
        self._command = [str(binary()), *options]
        self._environ = {**os.environ, **environ}
        self._log = log
        self._process: subprocess.Popen | None = None

    def start(self, port: int) -> None:
        """Start the process and wait until it listens on a port."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, env=self._environ, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The Collector did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The process number; the process must have been started."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill the process, as a failing machine would."""
        self._send(signal.SIGKILL)

    def stop(self) -> None:
        """Terminate the process gracefully."""
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)
