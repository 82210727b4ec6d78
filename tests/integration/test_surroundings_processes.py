"""Pools of processes, interactive shells and test runners: started as users start them."""

import os
import re
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from programs import run_program
from served import identities, orphans_by_process, script
from services import clean_environment

QUICK = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "50ms",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
}

POOL = """
import multiprocessing, os, sys, threading

never = threading.Event()

def leak():
    for _ in range(25):
        threading.Thread(target=never.wait, daemon=True).start()  # the leak

def work(meeting):
    starter = threading.Thread(target=leak)
    starter.start()
    starter.join()
    meeting.wait()
    return os.getpid()

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Manager() as manager, context.Pool(2) as pool:
        meeting = manager.Barrier(2)
        pids = pool.map(work, [meeting] * 2, chunksize=1)
        print(*sorted(set(pids)), flush=True)
        sys.stdin.readline()
        pool.close()
        pool.join()
    sys.exit(3)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_process_of_a_pool_is_seen_and_the_pool_ends(tmp_path, method):
    """Forked from a process with threads of its own, or spawned: each worker's leak arrives under its own identity."""
    program = tmp_path / "pool.py"
    program.write_text(POOL)
    line = next(number for number, text in enumerate(POOL.splitlines(), 1) if text.endswith("# the leak"))
    with OtlpReceiver() as receiver, (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [script("opentelemetry-instrument"), sys.executable, program, method],
            env={**clean_environment(tmp_path / "agents"), **QUICK, **receiver.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            workers = {int(word) for word in process.stdout.readline().split()}
            assert len(workers) == 2, (tmp_path / "stderr").read_text()
            assert receiver.wait_for(lambda: workers <= orphans_by_process(receiver, "thread").keys())
            process.stdin.write(os.linesep)
            process.stdin.close()
            assert process.wait(30) == 3
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert set().union(*orphans_by_process(receiver, "thread").values()) == {line}
    used = [identities(receiver)[pid] for pid in workers]
    assert len(set().union(*used)) == sum(map(len, used)) == 2
    assert "instrumentation/concurrency/" not in (tmp_path / "stderr").read_text()


def run_both(tmp_path, command, receiver, *, until=lambda: True, **more):
    """Run a command bare and instrumented, and return both outcomes; the file "seen" comes with ``until``."""
    seen = tmp_path / "seen"
    environment = {**clean_environment(tmp_path / "agents"), "IPYTHONDIR": str(tmp_path / "ipython"), **more}
    options = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 90}
    seen.touch()
    bare = subprocess.run(command, env=environment, **options)
    seen.unlink()
    ours = {**environment, **QUICK, **receiver.environ}
    with ThreadPoolExecutor() as pool:
        running = pool.submit(subprocess.run, [script("opentelemetry-instrument"), *command], env=ours, **options)
        while not running.done() and not until():
            time.sleep(0.05)
        seen.touch()
        return bare, running.result()


CELL = """
import asyncio, os
held = set()
async def wait(): await asyncio.get_running_loop().create_future()
async def leak():
    for _ in range(25):
        held.add(asyncio.create_task(wait()))
await asyncio.create_task(leak())
while not os.path.exists("seen"):
    await asyncio.sleep(0.05)
print(len(asyncio.all_tasks()))
"""


def test_leak_in_an_interactive_shell_is_found(tmp_path):
    """The cell awaits at top level; what it prints and how it ends is as bare."""
    pytest.importorskip("IPython")
    cell = tmp_path / "cell.ipy"
    cell.write_text(CELL)
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "--quick", str(cell)]
    with OtlpReceiver() as receiver:
        bare, ours = run_both(
            tmp_path, command, receiver, until=lambda: receiver.reports("python.asyncio.task.orphaned")
        )
    assert bare.stdout.strip() == "26", bare.stdout + bare.stderr
    assert (ours.returncode, ours.stdout) == (bare.returncode, bare.stdout), ours.stderr
    [(_, attributes)] = receiver.reports("python.asyncio.task.orphaned")[0].events
    assert attributes["code.function.name"] == "__main__.leak"
    assert attributes["code.line.number"] == 6


TESTS = """
import asyncio, pytest, pytest_asyncio

held = set()

async def wait(): await asyncio.get_running_loop().create_future()

@pytest_asyncio.fixture
async def worker():
    task = asyncio.create_task(wait())
    yield task
    task.cancel()

@pytest.mark.asyncio
@pytest.mark.parametrize("number", range(3))
async def test_passes(worker, number):
    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(3)))
    held.add(asyncio.create_task(wait()))

@pytest.mark.asyncio
async def test_fails():
    await asyncio.wait_for(wait(), 0.01)
"""


def test_test_runner_says_the_same(tmp_path):
    """Tests that leave tasks behind, loops that end with each test, a failure with its traceback."""
    pytest.importorskip("pytest_asyncio")
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "test_some.py"]
    # What else is instrumented is imported before pytest comes to it.
    command += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    with OtlpReceiver() as receiver:
        # The other one shows its coroutines in place of the program's.
        alone = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "asyncio,threading,logging"}
        bare, ours = run_both(tmp_path, command, receiver, **alone)
    bare, ours = ((done.returncode, re.sub(r"0x[0-9a-f]+|[0-9.]+s\b", "…", done.stdout)) for done in (bare, ours))
    assert "1 failed, 3 passed" in bare[1]
    assert ours == bare
    created = [point.value for point in receiver.points if point.name == "python.asyncio.task.created"]
    assert sum(created) >= 6


LEAKING_TESTS = """
import asyncio, os, pytest
held = set()
pytestmark = pytest.mark.asyncio(loop_scope="module")
async def wait(): await asyncio.get_running_loop().create_future()
async def test_leaks():
    for _ in range(25):
        held.add(asyncio.create_task(wait()))
async def test_goes_on():
    while not os.path.exists("seen"):
        await asyncio.sleep(0.05)
"""


def test_leak_of_a_test_is_reported_at_its_line(tmp_path):
    """Both run on one event loop: the tasks outlive the test that created them."""
    pytest.importorskip("pytest_asyncio")
    (tmp_path / "test_some.py").write_text(LEAKING_TESTS)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "test_some.py"]
    with OtlpReceiver() as receiver, (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [script("opentelemetry-instrument"), *words],
            env={**clean_environment(tmp_path / "agents"), **QUICK, **receiver.environ},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
        try:
            assert receiver.wait_for(lambda: receiver.reports("python.asyncio.task.orphaned"))
            (tmp_path / "seen").touch()
            assert process.wait(30) == 0, (tmp_path / "output").read_text()
        finally:
            process.kill()
            process.wait()
    assert "2 passed" in (tmp_path / "output").read_text()
    [(_, attributes)] = receiver.reports("python.asyncio.task.orphaned")[0].events
    assert (attributes["code.function.name"], attributes["code.line.number"]) == ("test_some.test_leaks", 8)


@pytest.mark.skipif(sysconfig.get_platform().startswith("win"), reason="there is no fork")
def test_storm_of_forks_while_scans_run_hangs_nowhere(tmp_path):
    """Two threads fork, others create, scans come as fast as they can: each child counts its own and ends."""
    program = tmp_path / "storm.py"
    program.write_text(STORM)
    environment = {**clean_environment(tmp_path / "agents"), **QUICK, "OTEL_TRACES_EXPORTER": "none"}
    environment |= {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    environment |= {"OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "1ms"}
    done = subprocess.run(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stdout) == (0, "{0}\n2\n"), done.stderr
    assert "instrumentation/concurrency/" not in done.stderr


STORM = """
import asyncio, os, threading
from opentelemetry.instrumentation.concurrency import live_counts

statuses = []

async def in_child():
    tasks = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(10)]
    await asyncio.sleep(0.002)
    return 0 if live_counts().tasks == 11 else 1

def fork():
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                status = asyncio.Runner().run(in_child()) if hasattr(asyncio, "Runner") else asyncio.run(in_child())
            finally:
                os._exit(status)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

async def main():
    loop = asyncio.get_running_loop()
    forking = [loop.run_in_executor(None, fork) for _ in range(2)]
    async def short(): await asyncio.sleep(0)
    while not all(each.done() for each in forking):
        await asyncio.gather(*(asyncio.create_task(short()) for _ in range(50)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*forking)
    print(set(statuses))
    held = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    print(live_counts().tasks)
asyncio.run(main())
"""


FORK_IN_LOOP = """
import asyncio, os, threading
from opentelemetry.instrumentation.concurrency import live_counts, take_snapshot

counted = []

async def count():
    counted.append((live_counts().tasks, len(take_snapshot().tasks)))

async def main():
    held = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(30)]
    await asyncio.sleep(0)
    pid = os.fork()
    if pid == 0:
        thread = threading.Thread(target=lambda: asyncio.run(count()))
        thread.start()
        thread.join()
        os._exit(0 if counted == [(1, 1)] else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), live_counts().tasks)
asyncio.run(main())
"""


@pytest.mark.every_python
@pytest.mark.skipif(sysconfig.get_platform().startswith("win"), reason="there is no fork")
def test_child_forked_in_running_loop_counts_no_parent_task():
    """The tasks are copied with the memory, and nothing runs them: they would be orphans of a stopped loop."""
    exporters = dict.fromkeys(("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "none")
    done = run_program(FORK_IN_LOOP, env=exporters)
    assert done.stdout == "0 31\n", done.stderr
