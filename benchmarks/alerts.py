"""Two simulated hours of healthy load in four shapes, and of a leak: which alerts do the shipped rules fire, and when?

Every shape is a service with real tasks, threads and connections, watched by the real census and diagnosis at default
settings; only their clock is simulated. Each simulated minute its metrics are read as the SDK's Prometheus exporter
writes them, and promtool evaluates the rules of ``collector-config/prometheus`` over them at their default thresholds.
Fails if a healthy shape has an alert, or the leak has none.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import REGISTRY

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from corpus.park import Park, SimulatedTime, watching
from corpus.runner import instrumented, run_main

RULES = Path(__file__).parents[1] / "collector-config" / "prometheus"
MINUTES = 120
MINUTE_S = 60.0
SCAN_INTERVAL_S = 30.0
"""The default of ``OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL``."""
FOUND = re.compile(r"time: (?:(\d+)h)?(?:(\d+)m)?.*?\n(.*?)(?=expr:|\Z)", re.DOTALL)

Serve = Callable[[int, "Load"], Awaitable[None]]


class Load:
    """What happens to a service in each minute.

    Attributes:
        stack: Closes what the service has opened.
        tasks: The detached tasks of the service.
        sessions: The client sides of its connections, oldest first.
        jobs: The minute at which a job begins and what ends it, oldest first.
    """

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self.stack = stack
        self.tasks: set[asyncio.Task[object]] = set()
        self.sessions: list[socket.socket] = []
        self.jobs: list[tuple[int, asyncio.Event]] = []
        self.port = 0
        self.pool: ThreadPoolExecutor | None = None

    def keep(self, coroutine: Awaitable[object]) -> None:
        """Start a detached task, as the documentation of asyncio advises."""
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def requests(minute: int, load: Load) -> None:
    """Requests that gather two queries and log in the background; ten times as many in the second half hour."""

    async def query() -> None:
        await asyncio.sleep(0)

    async def handle() -> None:
        await asyncio.gather(asyncio.create_task(query()), asyncio.create_task(query()))
        load.keep(query())

    for _ in range(300 if 30 <= minute < 60 else 30):
        await asyncio.create_task(handle())


async def connections(minute: int, load: Load) -> None:
    """Sessions on real connections, up to 300 within an hour and down again; at minute 90 all of them reconnect."""

    async def send(queue: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await queue.get())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        sender = asyncio.create_task(send(queue, writer))
        while line := await reader.readline():
            await queue.put(line)
        sender.cancel()
        writer.close()

    if not load.port:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        load.port = server.sockets[0].getsockname()[1]
        load.stack.push_async_callback(asyncio.sleep, 0.1)
        load.stack.callback(server.close)
        load.stack.callback(lambda: _end_sessions(load, len(load.sessions)))
    wanted = round(300 * math.sin(math.pi * (minute + 1) / (MINUTES + 1)))
    if minute == 90:
        _end_sessions(load, len(load.sessions))
    _end_sessions(load, len(load.sessions) - wanted)
    while len(load.sessions) < wanted:
        load.sessions.append(socket.create_connection(("127.0.0.1", load.port)))
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


def _end_sessions(load: Load, count: int) -> None:
    for _ in range(count):
        load.sessions.pop(0).close()


async def batches(minute: int, load: Load) -> None:
    """Each hour a request starts a hundred detached jobs that live 25 minutes."""

    async def start(count: int) -> None:
        for _ in range(count):
            end = asyncio.Event()
            load.jobs.append((minute, end))
            load.keep(end.wait())

    if minute % 60 == 10:
        await asyncio.create_task(start(100))
    while load.jobs and minute - load.jobs[0][0] >= 25:
        load.jobs.pop(0)[1].set()
    await asyncio.sleep(0)


async def pools(minute: int, load: Load) -> None:
    """Workers of queues, from 5 to 40 and back with the load, and a thread pool that fills up slowly."""

    async def work(end: asyncio.Event) -> None:
        await end.wait()

    async def scale(more: int) -> None:
        for _ in range(more):
            end = asyncio.Event()
            load.jobs.append((minute, end))
            load.keep(work(end))

    if load.pool is None:
        load.pool = load.stack.enter_context(ThreadPoolExecutor(40))
    wanted = 5 + round(35 * math.sin(math.pi * minute / MINUTES))
    await asyncio.create_task(scale(max(0, wanted - len(load.jobs))))
    while len(load.jobs) > wanted:
        load.jobs.pop()[1].set()
    # A worker more each time that all are busy at once.
    calls = [load.pool.submit(time.sleep, 0.002) for _ in range(1 + minute // 3)]
    await asyncio.gather(*map(asyncio.wrap_future, calls))


async def leak(_minute: int, load: Load) -> None:
    """The service of ``otel-concurrency demo``, at 30 requests a minute: each leaks a task that can never wake."""

    async def ask(answers: asyncio.Queue[str]) -> None:
        await asyncio.sleep(0)
        await answers.put("found")

    async def search() -> str:
        answers: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        for _ in range(3):
            load.keep(ask(answers))
        return await answers.get()

    for _ in range(30):
        await asyncio.create_task(search())


HEALTHY: tuple[Serve, ...] = (requests, connections, batches, pools)


def observe(serve: Serve, minutes: int) -> list[dict[str, float]]:
    """Run a service for some simulated minutes, and return its series at the end of each."""
    found: list[dict[str, float]] = []
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader], resource=Resource.create({"service.name": "shop"}))
    clock = SimulatedTime()

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            load = Load(stack)
            for minute in range(minutes):
                await serve(minute, load)
                await Park(clock, watcher).advance(MINUTE_S)
                found.append(series())

    settings = {"metrics": "full", "meter_provider": provider, "scan_interval": SCAN_INTERVAL_S}
    try:
        with watching() as watcher, instrumented(clock, settings):
            run_main(main, "asyncio")
    finally:
        provider.shutdown()
    return found


def series() -> dict[str, float]:
    """Return the current series of this package by name and labels, as Prometheus stores them."""
    found = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name.startswith(("python_asyncio", "python_thread", "python_leak", "python_exec", "python_conc")):
                labels = {"job": "shop", "instance": "one", **sample.labels}
                text = ", ".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
                found[f"{sample.name}{{{text}}}"] = sample.value
    return found


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def alerts(found: list[dict[str, float]]) -> dict[str, int]:
    """Return the minute at which each alert first fires, by promtool."""
    names = sorted(set().union(*found))
    values = {name: " ".join(_value(minute.get(name)) for minute in found) for name in names}
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in values.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": f"{minute}m", "exp_samples": []} for minute in range(len(found))
        ],
    }
    rules = [str(RULES / name) for name in ("recording_rules.yaml", "alerting_rules.yaml")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "load.yaml")
        path.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [test]}))
        done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    first: dict[str, int] = {}
    for hours, rest, text in FOUND.findall(done.stdout + done.stderr):
        for alert in re.findall(r'alertname="(\w+)"', text):
            first.setdefault(alert, 60 * int(hours or 0) + int(rest or 0))
    if done.returncode != 0 and not first:
        raise RuntimeError(f"promtool failed: {(done.stdout + done.stderr)[-2000:]}")
    return first


def _value(value: float | None) -> str:
    return "_" if value is None or math.isnan(value) else repr(value)


def most(found: list[dict[str, float]], prefix: str) -> int:
    """Return the largest sum of the series of one metric in any minute."""
    return max(int(sum(value for name, value in each.items() if name.startswith(prefix))) for each in found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=MINUTES, help="simulated minutes of each shape")
    minutes = parser.parse_args().minutes
    print(f"{minutes} simulated minutes of each shape; default settings and thresholds")
    print(f"{'shape':12} {'tasks':>7} {'most live':>10} {'most orphans':>13}  alerts, and the minute of the first")
    failed = False
    for serve in (*HEALTHY, leak):
        found = observe(serve, minutes)
        fired = alerts(found)
        failed |= bool(fired) is (serve is not leak)
        created, live, orphans = (
            most(found, f"python_asyncio_task_{what}{{") for what in ("created_total", "count", "orphan_count")
        )
        text = ", ".join(f"{name} {minute}" for name, minute in fired.items()) or "none"
        print(f"{serve.__name__:12} {created:7,} {live:10,} {orphans:13,}  {text}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
