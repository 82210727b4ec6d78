"""Instructions of creating a task, bare and recorded: `creation.py` where the machine is too busy for CPU times.

Valgrind's callgrind counts what a process executes while it creates some thousands of tasks; two runs agree to one in
ten thousand, whatever else the machine does. The count leaves out what makes an instruction slow (caches, branches),
so the ratio of CPU times is some hundredths higher. Scans are switched off: they run in another thread, and callgrind
counts all threads. Needs valgrind.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import creation

COUNTED = 20 * creation.A_ROUND_OF_FAN
BEFORE = 250 * creation.A_ROUND_OF_FAN
"""Tasks created uncounted. Some of what is kept of past creations is full only after some ten thousand."""
SHAPES = ("await", "fan", "helper")
COLLECTED = re.compile(r"Collected : (\d+)")


def counted_process(shape, loop, state):
    """Create tasks with the counter switched on by callgrind's own command."""
    if state == "recorded":
        from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

        ConcurrencyInstrumentor().instrument(metrics="none", reports="none", scan_interval=1000, agent_disabled=True)
    run = creation.Row(shape, loop).runner()
    run(BEFORE)
    # What the first creation starts has started and sleeps.
    time.sleep(creation.SETTLE_S)
    switch("on")
    run(COUNTED)
    switch("off")
    # The interpreter's end would be slow under valgrind.
    os._exit(0)


def switch(state):
    subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], stdout=subprocess.DEVNULL, check=True)


def instructions(python, shape, loop, state):
    """Return how many instructions one creation takes."""
    with tempfile.TemporaryDirectory() as folder:
        counter = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={Path(folder, 'counts')}",
        ]
        run = subprocess.run(
            [*counter, python, __file__, "--child", shape, loop, state],
            env=os.environ | {"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = COLLECTED.search(run.stderr)
    assert found is not None, run.stderr
    return int(found[1]) / COUNTED


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter to measure; it needs the package")
    parser.add_argument("--shapes", default=",".join(SHAPES), help="of creation.py, with commas")
    parser.add_argument("--loops", default="asyncio,uvloop", help="event loops, with commas")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        counted_process(*arguments.child)
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: skipped")
        return
    print(creation.title(arguments.python))
    rows = creation.rows_of(arguments)
    print(f"{'instructions per task':<21} {'bare':>9} {'recorded':>9} {'ratio':>7}")
    for row in rows:
        bare, ours = (instructions(arguments.python, row.shape, row.loop, each) for each in ("bare", "recorded"))
        print(f"{row.shape:<8} {row.loop:<12} {bare:>9,.0f} {ours:>9,.0f} {ours / bare:>7.3f}", flush=True)


if __name__ == "__main__":
    main()
