"""``demo``: runs a leaking service and shows the output of ps, stats, stack and leaks for it."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from .failures import FINE, CommandError
from .sources import process_of
from .terminal import emit

NAME: Final = "demo"
HELP: Final = "start a leaking service and show the output of ps, stats, stack and leaks for it"
EXAMPLES: Final = "otel-concurrency demo\notel-concurrency demo --keep"

_START: Final = """import asyncio, sys
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
ConcurrencyInstrumentor().instrument(task_age=1.0, scan_interval=0.2, reports="none")
import shop
asyncio.run(shop.main(int(sys.argv[1])))
"""
_VERDICT_LIMIT_S: Final = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--requests", type=int, default=1000, metavar="N", help="requests, one leaked task each (default 1000)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the service running until Ctrl-C")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    requests = max(1, arguments.requests)
    with _service(requests) as process_id:
        _wait_for_verdicts(process_id, requests)
        for command in ("ps --agents", f"stats {process_id}", f"stack {process_id}", f"leaks {process_id}"):
            _show(command)
        if arguments.keep:
            emit(["\n", f"The service runs as process {process_id}. Ctrl-C ends it.\n"])
            signal.pause()
    return FINE


@contextlib.contextmanager
def _service(requests: int) -> Iterator[int]:
    """Run the service inside the block.

    Raises:
        CommandError: If it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="otel-concurrency-demo-") as directory:
        source = files(__package__).joinpath("demo_service.py").read_text("utf-8")
        Path(directory, "shop.py").write_text(source, "utf-8")
        start = Path(directory, "service.py")
        start.write_text(_START, "utf-8")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([directory, *filter(None, sys.path)])}
        service = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, str(start), str(requests)], env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            line = service.stdout.readline() if service.stdout is not None else ""
            if line.strip() != "ready":
                message = "The demo service did not start; its output above gives the reason."
                raise CommandError(message)
            yield service.pid
        finally:
            service.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.wait(5)
            service.kill()
            service.wait()


def _wait_for_verdicts(process_id: int, count: int) -> None:
    """Wait until that many tasks are proven, or until the limit."""
    from .connection import ask

    deadline = time.monotonic() + _VERDICT_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(CommandError):
            facts = ask(process_of(process_id), "hello").facts
            if facts["unwakeable"] >= count:
                return
        time.sleep(0.1)


def _show(command: str) -> None:
    from .main import main

    emit(["\n", f"$ otel-concurrency {command}\n"])
    main(shlex.split(command))
