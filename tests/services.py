"""Leaking services in subprocesses, as users run them, and the command that looks at them from outside."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

OFFLINE = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
FAST = {"OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s", "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "100ms"}
AGENT_DIR = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"

QUEUE_SERVICE = """
import asyncio, sys, threading
from opentelemetry import trace

held = set()
tracer = trace.get_tracer("shop")

async def ask(answers, name):
    await answers.put(name)

async def query(number):
    answers = asyncio.Queue(maxsize=1)
    for name in ("one", "two"):
        task = asyncio.create_task(ask(answers, name), name=f"ask-{number}\\x1b[31m")
        held.add(task)
        task.add_done_callback(held.discard)

async def stubborn():
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass

async def start_stubborn():
    held.add(asyncio.create_task(stubborn()))

async def in_circle(others):
    await asyncio.sleep(0)
    await others[0]

async def start_circle():
    first, second = [], []
    first.append(asyncio.create_task(in_circle(second)))
    second.append(asyncio.create_task(in_circle(first)))
    held.update(first + second)

async def child():
    await asyncio.get_running_loop().create_future()

async def parent():
    await asyncio.gather(child(), child())

async def main(requests):
    held.add(asyncio.create_task(parent()))
    for number in range(requests):
        await asyncio.create_task(query(number))
    await asyncio.create_task(start_circle())
    for _ in range(2):
        await asyncio.create_task(start_stubborn())
    threading.Thread(target=threading.Event().wait, name="worker", daemon=True).start()
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0.01)

asyncio.run(main(int(sys.argv[1])))
"""

UVLOOP_SERVICE = """
import asyncio, sys, uvloop

held = set()

async def wait_for_ever():
    await asyncio.get_running_loop().create_future()

async def handle():
    held.add(asyncio.create_task(wait_for_ever()))

async def main(requests):
    for _ in range(requests):
        await asyncio.create_task(handle())
    print("ready", flush=True)
    await asyncio.Event().wait()

loop = uvloop.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main(int(sys.argv[1])))
"""

PLAIN_SERVICE = UVLOOP_SERVICE.replace(", uvloop", "").replace("uvloop.", "asyncio.")


class Service:
    """A running service.

    Attributes:
        pid: Of its interpreter.
        environment: For the command that shall find it.
    """

    def __init__(self, process, environment):
        self.process = process
        self.pid = process.pid
        self.environment = environment

    def command(self, *arguments, stdin="", timeout=60):
        """Run ``otel-concurrency`` as users do."""
        return run_command(*arguments, environment=self.environment, stdin=stdin, timeout=timeout)

    def facts(self):
        """Return what ``ps`` says of it; empty while it has no agent."""
        done = self.command("ps", "--json")
        assert done.returncode == 0, done.stderr
        return next((row for row in json.loads(done.stdout) if row["pid"] == self.pid and row["agent"]), {})

    def wait_until(self, condition, limit_s=20):
        """Wait until its facts fulfil a condition."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            facts = self.facts()
            if facts and condition(facts):
                return facts
            time.sleep(0.1)
        raise AssertionError(f"it never came to that: {facts}")


def run_command(*arguments, environment, stdin="", timeout=60):
    """Run ``otel-concurrency`` as users do."""
    return subprocess.run(
        [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", *map(str, arguments)],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def clean_environment(directory, **more):
    """Return the environment of this process without telemetry settings, with sockets in a directory of their own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**kept, AGENT_DIR: str(directory), "OTEL_SERVICE_NAME": "shop", "NO_COLOR": "1", **more}


@contextlib.contextmanager
def service(directory, source, *arguments, ready="ready", command=(), **more):
    """Run a program under ``opentelemetry-instrument`` inside the block, once it has said that it is ready."""
    file = Path(directory, "service.py")
    file.write_text(source)
    environment = clean_environment(Path(directory, "agents"), **{**OFFLINE, **FAST, **more})
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    program = [instrument, *(command or (sys.executable, str(file))), *map(str, arguments)]
    with Path(directory, "stderr").open("w") as stderr:
        process = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            if ready:
                line = process.stdout.readline()
                assert line.strip() == ready, Path(directory, "stderr").read_text()
            yield Service(process, clean_environment(Path(directory, "agents")))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
