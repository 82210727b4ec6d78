"""Isolated sub-interpreters, which allow no daemon threads from Python 3.12 on: tasks are recorded, a line says so."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.every_python,
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="concurrent.interpreters has a program of its own"),
]

PROGRAM = """
import os, sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
code = '''
import sys
sys.path[:] = {path!r}
import asyncio, logging
logging.basicConfig(stream=sys.stdout, format="%(message).40s")
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts, take_snapshot
ConcurrencyInstrumentor().instrument(reports="none")

async def main():
    tasks = [asyncio.create_task(asyncio.sleep(0.01)) for _ in range(5)]
    await asyncio.sleep(0)
    print(live_counts().tasks, len(take_snapshot().tasks))
    await asyncio.gather(*tasks)

asyncio.run(main())
ConcurrencyInstrumentor().uninstrument()
sys.stdout.flush()
'''.format(path=sys.path)
interpreters.run_string(interpreters.create(), code)
sys.stdout.flush()
# Some of these Pythons crash where a sub-interpreter with asyncio ends, also without us.
os._exit(0)
"""


def test_sub_interpreter_records_tasks_and_logs_limits():
    # Not under `opentelemetry-instrument`, whose own start-up fails there.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=clean, capture_output=True, text=True, timeout=60)
    expected = ["6 6"]
    if sys.version_info >= (3, 12):
        expected.insert(0, "This sub-interpreter does not allow daem")
    assert done.stdout.splitlines() == expected, done.stderr
    assert "Traceback" not in done.stderr
