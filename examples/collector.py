"""A real Collector process on loopback, with a file of ``collector-config``."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "collector-config"


def binary() -> Path:
    """Return the Collector that ``make collector`` built.

    Raises:
        FileNotFoundError: If it is not there.
    """
    found = Path(os.environ.get("OTELCOL") or ROOT / "build" / "otelcol")
    if not found.exists():
        raise FileNotFoundError(f"No Collector at {found}: run `make collector` first, or set OTELCOL to one.")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Collector:
    """A Collector.

    Args:
        config: Name of the file in ``collector-config``, or an absolute path.
        log: Where its own output goes.
        environ: The variables that the file names.
    """

    def __init__(self, config: str, log: Path, **environ: str) -> None:
        # Several on one machine: none of them opens the port of its own metrics.
        options = ["--config", str(CONFIGS / config), "--set", "service::telemetry::metrics::level=none"]
        self._command = [str(binary()), *options]
        self._environ = {**os.environ, **environ}
        self._log = log
        self._process: subprocess.Popen | None = None

    def start(self, port: int) -> None:
        """Start it and wait until it listens on a port."""
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
        """Its process, which must have been started."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a failing machine would."""
        self._send(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)
