"""Under gevent and eventlet: greenlets count as threads and get no verdict; the program does not notice us."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from services import clean_environment, run_command

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
PATCH
import os, sys, threading, time

stop = threading.Event()

def start_thirty():
    for _ in range(30):
        threading.Thread(target=stop.wait, daemon=True).start()

starter = threading.Thread(target=start_thirty)
starter.start()
starter.join()
print("ready", flush=True)
done = []
worker = threading.Thread(target=lambda: [time.sleep(0.01) or done.append(each) for each in range(100)])
worker.start()
worker.join()
print(len(done), flush=True)
ours = sys.modules.get("opentelemetry.instrumentation.concurrency")
if ours:
    print(ours.live_counts().threads >= 31, ours.live_counts().tasks, file=sys.stderr)
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
stop.set()
sys.exit(5)
"""

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
QUICK = {
    "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "50ms",
    "OTEL_PYTHON_CONCURRENCY_GROWTH_WINDOW": "1s",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}

pytestmark = [
    pytest.mark.every_python,
    pytest.mark.parametrize(
        "library",
        [
            pytest.param(library, marks=pytest.mark.skipif(sys.version_info >= behind, reason=f"{library} is behind"))
            for library, behind in (("gevent", (3, 15)), ("eventlet", (3, 14)))
        ],
    ),
]


def test_greenlets_are_counted_without_a_verdict(tmp_path, library):
    """Thirty that a thread left behind would be orphans as threads; the command line reaches the process."""
    # Not importorskip: imported here, eventlet would watch every fork of the tests that follow.
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"could not import {library!r}")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("PATCH", PATCHES[library]))
    # Without its own name service: the import of that fails on some Pythons, with us and without.
    environment = {**clean_environment(tmp_path / "agents"), "EVENTLET_NO_GREENDNS": "yes"}
    bare = subprocess.run([sys.executable, program], capture_output=True, text=True, env=environment, timeout=60)
    with OtlpReceiver() as receiver, (tmp_path / "stderr").open("w") as stderr_file:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, program, tmp_path / "go"],
            env={**environment, **QUICK, **receiver.environ},
            stdout=subprocess.PIPE,
            stderr=stderr_file,
            text=True,
        )
        try:
            said = [process.stdout.readline(), process.stdout.readline()]
            doctor = run_command("doctor", process.pid, environment=environment)
            (tmp_path / "go").touch()
            said.append(process.stdout.read())
            status = process.wait(30)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    stderr = (tmp_path / "stderr").read_text()
    assert ("".join(said), status) == (bare.stdout, bare.returncode) == ("ready\n100\n", 5), stderr
    assert "True 0" in stderr
    assert "instrumentation/concurrency/" not in stderr
    assert f"The process uses {library}" in doctor.stdout, doctor.stdout + doctor.stderr
    counts = [point for point in receiver.points if point.name == "python.thread.count"]
    assert (
        max(point.value for point in counts if point.attributes["code.function.name"] == "__main__.start_thirty") == 30
    )
    verdicts = [p for p in receiver.points if p.name in ("python.thread.orphan.count", "python.leak.suspect.count")]
    assert verdicts and not any(point.value for point in verdicts)
    assert not [log for log in receiver.logs if log.event_name.startswith("python.")]
