"""A Prometheus server on loopback with the rules of ``collector-config/prometheus``, as a context manager."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULES = ROOT / "collector-config" / "prometheus"
_MINUTES = re.compile(r"(?<=[\[ :])(\d+)m(?=[\]) :\n])")
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [recording_rules.yaml, alerting_rules.yaml]
scrape_configs:
  - job_name: given
    honor_labels: true
    static_configs:
"""


def program(name: str, *, built: bool) -> str | None:
    """Return the path of ``prometheus`` or ``promtool``, or None: the installed one, or that of ``make prometheus``."""
    return shutil.which(name, path=str(ROOT / "build" / "prometheus3") if built else None)


class Prometheus:
    """A running server.

    Args:
        address: Its host and port.
        otlp: Translation strategy with which it accepts OTLP; empty if it accepts none.
    """

    def __init__(self, address: str, otlp: str = "") -> None:
        self.address = address
        self.otlp = otlp

    def query(self, expression: str, **when: float) -> list[dict]:
        """Return the current result of an expression, or its range with ``start``, ``end`` and ``step``."""
        path = "query_range" if when else "query"
        arguments = urllib.parse.urlencode({"query": expression, **when})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{arguments}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def value(self, expression: str) -> float | None:
        """Return the first value of an expression, or None if it has none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Return name and job of the firing alerts."""
        found = self.query('ALERTS{alertstate="firing"}')
        return {(each["metric"]["alertname"], each["metric"].get("job", "")) for each in found}


@contextlib.contextmanager
def prometheus(
    port: int,
    targets: dict[str, str],
    *,
    said: Sequence[str] = (),
    seconds_for_minutes: bool = False,
    built: bool = False,
    otlp: str = "",
) -> Iterator[Prometheus]:
    """Run Prometheus until the end of the block.

    Args:
        port: Port to listen on.
        targets: Addresses to scrape, by job.
        said: Addresses whose samples have their own job and instance, such as the Collector's exporter.
        seconds_for_minutes: Whether to treat every minute in the rules as a second, to shorten a test.
        built: Whether to run the Prometheus 3 of ``make prometheus`` rather than the installed one.
        otlp: Translation strategy with which the server accepts OTLP; empty to accept none. Needs Prometheus 3.
    """
    executable = program("prometheus", built=built)
    if executable is None:
        raise FileNotFoundError("No prometheus: install Debian's package prometheus, or run `make prometheus`.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("recording_rules.yaml", "alerting_rules.yaml"):
            text = (RULES / name).read_text()
            (folder / name).write_text(
                _MINUTES.sub(r"\1s", text).replace("3 * 3600", "180") if seconds_for_minutes else text
            )
        config = CONFIG.format()
        for job, target in targets.items():
            config += f"      - targets: [{json.dumps(target)}]\n        labels: {{job: {json.dumps(job)}}}\n"
        config += f"      - targets: {json.dumps(list(said))}\n"
        if otlp:
            config += f"otlp: {{translation_strategy: {otlp}}}\n"
        (folder / "prometheus.yaml").write_text(config)
        command = [executable, f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"]
        command += ["--web.enable-otlp-receiver"] if otlp else []
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log)
            try:
                server = Prometheus(f"127.0.0.1:{port}", otlp)
                _wait_until_ready(server, process, folder / "log")
                yield server
            finally:
                process.terminate()
                process.wait(20)


def _wait_until_ready(server: Prometheus, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):
            server.query("1")
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)
