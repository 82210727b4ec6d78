"""What a machine does to a program that runs for long: killed, no room, clocks set anew, a backend that comes late."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from programs import LEAKING, run_program
from served import free_port
from services import OFFLINE, PLAIN_SERVICE, run_command, service

QUICK = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "50ms",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}


def test_socket_of_a_killed_process_is_removed(tmp_path):
    """``ps`` does not list it, a command says that it is gone, and the next service removes the file."""
    with service(tmp_path, PLAIN_SERVICE, 2) as running:
        running.wait_until(lambda facts: True)
        [left] = (tmp_path / "agents").iterdir()
        os.kill(running.pid, signal.SIGKILL)
        running.process.wait()
        environment = running.environment
    assert left.exists()
    listed = run_command("ps", "--json", environment=environment)
    assert (listed.returncode, str(running.pid) in listed.stdout) == (0, False)
    asked = run_command("stack", running.pid, environment=environment)
    assert asked.returncode in (2, 3) and str(running.pid) in asked.stderr and "Traceback" not in asked.stderr
    with service(tmp_path, PLAIN_SERVICE, 2) as running:
        running.wait_until(lambda facts: True)
        assert not left.exists()


FULL_DISK = """
mount -t tmpfs -o size=4k,nr_inodes=2,mode=700 none "$1" && mkdir "$1/mine" && chmod 700 "$1/mine" || exit 77
export OTEL_PYTHON_CONCURRENCY_AGENT_DIR="$1/mine"
shift
exec "$@"
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="to fill a disk takes root on Linux")
def test_full_disk_is_one_warning_and_the_program_ends_as_bare(tmp_path):
    """No room for the socket: it says so with the reason, and the leak is found all the same."""
    program, place = tmp_path / "program.py", tmp_path / "place"
    program.write_text(LEAKING.replace("SECONDS", "5"))
    place.mkdir()
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", FULL_DISK, "sh", str(place)]
    words += [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(program)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    with OtlpReceiver() as receiver:
        env = {**kept, **QUICK, **receiver.environ}
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("mounting is not allowed here")
    assert (done.returncode, done.stdout) == (6, "42\n"), done.stderr
    assert done.stderr.count("cannot reach this process") == 1
    assert "No space left on device" in done.stderr
    assert receiver.reports("python.asyncio.task.orphaned")


def test_late_backend_receives_all_reports():
    """Nobody listens when the leak is found; once somebody does, its number arrives."""
    port = free_port()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    endpoint["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    receiver = OtlpReceiver(port=port)
    come = threading.Timer(2.5, receiver.__enter__)
    come.start()
    try:
        done = run_program(LEAKING.replace("SECONDS", "7"), env={**QUICK, **endpoint})
    finally:
        come.join()
        receiver.__exit__()
    assert (done.returncode, done.stdout) == (6, "42\n"), done.stderr
    assert "instrumentation/concurrency" not in done.stderr
    orphans = [point.value for point in receiver.points if point.name == "python.asyncio.task.orphan.count"]
    assert max(orphans) == 40


TWICE = """
import asyncio, signal
held = set()
async def wait(): await asyncio.get_running_loop().create_future()
async def first():
    for _ in range(40):
        held.add(asyncio.create_task(wait()))
async def second():
    for _ in range(30):
        held.add(asyncio.create_task(wait()))
async def main():
    again, end = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, again.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, end.set)
    await asyncio.create_task(first())
    print("ready", flush=True)
    await again.wait()
    await asyncio.create_task(second())
    await end.wait()
    print("end", flush=True)
asyncio.run(main())
"""


def test_returning_backend_receives_reports_found_meanwhile(tmp_path):
    """One line leaks before, one while nobody listens; afterwards both have their numbers, and each its one report."""

    def orphans(line):
        return receiver.last("python.asyncio.task.orphan.count", code__line__number=line)

    def reports():
        return receiver.reports("python.asyncio.task.orphaned")

    port = free_port()
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(OtlpReceiver(port=port))
        # How long the exporter of the SDK tries again before it drops a span.
        settings = {**dict.fromkeys(OFFLINE, "otlp"), "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        running = stack.enter_context(service(tmp_path, TWICE, **QUICK | settings | receiver.environ))
        assert receiver.wait_for(lambda: orphans(7) == 40 and reports())
        receiver.__exit__()
        exports = receiver.exports
        os.kill(running.pid, signal.SIGUSR1)
        running.wait_until(lambda facts: facts["orphans"] == 70)
        assert receiver.exports == exports
        receiver.__enter__()
        assert receiver.wait_for(lambda: orphans(10) == 30 and len(reports()) > 1, 60)
        assert orphans(7) == 40
        os.kill(running.pid, signal.SIGUSR2)
        assert running.process.stdout.readline() == "end\n"
        assert running.process.wait(20) == 0
    # An export whose answer was lost as the receiver went is sent again.
    said = [event for span in {span.span_id: span for span in reports()}.values() for event in span.events]
    assert sorted(attributes["code.line.number"] for _, attributes in said) == [7, 10]
    assert "instrumentation/concurrency" not in (tmp_path / "stderr").read_text()


# Daylight saving done wrong, a first contact with a time server, a virtual machine that was moved.
JUMPING = """
import time
real, jumps = time.time, iter([0, 86400, -86400, 3 * 10**8, -10**9, 7] * 10000)
time.time = lambda: real() + next(jumps)
time.time_ns = lambda: int(time.time() * 1e9)
import asyncio
async def short(): await asyncio.sleep(0.2)
async def handle(): return [asyncio.create_task(short()) for _ in range(40)]
async def main():
    for _ in range(15):
        await asyncio.create_task(handle())
        await asyncio.sleep(0.2)
    print("end")
asyncio.run(main())
"""


def test_wall_clock_jump_makes_no_verdict():
    """Years forth and back between any two looks at it: ages are told by another clock."""
    with OtlpReceiver() as receiver:
        # A slow machine makes nothing that old; a clock that jumps by a day does.
        ages = dict.fromkeys(("OTEL_PYTHON_CONCURRENCY_TASK_AGE", "OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE"), "20s")
        done = run_program(JUMPING, env={**QUICK, **ages, **receiver.environ})
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    assert not [log.event_name for log in receiver.logs if log.event_name.startswith("python.")]
    assert not [span.name for span in receiver.spans if span.name.startswith("python.")]
    assert "instrumentation/concurrency" not in done.stderr


IMPORTED = {
    "ours first": "",
    "asyncio first": "import asyncio, threading",
    "names taken early": "from asyncio import create_task, ensure_future, gather; from threading import Thread",
    "uvloop first": "import uvloop",
    "executors first": "import concurrent.futures.thread, asyncio.base_events",
    "loop made early": "import asyncio; early = asyncio.new_event_loop(); early.close()",
}
COUNTED = """
BEFORE
import sys
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts, take_snapshot
assert BEFORE_IS_EMPTY or "asyncio" in sys.modules
ConcurrencyInstrumentor().instrument(scan_interval=3600)
import asyncio, threading, concurrent.futures
create = globals().get("create_task") or asyncio.create_task
Starter = globals().get("Thread") or threading.Thread
stop = threading.Event()
async def wait(): await asyncio.get_running_loop().create_future()
async def main():
    held = [create(wait()) for _ in range(5)]
    thread = Starter(target=stop.wait)
    thread.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        snapshot = take_snapshot()
    sites = {one.site.function for one in (*snapshot.tasks, *snapshot.threads)}
    print(live_counts().tasks, sum(group.count for group in snapshot.by_site if group.site.function == "__main__.main"))
    print("__main__.main" in sites, "__main__.wait" in sites)
    stop.set()
    thread.join()
asyncio.run(main()) if "uvloop" not in globals() else uvloop.run(main())
"""


@pytest.mark.every_python
@pytest.mark.parametrize("order", IMPORTED)
def test_task_of_any_import_order_is_counted_at_its_line(order):
    """Five tasks, a thread and a pool of one, each at the line that made it; no task under its coroutine."""
    before = IMPORTED[order]
    if "uvloop" in before:
        pytest.importorskip("uvloop")
    source = COUNTED.replace("BEFORE_IS_EMPTY", str(not before)).replace("BEFORE", before)
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=60,
        env={key: value for key, value in os.environ.items() if not key.startswith("OTEL_")},
    )
    assert (done.returncode, done.stdout) == (0, "6 7\nTrue False\n"), done.stdout + done.stderr
