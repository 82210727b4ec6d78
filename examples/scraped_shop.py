"""The shop under traffic, scraped or pushing its metrics, as a context manager."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

SETTINGS = {
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_CONCURRENCY_REPORTS": "none",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "200ms",
}


@contextlib.contextmanager
def scraped_shop(path_at: Callable[[float], str], stop: threading.Event, **settings: str) -> Iterator[str]:
    """Run the shop with five requests per second; yields the address to scrape.

    Args:
        path_at: Returns the path to request, given the seconds since the start.
        stop: Ends the traffic; set at the end of the block.
        settings: Variables of its environment, in place of those for the SDK's Prometheus exporter.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, "-m", "shop.service"],
        cwd=Path(__file__).parent,
        env={**clean, **SETTINGS, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port), **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    service = f"http://127.0.0.1:{process.stdout.readline().split()[1]}"
    began = time.monotonic()

    def ask() -> None:
        while not stop.wait(0.2):
            with urllib.request.urlopen(f"{service}{path_at(time.monotonic() - began)}", timeout=10) as answer:
                answer.read()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        urllib.request.urlopen(f"{service}/report", timeout=10).close()
        yield f"127.0.0.1:{port}"
    finally:
        stop.set()
        asking.join()
        process.terminate()
        process.communicate(timeout=20)
