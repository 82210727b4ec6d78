"""One service with four leaks, watched by this package and by other tools: when the right line is named, what else is.

The service of ``four_leaks/service.py`` answers five requests per second under uvicorn, at default settings: a task
through a helper that healthy code uses as well, one through a library, one in every thirtieth request, and a thread.
Times count from the first request that leaks in that way. The line is right if it bears the mark ``# guilty``; what a
tool shows is judged by the innermost frame of the application. A false accusation is any other line of the application,
counted once. ``aiomonitor`` and ``asyncio ps`` judge nothing, so that everything that they list counts as accused;
``asyncio ps`` (Python 3.14 and newer) and its rows name no creating line at all.

Tools that are not installed are left out: pip install pyleak aiomonitor.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

SERVICE = Path(__file__).parent / "four_leaks" / "service.py"
LEAKS = ("helper", "library", "rare", "thread")
REQUEST_EVERY_S = 0.2
ASK_EVERY_S = 5.0
SOURCE = SERVICE.read_text().splitlines()
GUILTY = dict(zip(LEAKS, (at for at, line in enumerate(SOURCE, 1) if line.endswith("# guilty")), strict=True))
WITHIN = {
    "pyleak": "pyleak around each request",
    "aiomonitor": "aiomonitor, all that it lists",
}


class Watch:
    """What one tool has named so far.

    Attributes:
        right: Seconds after its first request at which each leak's line was named.
        wrong: Lines of the service that were named though nothing leaks there.
        listed: Rows that have to be read, in the largest answer.
    """

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.right: dict[str, float] = {}
        self.wrong: set[int] = set()
        self.listed = 0

    def name(self, line: int, at: float) -> None:
        """Note a line of the service that was accused."""
        for leak, guilty in GUILTY.items():
            if line == guilty:
                if leak in self.began:
                    self.right.setdefault(leak, max(0.0, at - self.began[leak]))
                return
        self.wrong.add(line)

    def name_innermost(self, frames: list[list[object]], at: float) -> None:
        """Note the innermost frame of the service in a stack, innermost first."""
        for path, line in frames:
            if path == str(SERVICE):
                self.name(int(str(line)), at)
                return


def serve(tool: str, seconds: float) -> dict[str, Watch]:
    """Run the service under one tool and return what was named, by the title of a row."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        environment = {**os.environ, "WATCHED_BY": tool, "OTEL_PYTHON_CONCURRENCY_AGENT_DIR": directory}
        environment |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
        environment |= {"OTEL_LOGS_EXPORTER": "console", "OTEL_PYTHON_CONCURRENCY_REPORTS": "log"}
        environment["OTEL_BLRP_SCHEDULE_DELAY"] = "100"
        command = [sys.executable, "-m", "uvicorn", "--log-level", "error", "--port", str(port)]
        command += ["--app-dir", str(SERVICE.parent), "service:app"]
        if tool == "ours":
            command[:1] = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        watches = {title: Watch() for title in titles(tool)}
        try:
            output = process.stdout
            assert output is not None
            while "ready" not in (line := output.readline()):
                assert line, "the service did not start"
            reader = threading.Thread(target=read_output, args=(tool, output, watches), daemon=True)
            reader.start()
            send_requests(port, process.pid, tool, seconds, watches, environment)
        finally:
            process.kill()
            process.wait()
        reader.join(10)
        return watches


def titles(tool: str) -> tuple[str, ...]:
    """Return the titles of the rows that a run under a tool fills."""
    if tool == "ours":
        return "this package, reports", "this package, `leaks` by hand"
    return (WITHIN.get(tool, "python -m asyncio ps"),)


def send_requests(
    port: int, pid: int, tool: str, seconds: float, watches: dict[str, Watch], environment: dict[str, str]
) -> None:
    """Send the load, and ask from outside what is to be asked."""
    asked: threading.Thread | None = None
    streams = [open_stream(port) for _ in range(5)]
    began = time.monotonic()
    number = 0
    next_question = began + ASK_EVERY_S
    while time.monotonic() - began < seconds:
        for path in ("healthy", LEAKS[number % len(LEAKS)]):
            if path in LEAKS and (path != "rare" or number % 30 == 0):
                for watch in watches.values():
                    watch.began.setdefault(path, time.time())
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}/{number}").read()
            time.sleep(REQUEST_EVERY_S)
        number += 1
        if time.monotonic() >= next_question and (asked is None or not asked.is_alive()):
            next_question += ASK_EVERY_S
            asked = threading.Thread(target=ask, args=(pid, tool, watches, environment))
            asked.start()
    if asked is not None:
        asked.join(60)
    del streams


def ask(pid: int, tool: str, watches: dict[str, Watch], environment: dict[str, str]) -> None:
    """Ask the tool from outside, as an operator does."""
    watch = list(watches.values())[-1]
    if tool == "ours":
        command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "leaks", str(pid), "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        at = time.time()
        sites = [json.dumps(found) for answer in json.loads(done.stdout or "[]") for found in accused(answer)]
        for site in map(json.loads, set(sites)):
            if site["path"] == str(SERVICE):
                watch.name(site["line"], at)
        watch.listed = max(watch.listed, len(set(sites)))
    elif tool == "asyncio ps":
        command = [sys.executable, "-m", "asyncio", "ps", str(pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        watch.listed = max(watch.listed, len(re.findall(r"Task-\d+", done.stdout)))


def accused(answer: dict[str, object]) -> list[dict[str, object]]:
    """Return path and line of every site in an answer of ``leaks --json``."""
    found = []
    for key in ("live", "growing", "young_threads"):
        for each in answer.get(key, ()):  # type: ignore[attr-defined]  # JSON
            site = each.get("site", each)
            found.append({"path": site["path"], "line": site["line"]})
    return found


def read_output(tool: str, output: object, watches: dict[str, Watch]) -> None:
    """Note what the process itself writes until it ends: reports, or what a tool within it flags."""
    watch = next(iter(watches.values()))
    if tool == "ours":
        text = ""
        for line in output:  # type: ignore[attr-defined]  # a text file
            text += line
            if line.startswith("}"):
                report(text, watch)
                text = ""
        return
    for line in output:  # type: ignore[attr-defined]  # a text file
        with contextlib.suppress(ValueError):
            flagged = json.loads(line)
            watch.listed = max(watch.listed, len(flagged["flagged"]))
            for frames in flagged["flagged"]:
                watch.name_innermost(frames, flagged["at"])


def report(text: str, watch: Watch) -> None:
    """Note a log record of the console exporter."""
    with contextlib.suppress(ValueError):
        attributes = json.loads(text[text.index("{") :]).get("attributes", {})
        if "python.leak.verdict" in attributes and attributes.get("code.file.path") == str(SERVICE):
            watch.listed += 1
            watch.name(attributes["code.line.number"], time.time())


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_stream(port: int) -> object:
    """Return a response that stays open, once the service listens."""
    while True:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/stream")
        except urllib.error.URLError:
            time.sleep(0.1)


def tools() -> list[str]:
    """Return the tools that this environment has."""
    found = ["ours", *(name for name in WITHIN if importlib.util.find_spec(name) is not None)]
    return [*found, "asyncio ps"] if sys.version_info >= (3, 14) else found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0)
    seconds = parser.parse_args().seconds
    print(f"{seconds:g} s at default settings, {platform.python_version()}; seconds until the right line is named")
    print(f"{'':30} {'  '.join(f'{leak:>7}' for leak in LEAKS)}  {'wrong lines':>11}  {'to read':>7}")
    for tool in tools():
        for title, watch in serve(tool, seconds).items():
            times = "  ".join(f"{watch.right[leak]:7.0f}" if leak in watch.right else f"{'never':>7}" for leak in LEAKS)
            print(f"{title:30} {times}  {len(watch.wrong):11}  {watch.listed:7}", flush=True)


if __name__ == "__main__":
    main()
