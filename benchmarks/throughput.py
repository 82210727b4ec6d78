"""Requests per second and p99 latency of real services, bare and instrumented, in alternating rounds of one run.

Each service runs in two processes, both under ``opentelemetry-instrument`` without exporters and without any other
instrumentation, one with this instrumentation and one with it disabled; a driver in this process asks them in turn over
kept-alive connections. Of the tasks of a request one is aiohttp's own. ``wrk`` drives instead,
where it is installed.

Rounds are short and many, and each ratio is the median over pairs of neighbouring rounds, so that a noisy machine hits
both alike. The CPU time of the service is the steadier figure: requests per second also measure the driver. One idle
thread lives in both, as the exporters of the SDK do in every process that has it: with a second thread alone, the C
library makes everything slower.
"""

import argparse
import asyncio
import datetime as dt
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median

IDLE_THREAD = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
AIOHTTP = """
import asyncio, sys
from aiohttp import web
async def backend(): await asyncio.sleep(0)
async def handle(request):
    WORK
    return web.Response(text="hello")
async def main():
    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
FASTAPI = """
import asyncio, uvicorn
from fastapi import FastAPI
app = FastAPI()
async def backend(): await asyncio.sleep(0)
@app.get("/")
async def handle():
    WORK
    return "hello"
class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)
Server(uvicorn.Config(app, port=0, log_level="critical")).run()
"""
ONE = "await backend()"
TWO = "await asyncio.gather(asyncio.create_task(backend()), asyncio.create_task(backend()))"
EXAMPLES = str(Path(__file__).parents[1] / "examples")
SHOP = f"import sys; sys.path.insert(0, {EXAMPLES!r}); from shop import search" + AIOHTTP.replace(
    "WORK", "await search.query_fixed()"
)
SERVICES = {
    "shop, four tasks a request": SHOP,
    "aiohttp, one task a request": AIOHTTP.replace("WORK", ONE),
    "aiohttp, three tasks a request": AIOHTTP.replace("WORK", TWO),
    "FastAPI, two tasks a request": FASTAPI.replace("WORK", TWO),
}
ENVIRON = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(
        entry.name for entry in entry_points(group="opentelemetry_instrumentor") if entry.name != "concurrency"
    ),
}
CONNECTIONS = 32


def start(source, *, instrumented):
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    command = [instrument, sys.executable, "-c", IDLE_THREAD + source]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    disabled = {"OTEL_PYTHON_CONCURRENCY_DISABLED": str(not instrumented).lower()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**clean, **ENVIRON, **disabled})
    return process, int(process.stdout.readline())


async def connection(port, until, latencies):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1))
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
    writer.close()


async def drive(port, seconds):
    latencies = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(connection(port, until, latencies) for _ in range(CONNECTIONS)))
    latencies.sort()
    return len(latencies) / seconds, 1000 * latencies[len(latencies) * 99 // 100]


def wrk(port, seconds):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def cpu_seconds(process):
    user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(name, rounds, seconds):
    """Print medians of the rounds and of their ratios: requests per second, CPU time a request, p99."""
    ask = wrk if shutil.which("wrk") else lambda port, seconds: asyncio.run(drive(port, seconds))
    processes = {kind: start(SERVICES[name], instrumented=kind == "instrumented") for kind in ("bare", "instrumented")}
    try:
        results = {kind: [] for kind in processes}
        for number in range(-1, rounds):
            # Who comes first changes from round to round.
            for kind in sorted(processes, reverse=number % 2 == 0):
                process, port = processes[kind]
                began = cpu_seconds(process)
                rate, latency = ask(port, seconds)
                if number >= 0:
                    results[kind].append((rate, (cpu_seconds(process) - began) / (rate * seconds), latency))
    finally:
        for process, _ in processes.values():
            process.terminate()
            process.wait(10)
    bare, with_us = ([median(part) for part in zip(*results[kind], strict=True)] for kind in ("bare", "instrumented"))
    rates, cpu, latencies = (
        median(with_us[part] / bare[part] for bare, with_us in zip(*results.values(), strict=True)) for part in range(3)
    )
    print(
        f"{name:<28}{bare[0]:>10.0f}{with_us[0]:>14.0f}{rates:>8.3f}{cpu:>15.3f}"
        f"{bare[2]:>10.2f}{with_us[2]:>14.2f}{latencies:>8.3f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--only", default="", help="services whose name holds this")
    options = parser.parse_args()
    driver = "wrk" if shutil.which("wrk") else "asyncio"
    today = dt.datetime.now(dt.timezone.utc).date()
    print(
        f"CPython {platform.python_version()}, {platform.machine()}, {today}: {CONNECTIONS} connections, "
        f"{options.rounds} rounds of {options.seconds:g} s each, driven by {driver}"
    )
    columns = f"{'bare':>10}{'instrumented':>14}{'ratio':>8}"
    print(f"{'':<28}{'requests per second':>32}{'CPU a request':>15}{'p99 in ms':>32}")
    print(f"{'':<28}{columns}{'ratio':>15}{columns}")
    for name in filter(lambda name: options.only in name, SERVICES):
        measure(name, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
