"""``make demo``: runs a leaking service under ``opentelemetry-instrument`` and shows the resulting telemetry."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import aiohttp
from otlp_receiver import OtlpReceiver, Point

HERE = Path(__file__).parent
REQUESTS = {"/query": 1000, "/query-fixed": 1000, "/report": 30, "/digest": 20}
CONCURRENCY = 100
SITE = "shop.search.query"
SITE_ATTRIBUTES = ("code.function.name", "code.file.path", "code.line.number")


def start_service(environ: dict[str, str], log) -> tuple[subprocess.Popen, int]:
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    process = subprocess.Popen(
        [instrument, sys.executable, "-m", "shop.service"],
        cwd=HERE,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if line[:1] != ["READY"]:
        raise SystemExit("The service did not start; its output:\n" + Path(log.name).read_text()[-2000:])
    return process, int(line[1])


async def drive(port: int) -> None:
    places = asyncio.Semaphore(CONCURRENCY)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as session:

        async def one(path: str) -> None:
            async with places, session.get(path) as response:
                assert response.status == 200, response.status
                await response.read()

        for path, number in REQUESTS.items():
            await asyncio.gather(*(one(path) for _ in range(number)))


def complete(receiver: OtlpReceiver) -> bool:
    tasks, threads = (receiver.reports(f"python.{kind}.orphaned") for kind in ("asyncio.task", "thread"))
    live = receiver.total("python.asyncio.task.orphan.count", code__function__name=SITE)
    left = receiver.total("python.thread.orphan.count", code__function__name="shop.search.report")
    return bool(tasks and threads and live == REQUESTS["/query"] and left == REQUESTS["/report"])


def short(path: str | None, line: int | None) -> str:
    """Return file and line as ``shop/search.py:38``, with at most two parts of the path."""
    parts = (path or "").split("/")
    return f"{'/'.join(parts[-2:])}:{line}" if path else ""


def cut(line: str) -> str:
    """Truncate a line to the width of the screen."""
    return line if len(line) <= 110 else f"{line[:107]}..."


def print_live(points: list[Point], kind: str, metric: str) -> int:
    """Print the latest live counts by site, largest first, and return the number of sites with exactly a thousand."""
    runs = "python.asyncio.task.coroutine" if kind == "tasks" else "python.thread.target"
    newest = max((point.export for point in points if point.name == f"{metric}.count"), default=0)
    live: dict[tuple, float] = {}
    for point in points:
        if point.export == newest and point.name == f"{metric}.count":
            where = point.attributes
            key = tuple(where.get(name) for name in (*SITE_ATTRIBUTES, runs))
            live[key] = live.get(key, 0) + point.value
    print(f"\n{'live':>6} {'orphans':>8}  {kind} created at")
    for key, number in sorted(live.items(), key=lambda item: -item[1])[:5]:
        if number:
            site = {name: value for name, value in zip((*SITE_ATTRIBUTES, runs), key, strict=True) if value is not None}
            function, path, line, target = key
            orphans = sum(
                point.value
                for point in points
                if point.export == newest
                and point.name == f"{metric}.orphan.count"
                and site.items() <= point.attributes.items()
            )
            what = f"  runs {target}" if target else ""
            print(cut(f"{number:6.0f} {orphans:8.0f}  {function}  {short(path, line)}".rstrip() + what))
    return sum(number == REQUESTS["/query"] for number in live.values())


def print_report(receiver: OtlpReceiver) -> dict:
    reports = receiver.reports("python.asyncio.task.orphaned")
    report = max(reports, key=lambda span: span.events[0][1]["python.leak.count"])
    event = report.events[0][1]
    print(f"\nspan event {report.events[0][0]}, {event['python.leak.count']} tasks in one report:")
    print(textwrap.fill(event["python.leak.reason"], 108, initial_indent="  ", subsequent_indent="  "))
    print(f"  waiting at   {event['python.leak.waiting_at']}")
    print(f"  runs         {event['python.asyncio.task.coroutine']}")
    print(f"  through      {', '.join(event['python.leak.spawned_via'])}")
    print(f"  started by   {event.get('python.leak.creator.span_name', '?')}, trace {report.links[0][0]}")
    # The first report may come before there is CPU time to measure.
    if "python.leak.memory.usage" in event:
        print(f"  costs        {event['python.leak.memory.usage'] / 1e6:.1f} MB that only these tasks hold")
    for title, key in (("held by", "python.leak.held_by"), ("waits on", "python.leak.waits_on")):
        if key in event:
            print(f"  {title:12} {event[key]}")
    if "python.leak.advice" in event:
        print(
            textwrap.fill(
                event["python.leak.advice"], 108, initial_indent="  what ends it ", subsequent_indent=" " * 15
            )
        )
    for title, key in (
        ("where it waits", "code.stacktrace"),
        ("where it was created", "python.leak.creation_stacktrace"),
    ):
        print(f"  {title}:")
        for line in event[key].splitlines()[-5:]:
            ours = line.replace(str(HERE) + os.sep, "")
            print(cut("  " + re.sub(r'File "/.*/(.*?/.*?/.*?)"', r'File ".../\1"', ours)))
    return event


def show(receiver: OtlpReceiver, points: list[Point], seconds: float) -> bool:
    print(f"{sum(REQUESTS.values())} requests to an aiohttp service without any telemetry code, {seconds:.0f} s.")
    leaking_lines = print_live(points, "tasks", "python.asyncio.task")
    print_live(points, "threads", "python.thread")
    event = print_report(receiver)
    twin = receiver.total("python.asyncio.task.orphan.count", code__function__name="shop.search.query_fixed") or 0
    print(f"\nThe fixed handler (/query-fixed, {REQUESTS['/query-fixed']} requests): {twin:.0f} orphans.")
    print("In your own service:  pip install 'opentelemetry-instrumentation-concurrency[otlp]'")
    print("                      opentelemetry-instrument python app.py")
    return leaking_lines == 1 and event["python.leak.count"] == REQUESTS["/query"] and twin == 0


def main() -> int:
    began = time.monotonic()
    settings = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
        "OTEL_PYTHON_CONCURRENCY_TASK_AGE": "3s",
        "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "3s",
        "OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL": "500ms",
    }
    elsewhere = os.environ.get("OTLP")
    with OtlpReceiver() as receiver, tempfile.NamedTemporaryFile("w") as log:
        if elsewhere:
            settings |= {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere}
        else:
            settings |= receiver.environ
        process, port = start_service(settings, log)
        try:
            asyncio.run(drive(port))
            done = receiver.wait_for(lambda: bool(elsewhere) or complete(receiver), 20)
            points = list(receiver.points)  # the counts before the service ends
            if elsewhere:
                time.sleep(8)  # leaks are reported only after their age limit
        finally:
            process.terminate()
            process.wait(10)
        if elsewhere:
            print(f"Sent to {elsewhere}. Search for python.asyncio.task.count by code.function.name (1000 at {SITE}),")
            print("and for spans and log records named python.asyncio.task.orphaned.")
            return 0
        if not done:
            got = receiver.total("python.asyncio.task.orphan.count", code__function__name=SITE)
            print(f"After 20 s: {got} orphans at {SITE}, spans {sorted({span.name for span in receiver.spans})}.")
            print("Output of the service:\n" + Path(log.name).read_text()[-2000:])
            return 1
        return 0 if show(receiver, points, time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
