"""Install the only wheel of a directory into a new environment, and use it there: ``python .ci/install_wheel.py DIR``.

A second argument, ``python`` or ``compiled``, names the recorder that has to run.

Nothing but the wheel and its dependencies is installed, so a missing dependency or file fails here. The program is
run on every platform, also where the test suite is not: it counts tasks, takes a snapshot and writes a profile.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PROGRAM = """
import asyncio, io, os, sys
from opentelemetry.instrumentation.concurrency import live_counts, take_snapshot, write_profile
from opentelemetry.instrumentation.concurrency.record.compiled import choose_recorder

assert asyncio.BaseEventLoop.create_task.__wrapped__, "not instrumented"

async def wait_for_ever(queue):
    await queue.get()

async def main():
    task = asyncio.create_task(wait_for_ever(asyncio.Queue()))
    await asyncio.sleep(0)
    assert live_counts().tasks == 2, live_counts()
    assert "wait_for_ever" in str(take_snapshot().tasks)
    text = io.BytesIO()
    write_profile("task", text, debug=1)
    assert b"wait_for_ever" in text.getvalue(), text.getvalue()
    task.cancel()

asyncio.run(main())
recorder = os.environ["RECORDER_OF_WHEEL"] or choose_recorder("auto").name
assert choose_recorder("auto").name == recorder, choose_recorder("auto")
print("instrumented, counted and profiled on", sys.version.split()[0], sys.platform, "by the recorder:", recorder)
"""


def main() -> None:
    """Create the environment, install the wheel, run the program and the command."""
    (wheel,) = Path(sys.argv[1]).glob("*.whl")
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        programs = Path(directory, "Scripts" if sys.platform == "win32" else "bin")
        pip = [str(programs / "python"), "-m", "pip", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
        subprocess.run([*pip, "install", str(wheel)], check=True)
        script = Path(directory, "program.py")
        script.write_text(PROGRAM, encoding="utf-8")
        instrumented = [str(programs / "opentelemetry-instrument"), str(programs / "python"), str(script)]
        environ = {**os.environ, "RECORDER_OF_WHEEL": sys.argv[2] if sys.argv[2:] else ""}
        subprocess.run(instrumented, check=True, cwd=directory, env=environ)
        subprocess.run([str(programs / "otel-concurrency"), "--version"], check=True, cwd=directory)


if __name__ == "__main__":
    main()
