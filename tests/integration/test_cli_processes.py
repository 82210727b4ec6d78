"""The command against what runs in production: workers, other users, a hundred thousand tasks, telemetry, signals."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from services import FAST, OFFLINE, QUEUE_SERVICE, clean_environment, run_command, service

LEAKING_APP = """
import asyncio
from aiohttp import web

held = set()

async def wait_for_ever():
    await asyncio.get_running_loop().create_future()

async def handle(request):
    task = asyncio.create_task(wait_for_ever())
    held.add(task)
    return web.Response(text="fine")

async def make():
    app = web.Application()
    app.router.add_get("/", handle)
    return app
"""

MANY = """
import asyncio, sys
held = []

async def wait_for_ever(future):
    await future

async def main(number):
    future = asyncio.get_running_loop().create_future()
    held.extend(asyncio.create_task(wait_for_ever(future)) for _ in range(number))
    print("ready", flush=True)
    late = 0.0
    while True:
        await asyncio.sleep(0.01)

asyncio.run(main(int(sys.argv[1])))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_each_worker_of_gunicorn_has_an_agent_of_its_own(tmp_path):
    """Four of them, found as the master's children, side by side by line; none is asked in another's name."""
    pytest.importorskip("gunicorn")
    pytest.importorskip("aiohttp")
    (tmp_path / "leaking_app.py").write_text(LEAKING_APP)
    port = free_port()
    gunicorn = [str(Path(sys.executable).with_name("gunicorn")), "-w", "4", "-k", "aiohttp.GunicornWebWorker"]
    options = ["-b", f"127.0.0.1:{port}", "--chdir", str(tmp_path), "leaking_app:make", "--log-level", "error"]
    with service(tmp_path, "", command=[*gunicorn, *options], ready="") as master:
        deadline = time.monotonic() + 60
        family = []
        while len(family) < 4 and time.monotonic() < deadline:
            rows = json.loads(master.command("ps", "--agents", "--json").stdout)
            family = [row for row in rows if row["parent"] == master.pid]
            time.sleep(0.2)
        assert len(family) == 4
        for _ in range(40):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
        table = master.command("stack", f"{master.pid}+", "--site", "*handle").stdout
        heading, row = table.splitlines()
        assert {str(worker["pid"]) for worker in family} <= set(heading.split())
        assert row.split()[0] == "40"
        assert sum(map(int, row.split()[1 : heading.split().index("SITE")])) == 40
        master.process.terminate()
        master.process.wait(30)


def test_hundred_thousand_tasks_are_grouped_meanwhile(tmp_path):
    """Each command answers within its limit; the loop is asked nothing."""
    with service(tmp_path, MANY, 100_000) as running:
        running.wait_until(bool, limit_s=60)
        assert "100000 @ 0x" in running.command("stack", running.pid, "--timeout", "60s", timeout=120).stdout
        done = running.command("stats", running.pid, "--interval", "1ms", "--timeout", "60s", timeout=120)
        assert "100001 live" in done.stdout
        file = tmp_path / "many.json"
        assert running.command("snapshot", running.pid, "-o", file, "--timeout", "60s", timeout=120).returncode == 0
        assert len(json.loads(file.read_text())["tasks"]) == 100_001


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_process_of_another_user_is_for_root_only(tmp_path):
    """Root sees all; a user is told whose it is."""
    nobody = 65534
    tmp_path.chmod(0o755)
    with service(tmp_path, QUEUE_SERVICE, 3) as running:
        running.wait_until(lambda facts: (facts["tasks"] or 0) > 3)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "stack", str(running.pid)],
                env=running.environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                user=nobody,
                cwd="/",
            )
        except PermissionError:
            pytest.skip("another user can't run this Python")
        if "No module named" in done.stderr or "Permission denied" in done.stderr:
            pytest.skip("another user can't read this checkout")
        assert done.returncode == 3
        assert "belongs to user 0" in done.stderr and "sudo" in done.stderr


def test_cancel_is_reported_before_it_happens(tmp_path):
    """An event with who did it, to what and to how many; the same as span and as log record."""
    with OtlpReceiver() as receiver:
        more = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100", **receiver.environ}
        exporters = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")}
        with service(
            tmp_path, QUEUE_SERVICE, 5, OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL="true", **{**exporters, **more}
        ) as running:
            running.wait_until(lambda facts: (facts["tasks"] or 0) >= 5)
            done = running.command("cancel", running.pid, "--site", "*query", "--yes")
            assert done.returncode == 0, done.stderr
            name = "python.concurrency.control"
            assert receiver.wait_for(lambda: [log for log in receiver.logs if log.event_name == name], 20)
            assert receiver.wait_for(lambda: receiver.reports(name), 20)
    (log,) = [log for log in receiver.logs if log.event_name == name]
    assert log.severity == 9
    assert log.attributes[f"{name}.action"] == "cancel"
    assert log.attributes[f"{name}.filter"] == "site=*query"
    assert log.attributes[f"{name}.count"] == 5
    assert log.attributes[f"{name}.peer.uid"] == os.geteuid()
    assert log.attributes[f"{name}.peer.pid"] > 0
    (span,) = receiver.reports(name)
    ((event, attributes),) = span.events
    assert (event, {**attributes, "otel.event.name": name}) == (name, log.attributes)


def test_dump_signal_writes_the_grouped_profile(tmp_path):
    """To standard error, and the service goes on."""
    with service(tmp_path, QUEUE_SERVICE, 7, OTEL_PYTHON_CONCURRENCY_DUMP_SIGNAL="USR2") as running:
        running.wait_until(lambda facts: (facts["tasks"] or 0) > 7)
        os.kill(running.pid, signal.SIGUSR2)
        deadline = time.monotonic() + 20
        text = ""
        while "thread profile: total" not in text and time.monotonic() < deadline:
            text = Path(tmp_path, "stderr").read_text()
            time.sleep(0.05)
        assert re.search(r"^task profile: total \d+\n7 @ 0x", text, re.MULTILINE)
        assert running.process.poll() is None


def test_forks_warn_of_nothing_and_the_parent_can_still_be_asked(tmp_path):
    """Our threads stop for each; the agent goes on in the parent, although it creates no more tasks."""
    source = """
import asyncio, os, sys, time, warnings
warnings.simplefilter("error")
async def main():
    await asyncio.create_task(asyncio.sleep(0.3))
asyncio.run(main())
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
print("ready", flush=True)
time.sleep(600)
"""
    with service(tmp_path, source) as running:
        running.wait_until(lambda facts: True)
        assert "Warning" not in Path(tmp_path, "stderr").read_text()


def test_read_only_place_is_one_warning_and_the_service_runs(tmp_path):
    """With what to set."""
    (tmp_path / "agents").write_text("in the way")
    with service(tmp_path, QUEUE_SERVICE, 2) as running:
        deadline = time.monotonic() + 20
        while "cannot reach" not in Path(tmp_path, "stderr").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        text = Path(tmp_path, "stderr").read_text()
        assert text.count("cannot reach this process") == 1 and "OTEL_PYTHON_CONCURRENCY_AGENT_DIR" in text
        assert running.process.poll() is None


def test_service_without_home_is_found(tmp_path):
    """Nothing depends on a home directory, at either end."""
    with service(tmp_path, QUEUE_SERVICE, 2, HOME="/nonexistent") as running:
        running.environment.pop("HOME", None)
        assert running.wait_until(lambda facts: (facts["tasks"] or 0) > 2)


def test_pages_are_served_on_loopback_through_the_agent(tmp_path):
    """Production listens on no port; who serves is told."""
    port = free_port()
    with service(tmp_path, QUEUE_SERVICE, 30) as running:
        running.wait_until(lambda facts: facts["orphans"] >= 30)
        command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "serve", str(running.pid)]
        pages = subprocess.Popen(
            [*command, "--address", f"127.0.0.1:{port}"], env=running.environment, stderr=subprocess.PIPE, text=True
        )
        try:
            assert f"127.0.0.1:{port}" in pages.stderr.readline()
            base = f"http://127.0.0.1:{port}"
            text = urllib.request.urlopen(f"{base}/debug/pprof/task?debug=1").read().decode()
            assert text.startswith("task profile: total ")
            assert "task profile: total" in running.command("stack", "--url", base).stdout
            assert running.command("leaks", "--url", base).returncode == 1
        finally:
            pages.send_signal(signal.SIGINT)
            pages.wait(20)
            pages.stderr.close()
        assert pages.returncode == 130
        assert f"otel-concurrency serve (127.0.0.1:{port}, 1), by user" in Path(tmp_path, "stderr").read_text()


def test_demonstration_shows_its_leak(tmp_path):
    """What ps, stats, stack and leaks say of a leaking service."""
    done = run_command("demo", "--requests", "50", environment=clean_environment(tmp_path / "agents"))
    assert done.returncode == 0, done.stderr
    for shown in ("$ otel-concurrency leaks", "50 tasks unwakeable: created by shop.search", "50 @ 0x"):
        assert shown in done.stdout


@pytest.mark.every_python
@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 is the first that lets others in")
class TestAttach:
    """A process that was started without the instrumentation."""

    LEAK = """
import asyncio
held = set()
async def wait_for_ever():
    await asyncio.get_running_loop().create_future()
async def handle():
    held.add(asyncio.create_task(wait_for_ever()))
async def main():
    for _ in range(10):
        await handle()
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.1)
        await handle()
asyncio.run(main())
"""

    @contextlib.contextmanager
    def plain(self, tmp_path):
        """A leaking process without the instrumentation, and the command with the same environment."""
        file = tmp_path / "plain.py"
        file.write_text(self.LEAK)
        environment = clean_environment(tmp_path / "agents", **FAST, **OFFLINE)
        process = subprocess.Popen([sys.executable, str(file)], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline().strip() == "ready"
            yield lambda command, *more: run_command(command, process.pid, *more, environment=environment)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_stack_from_outside_then_attach_then_lines(self, tmp_path):
        """Stacks without lines first; then the next ones with the line that created them."""
        with self.plain(tmp_path) as command:
            outside = command("stack")
            assert "has no agent; it is inspected from outside" in outside.stderr
            assert "wait_for_ever" in outside.stdout
            done = command("attach")
            assert done.returncode == 0, done.stderr
            deadline = time.monotonic() + 20
            text = ""
            while "created by __main__.handle" not in text and time.monotonic() < deadline:
                text = command("stack").stdout
            assert "created by __main__.handle" in text
            assert "already" in command("attach").stderr

    @pytest.mark.parametrize("name", ["stats", "leaks", "doctor"])
    def test_command_without_agent_points_to_attach(self, tmp_path, name):
        with self.plain(tmp_path) as command:
            done = command(name)
            assert done.returncode == 3
            assert "otel-concurrency attach" in done.stdout + done.stderr

    def test_attach_one_bug_is_one_site_with_least_ages(self, tmp_path):
        """Tasks from before join the line that starts the same function; one without such a line stays apart."""
        with self.plain(tmp_path) as command:
            assert command("attach").returncode == 0
            deadline = time.monotonic() + 30
            text = ""
            while "of them created before attach" not in text and time.monotonic() < deadline:
                text = command("leaks").stdout
            assert "of them created before attach" in text
            assert "the oldest is at least" in text
            assert "leaked tasks at 1 site" in text
            assert "before attach" in command("stats").stdout  # main itself

    def test_detach_removes_the_agent_and_only_what_attach_made(self, tmp_path):
        with self.plain(tmp_path) as command:
            assert "not instrumented" in command("detach").stderr
            assert command("attach").returncode == 0
            done = command("detach")
            assert (done.returncode, done.stdout.startswith("Detached")) == (0, True), done.stderr
            assert "has no agent" in command("stats").stderr
            assert command("attach").returncode == 0

    def test_process_without_an_agent_gets_an_instruction(self, tmp_path):
        """It was started so."""
        environment = {**clean_environment(tmp_path / "agents"), "PYTHON_DISABLE_REMOTE_DEBUG": "1"}
        program = "import time; print('ready', flush=True); time.sleep(600)"
        plain = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert plain.stdout.readline().strip() == "ready"
            done = run_command("attach", plain.pid, environment=environment)
            assert done.returncode == 3 and "PYTHON_DISABLE_REMOTE_DEBUG" in done.stderr
        finally:
            plain.kill()
            plain.wait()
            plain.stdout.close()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_top_in_a_real_terminal(tmp_path):
    """The screen shows the line, sorts, pauses, drills down, comes back and ends."""
    pytest.importorskip("textual")
    with service(tmp_path, QUEUE_SERVICE, 30) as running:
        running.wait_until(lambda facts: facts["orphans"] >= 30)
        tmux = ["tmux", "-S", str(tmp_path / "tmux")]

        def screen():
            return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout

        def until(text):
            deadline = time.monotonic() + 30
            while text not in (seen := screen()):
                assert time.monotonic() < deadline, seen
                time.sleep(0.1)
            return seen

        command = f"{sys.executable} -m opentelemetry.instrumentation.concurrency top {running.pid} --interval 200ms"
        start = [*tmux, "new-session", "-d", "-x", "150", "-y", "30", f"{command}; echo ended $?; sleep 60"]
        subprocess.run(start, env={**running.environment, "TERM": "xterm"}, check=True)
        try:
            seen = until("__main__.query")
            assert "ORPHANS ▼" in seen and re.search(r"orphans \d\d", seen)
            for key, shown in (
                ("s", "CREATED/s ▼"),
                ("p", "PAUSED"),
                ("p", "orphans"),
                ("Enter", "created by __main__.query"),
            ):
                subprocess.run([*tmux, "send-keys", key], check=True)
                until(shown)
            subprocess.run([*tmux, "send-keys", "Escape"], check=True)
            until("CREATED/s ▼")
            subprocess.run([*tmux, "send-keys", "q"], check=True)
            until("ended 0")
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
