"""However the interpreter is run, the program says what it says without us, ends as it ends, and is counted right."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.every_python

QUIET = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    # Their own deprecations would show under ``-W error``, and none of them is asked here.
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "aiohttp-server,asyncio,asgi,fastapi,threading,logging",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "20ms",
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
}

PROGRAM = """
import asyncio, contextvars, gc, sys, threading, traceback
import counting
BEFORE
who = contextvars.ContextVar("who", default="nobody")

async def short(number):
    await asyncio.sleep(0)
    return number

async def wait(future):
    return await future

async def fail():
    raise ValueError("told to")

async def request(number):
    who.set(number)
    results = await asyncio.gather(*(short(each) for each in range(3)))
    try:
        await asyncio.create_task(fail(), name="failing")
    except ValueError as error:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    try:
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.01)
    except asyncio.TimeoutError:
        results.append("late")
    return results, who.get(), frames

async def main():
    loop = asyncio.get_running_loop()
    IN_MAIN
    futures = [loop.create_future() for _ in range(20)]
    held = [asyncio.create_task(wait(future), name=f"wait-{number}") for number, future in enumerate(futures)]
    stop, started = threading.Event(), threading.Semaphore(0)
    threads = [threading.Thread(target=lambda: (started.release(), stop.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        started.acquire()
    print(await asyncio.gather(*(request(number) for number in range(5))))
    await asyncio.sleep(0.3)
    print(len(asyncio.all_tasks()), threading.active_count() >= 4, sorted(task.get_name() for task in held)[:2])
    counting.tell()
    stop.set()
    for thread in threads:
        thread.join()
    for number, future in enumerate(futures):
        future.set_result(number)
    print(sum(await asyncio.gather(*held)), await asyncio.to_thread(threading.active_count) >= 2)
    held[0].cancel()
    return 7

AROUND
print(sorted(name for name in dir(asyncio) if "otel" in name.lower()), gc.isenabled())
sys.exit(result)
"""

COUNTING = """
import os, sys

def tell():
    ours = sys.modules.get("opentelemetry.instrumentation.concurrency")
    if ours is not None:
        counts = ours.live_counts()
        with open(os.environ["COUNTS"], "w") as file:
            file.write(f"{counts.tasks} {counts.threads}")
"""

FAKE_TIME = """
class FakeTimeLoop(asyncio.SelectorEventLoop):
    # Time is what the next timer says it is: nobody waits for it.
    passed = 0.0
    def time(self):
        return self.passed
    def _run_once(self):
        if not self._ready and self._scheduled:
            self.passed = max(self.passed, self._scheduled[0]._when)
        super()._run_once()
"""

TASK_FACTORY = """
class OwnTask(asyncio.Task):
    pass
def factory(loop, coro, **options):
    return OwnTask(coro, loop=loop, **options)
"""

TRACING = """
from collections import Counter
lines = Counter()
def trace(frame, event, argument, file=__file__):
    # Python deletes __file__ at the end of the program, and other threads are still traced.
    if frame.f_code.co_filename == file:
        lines[frame.f_code.co_name, event] += 1
        return trace
"""

DEBUGGER = """
import bdb
class Debugger(bdb.Bdb):
    # Stops at its breakpoints as a person's does, and goes on.
    stops = 0
    def user_line(self, frame):
        self.stops += 1
        self.set_continue()
"""

MONITORING = """
from collections import Counter
started = Counter()
def start(code, _offset):
    if code.co_filename == __file__:
        started[code.co_name] += 1
"""

RUN = "result = asyncio.run(main())"
WITH_DEBUGGER = (
    "debugger = Debugger(); debugger.set_break(__file__, short.__code__.co_firstlineno + 1); "
    "result = debugger.runcall(asyncio.run, main()); print(debugger.stops)"
)
MONITORED = (
    "tool = sys.monitoring; tool.use_tool_id(2, 'test'); tool.register_callback(2, tool.events.PY_START, start); "
    f"tool.set_events(2, tool.events.PY_START); {RUN}; tool.set_events(2, 0); print(started)"
)
ON_A_LOOP = "loop = {}; result = loop.run_until_complete(main()); loop.close()"

MODES = {
    # name: options of the interpreter, environment, BEFORE, IN_MAIN, AROUND
    "plain": ((), {}, "", "", RUN),
    "warnings are errors": (("-W", "error"), {}, "", "", RUN),
    "development mode": (("-X", "dev"), {}, "", "", RUN),
    "debug mode of asyncio": ((), {"PYTHONASYNCIODEBUG": "1"}, "", "", RUN),
    "optimised, without docstrings": (("-OO",), {}, "", "", RUN),
    "tracemalloc": (("-X", "tracemalloc=1"), {}, "", "", RUN),
    "no collector": ((), {}, "gc.disable()", "", RUN),
    "eager collector": ((), {}, "gc.set_threshold(1)", "", RUN),
    "short switch interval": ((), {}, "sys.setswitchinterval(1e-6)", "", RUN),
    "wrapt without its extension": ((), {"WRAPT_DISABLE_EXTENSIONS": "1"}, "", "", RUN),
    "coverage": (("-m", "coverage", "run", "--rcfile=/dev/null", "--branch", "--data-file={data}"), {}, "", "", RUN),
    "trace function": ((), {}, TRACING, "", f"sys.settrace(trace); {RUN}; sys.settrace(None); print(lines)"),
    "trace function in all threads": (
        (),
        {},
        TRACING,
        "",
        f"both = threading, sys; [each.settrace(trace) for each in both]; {RUN}; "
        "[each.settrace(None) for each in both]; print(sorted(lines))",
    ),
    "debugger with a breakpoint": ((), {}, DEBUGGER, "", WITH_DEBUGGER),
    "monitoring tool": ((), {}, MONITORING, "", MONITORED),
    "profile function": ((), {}, TRACING, "", f"sys.setprofile(trace); {RUN}; sys.setprofile(None); print(lines)"),
    "fake time": ((), {}, FAKE_TIME, "await asyncio.sleep(3600)", ON_A_LOOP.format("FakeTimeLoop()")),
    "own task factory": ((), {}, TASK_FACTORY, "loop.set_task_factory(factory)", RUN),
    "uvloop": ((), {}, "uvloop = __import__('uvloop')", "", ON_A_LOOP.format("uvloop.new_event_loop()")),
    "eager tasks": ((), {}, "", "loop.set_task_factory(asyncio.eager_task_factory)", RUN),
    "eager tasks of an own class": (
        (),
        {},
        TASK_FACTORY,
        "loop.set_task_factory(asyncio.create_eager_task_factory(OwnTask))",
        RUN,
    ),
}
SINCE_3_12 = ("eager tasks", "eager tasks of an own class", "monitoring tool")


def run(program, options, environment, *, instrumented):
    """Run a file bare or as users instrument it."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTHONASYNCIO"))}
    instrument = [str(Path(sys.executable).with_name("opentelemetry-instrument"))] if instrumented else []
    return subprocess.run(
        [*instrument, sys.executable, *options, str(program)],
        env={**clean, **(QUIET if instrumented else {}), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def said(done):
    """What a program said, without addresses and without what debug mode says of whatever kept the machine busy."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    return done.returncode, done.stdout, re.sub(r"0x[0-9a-f]+|[0-9.]+ seconds", "…", "\n".join(lines))


@pytest.mark.parametrize("mode", MODES)
def test_program_says_the_same_in_every_mode_and_is_counted(tmp_path, mode):
    """Output, messages and exit status are those of the bare program; 21 tasks and at least 4 threads are alive."""
    if mode in SINCE_3_12 and sys.version_info < (3, 12):
        pytest.skip("it came with 3.12")
    if mode in ("coverage", "uvloop"):
        pytest.importorskip(mode)
    options, environment, before, in_main, around = MODES[mode]
    program = tmp_path / "program.py"
    source = PROGRAM.replace("BEFORE", before).replace("IN_MAIN", in_main).replace("AROUND", around)
    program.write_text(source)
    (tmp_path / "counting.py").write_text(COUNTING)
    outcomes = []
    for instrumented in (False, True):
        own = [option.format(data=tmp_path / f"coverage-{instrumented}") for option in options]
        # Under `coverage run` on 3.10 the program's own folder is not on the path.
        environment = {**environment, "COUNTS": str(tmp_path / "counts"), "PYTHONPATH": str(tmp_path)}
        outcomes.append(said(run(program, own, environment, instrumented=instrumented)))
    bare, instrumented = outcomes
    assert bare[0] == 7, bare
    assert instrumented == bare
    tasks, threads = map(int, (tmp_path / "counts").read_text().split())
    assert tasks == 21
    assert threads >= 4
    if mode == "coverage":
        assert covered(tmp_path / "coverage-True") == covered(tmp_path / "coverage-False")


def covered(file):
    """Return the branches that coverage saw, by the name of the file."""
    from coverage import CoverageData

    data = CoverageData(str(file))
    data.read()
    return {Path(name).name: sorted(data.arcs(name)) for name in data.measured_files() if name.endswith("program.py")}


UNTRACED = """
import sys, threading, time
traced = set()
def trace(frame, event, argument, traced=traced):
    traced.add(frame.f_code.co_name)
threading.settrace(trace)
def leak():
    threading.Thread(target=time.sleep, args=(0.2,)).start()
leak()
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
limit = time.monotonic() + 30
while current_installation().census.last_scan is None and time.monotonic() < limit:
    time.sleep(0.01)
print(current_installation().census.last_scan is not None, "run" in traced, "scan" in traced)
"""


def test_own_thread_is_not_traced_with_the_application(tmp_path):
    """A function for all threads costs the scans nothing, and what it raises is not ours to show."""
    program = tmp_path / "program.py"
    program.write_text(UNTRACED)
    done = run(program, (), {}, instrumented=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True False\n", "")
