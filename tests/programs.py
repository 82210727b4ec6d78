"""Runs small programs in a subprocess, as users run them: under ``opentelemetry-instrument``."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LEAKING = """
import asyncio, sys
held = set()
async def wait(): await asyncio.get_running_loop().create_future()
async def leak():
    for _ in range(40):
        held.add(asyncio.create_task(wait()))
async def main():
    await asyncio.create_task(leak())
    await asyncio.sleep(SECONDS)
    print(await asyncio.to_thread(int, "42"))
    return 6
sys.exit(asyncio.run(main()))
"""
"""Leaks forty tasks at its seventh line, works on for SECONDS, prints 42 and ends with status 6."""


def run_program(source: str, *, env: dict[str, str] | None = None, timeout: float = 100) -> subprocess.CompletedProcess:
    """Run ``source`` and return what it printed and its exit code; a hang fails with its output."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    return subprocess.run(
        [instrument, sys.executable, "-X", "faulthandler", "-c", source],
        env={**clean, "OTEL_SERVICE_NAME": "program", **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_program_until(condition: Callable[[], object], source: str, seen: Path, **more) -> subprocess.CompletedProcess:
    """Run ``source``, which goes on until the file named by SEEN is there: once ``condition`` is true, or it ended."""
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run_program, source.replace("SEEN", repr(str(seen))), **more)
        while not running.done() and not condition():
            time.sleep(0.05)
        seen.touch()
        return running.result()
