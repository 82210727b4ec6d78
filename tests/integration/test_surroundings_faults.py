"""What breaks around the program: it goes on as without us, and what is told is never wrong."""

import os
import signal
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from otlp_receiver import OtlpReceiver
from programs import LEAKING, run_program, run_program_until
from services import OFFLINE, service

QUICK = {
    "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "1s",
    "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "50ms",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}


@pytest.mark.parametrize("status", [429, 503])
def test_backend_that_refuses_loses_nothing_once_it_is_back(status):
    """The SDK tries again; the leak that was found meanwhile arrives, at the right line."""
    with OtlpReceiver(status=status) as receiver:
        back = threading.Timer(3, setattr, (receiver, "status", 200))
        back.start()
        done = run_program(LEAKING.replace("SECONDS", "6"), env={**QUICK, **receiver.environ})
        back.join()
    assert (done.returncode, done.stdout) == (6, "42\n"), done.stderr
    orphans = [point for point in receiver.points if point.name == "python.asyncio.task.orphan.count" and point.value]
    assert {point.attributes["code.line.number"] for point in orphans} == {7}
    assert max(point.value for point in orphans) == 40


def test_backend_that_hangs_stops_neither_program_nor_exit():
    """It takes connections and never answers; the exporter gives up by its own limit."""

    class Hanging(BaseHTTPRequestHandler):
        def do_POST(self):
            released.wait(60)
            self.close_connection = True

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    limits = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    try:
        done = run_program(LEAKING.replace("SECONDS", "2"), env={**QUICK, **endpoint, **limits})
    finally:
        released.set()
        server.shutdown()
        serving.join()
        server.server_close()
    assert (done.returncode, done.stdout) == (6, "42\n"), done.stderr
    assert "instrumentation/concurrency" not in done.stderr


def test_providers_shut_down_or_replaced_under_us_are_no_trouble():
    """What comes after is lost with the provider, as everybody's is; the program and its end are as bare."""
    source = LEAKING.replace(
        "await asyncio.sleep(SECONDS)", "await asyncio.sleep(0.2); replace(); await asyncio.sleep(2)"
    )
    replace = """
from opentelemetry import _logs, metrics, trace
def replace():
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
        provider.shutdown()
    trace._TRACER_PROVIDER = TracerProvider()
    metrics._internal._METER_PROVIDER = MeterProvider()
    _logs._internal._LOGGER_PROVIDER = LoggerProvider()
    assert isinstance(metrics.get_meter_provider(), MeterProvider)
    assert metrics.get_meter_provider() is metrics._internal._METER_PROVIDER
    assert _logs.get_logger_provider() is _logs._internal._LOGGER_PROVIDER
"""
    with OtlpReceiver() as receiver:
        done = run_program(replace + source, env={**QUICK, **receiver.environ})
    assert (done.returncode, done.stdout) == (6, "42\n"), done.stderr
    assert "instrumentation/concurrency" not in done.stderr


# What it makes can be awaited, and has no place for a weak reference.
UNREFERABLE = """
import asyncio, os
held = set()
class Slim:
    __slots__ = ("task",)
    def __init__(self, task): self.task = task
    def __await__(self): return self.task.__await__()
    def set_name(self, name): pass
async def short(number):
    await asyncio.sleep(0)
    return number
async def wait(): await asyncio.get_running_loop().create_future()
async def leak():
    for _ in range(40):
        held.add(asyncio.create_task(wait()))
async def main():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: Slim(asyncio.Task(coro, loop=loop, **options)))
    print(sum([await asyncio.create_task(short(each)) for each in range(5)]))
    loop.set_task_factory(None)
    await asyncio.create_task(leak())
    while not os.path.exists(SEEN):
        await asyncio.sleep(0.05)
    print("end")
asyncio.run(main())
"""


@pytest.mark.every_python
def test_tasks_without_weak_references_are_logged_once(tmp_path):
    """A factory's own kind passes unrecorded; the leak that comes after it is found at its line."""

    def leaks():
        name = "python.asyncio.task.orphan.count"
        return {p.attributes["code.line.number"] for p in receiver.points if p.name == name and p.value == 40}

    with OtlpReceiver() as receiver:
        env = {**QUICK, **receiver.environ, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "asyncio,threading,logging"}
        done = run_program_until(leaks, UNREFERABLE, tmp_path / "seen", env=env)
    assert (done.returncode, done.stdout) == (0, "10\nend\n"), done.stderr
    assert (leaks(), done.stderr.count("cannot be weakly referenced")) == ({15}, 1), done.stderr
    assert "has been removed" not in done.stderr and "Traceback" not in done.stderr


LOW_LIMIT = """
import asyncio, sys, threading
sys.setrecursionlimit(LIMIT)
async def short(): return 1
caught, made = [], []
def deeper(loop, depth):
    # At the limit, whoever comes next fails: the creation, or what it calls.
    try:
        coro = short()
        try:
            made.append(loop.create_task(coro))
        except RecursionError:
            coro.close()
            raise
        deeper(loop, depth + 1)
    except RecursionError:
        caught.append(depth)
async def main():
    deeper(asyncio.get_running_loop(), 0)
    results = await asyncio.gather(*made)
    print(len(caught) == 1, sum(results) == len(made), len(made) > 10)
    thread = threading.Thread(target=print, args=("thread",))
    thread.start()
    thread.join()
    await asyncio.create_task(short())
asyncio.run(main())
ours = sys.modules["opentelemetry.instrumentation.concurrency.instrumentor"].current_installation()
print(ours is None or not ours.recorder.missing_hooks())
"""


@pytest.mark.parametrize("limit", [120, 1000])
def test_program_at_recursion_limit_gets_only_its_own_errors(limit):
    """Creations fail where the stack ends, as they do without us; the hooks stay."""
    said = []
    for disabled in ("true", "false"):
        env = {**OFFLINE, "OTEL_PYTHON_CONCURRENCY_DISABLED": disabled, **QUICK}
        env["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "asyncio,threading,logging"
        done = run_program(LOW_LIMIT.replace("LIMIT", str(limit)), env=env)
        said.append((done.returncode, done.stdout))
        # Where in asyncio the stack ends, and what is told of it, depends on the depth of each call.
        assert "The hook on" not in done.stderr
    bare, instrumented = said
    assert bare == (0, "True True True\nthread\nTrue\n"), done.stderr
    assert instrumented == bare


@pytest.mark.parametrize("ending", ["return", "sys.exit(4)", "os._exit(4)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_end_while_scans_run_is_quiet_and_as_bare(ending):
    """Scans come without a pause over ten thousand tasks when the interpreter goes."""
    source = textwrap.dedent(f"""
        import asyncio, os, signal, sys
        async def main():
            held = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(10_000)]
            await asyncio.sleep(0.3)
            print("end", flush=True)
            {ending}
        asyncio.run(main())
    """)
    said = []
    for disabled in ("true", "false"):
        env = {**OFFLINE, "OTEL_PYTHON_CONCURRENCY_DISABLED": disabled, "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "1ms"}
        done = run_program(source, env=env)
        said.append((done.returncode, done.stdout, done.stderr))
    assert said[0][1] == "end\n"
    assert said[0] == said[1]


STOPPED = """
import asyncio
async def request():
    # Its creator has ended, and its age passes the limit only while the process is stopped.
    await asyncio.sleep(TASK_LIFE)
async def handle():
    return [asyncio.ensure_future(request()) for _ in range(40)]
async def main():
    tasks = await asyncio.create_task(handle())
    print("ready", flush=True)
    await asyncio.sleep(TASK_LIFE + 0.5)
    print("end", flush=True)
asyncio.run(main())
"""


def test_process_that_was_stopped_gives_no_verdicts_for_it(tmp_path):
    """Five seconds stopped are no age of its tasks beyond two, and no blocked event loop."""
    source = STOPPED.replace("TASK_LIFE", "6.5")
    with OtlpReceiver() as receiver:
        settings = {"OTEL_PYTHON_CONCURRENCY_TASK_AGE": "4500ms", "OTEL_PYTHON_CONCURRENCY_BLOCKED_AGE": "500ms"}
        exporters = dict.fromkeys(OFFLINE, "otlp")
        with service(tmp_path, source, **QUICK | settings | exporters | receiver.environ) as running:
            assert receiver.wait_for(
                lambda: receiver.last("python.asyncio.task.count", code__function__name="__main__.handle")
            )
            os.kill(running.pid, signal.SIGSTOP)
            time.sleep(5)  # what is tested is that this time does not count
            os.kill(running.pid, signal.SIGCONT)
            assert running.process.stdout.readline() == "end\n"
            assert running.process.wait(20) == 0
    assert not [log.event_name for log in receiver.logs if log.event_name.startswith("python.")]
    assert not any(point.value for point in receiver.points if point.name == "python.asyncio.task.orphan.count")
