"""Writes the README's tables from the code, and the results of the benchmarks: ``python docs/tables.py``.

``python docs/tables.py --demo`` also runs the demo and writes what it prints. A test holds that all is current.
"""

import re
import subprocess
import sys
from pathlib import Path

from opentelemetry.instrumentation.concurrency.report import attributes
from opentelemetry.instrumentation.concurrency.report.metrics import OBSERVED
from opentelemetry.instrumentation.concurrency.settings import SETTING_SPECS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"

_SITE = "site"
_ATTRIBUTES = {
    "python.thread.count": "site, `python.thread.daemon`",
    "python.asyncio.task.orphan.count": "site, `python.leak.verdict`",
    "python.thread.orphan.count": "site, `python.leak.verdict`",
    "python.executor.thread.count": "site, `python.executor.thread.state`",
    "python.leak.suspect.count": "`python.leak.kind`",
    "python.concurrency.report.dropped": "`python.leak.drop_reason`",
    "python.concurrency.uptime": "`python.concurrency.recorder`",
}
_HISTOGRAMS = (
    ("python.asyncio.eventloop.delay", "histogram", "s", "`thread.name`", "Time until the event loop answers a ping."),
    ("python.concurrency.scan.duration", "histogram", "s", "", "Duration of one scan of all live tasks and threads."),
)


def settings_table() -> str:
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for spec in SETTING_SPECS:
        rows.append(
            f"| `{spec.name.upper()}` | {f'`{spec.default_text}`' if spec.default_text else 'unset'} | {spec.meaning} |"
        )
    return "\n".join(rows)


def metrics_table() -> str:
    rows = ["| metric | instrument | unit | attributes | what |", "| --- | --- | --- | --- | --- |"]
    for method, name, unit, description, _ in OBSERVED:
        instrument = method.removeprefix("create_observable_").replace("_", "-")
        where = _ATTRIBUTES.get(name, "" if name.startswith("python.concurrency") else _SITE)
        rows.append(f"| `{name}` | {instrument} | `{unit}` | {where} | {description} |")
    rows += [f"| `{name}` | {kind} | `{unit}` | {where} | {what} |" for name, kind, unit, where, what in _HISTOGRAMS]
    return "\n".join(rows)


def events_table() -> str:
    names = [value for key, value in vars(attributes).items() if key.isupper() and isinstance(value, str)]
    carried = [name for name in names if name not in attributes.EVENTS]
    return "Attributes: " + ", ".join(f"`{name}`" for name in sorted(carried)) + "."


_EVENTS = {
    attributes.TASK_ORPHANED: (
        "`orphaned` WARN, `unwakeable` ERROR",
        "Tasks of a site have no owner and outlived their creator, or nothing can wake them any more.",
    ),
    attributes.THREAD_ORPHANED: ("`orphaned` WARN", "Threads of a site outlived their creator."),
    attributes.SUSPECTED: ("`growing` WARN", "The number of old tasks or threads of a site keeps growing."),
    attributes.TASK_DESTROYED: ("`destroyed` WARN", "Tasks of a site were garbage-collected while pending."),
    attributes.LOOP_BLOCKED: ("WARN", "An event loop has not answered for `BLOCKED_AGE`. Carries the blocking stack."),
    attributes.RESOLVED: ("INFO", "A reported group has ended, or a blocked event loop answers again."),
    attributes.CONTROL: ("INFO", "The command line cancels tasks, attaches, or serves the pages."),
}


def events_list() -> str:
    rows = ["| event | verdict and severity | when |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {_EVENTS[name][0]} | {_EVENTS[name][1]} |" for name in attributes.EVENTS]
    return "\n".join(rows)


def result(name: str) -> str:
    return f"```text\n{(RESULTS / name).read_text().rstrip()}\n```"


def with_block(text: str, name: str, block: str) -> str:
    """Replace what stands between a mark and the next heading, mark or paragraph of prose after a code block."""
    pattern = f"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found.group(1)}{block}\n", text, flags=re.S)


def transcript() -> str:
    """Return what the page about the command line shows of its demonstration, for the README."""
    page = (ROOT / "docs" / "command-line.md").read_text()
    found = re.search(r"<!-- demo -->\n(.*?)\n<!-- end -->", page, re.S)
    assert found is not None
    return found.group(1)


def current(text: str) -> str:
    blocks = {
        "transcript": transcript(),
        "settings": settings_table(),
        "metrics": metrics_table(),
        "events": events_list(),
        "attributes": events_table(),
        **{path.name: result(path.name) for path in RESULTS.glob("*.txt")},
    }
    for name, block in blocks.items():
        text = with_block(text, name, block)
    return text


def demo() -> str:
    """Run the demo and return the part of its output that the README shows."""
    printed = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")], capture_output=True, text=True, check=True
    ).stdout
    shown = printed.partition("  where it was created:")[0].rstrip()
    return f"```text\n{shown}\n```"


if __name__ == "__main__":
    text = README.read_text()
    if "--demo" in sys.argv[1:]:
        text = with_block(text, "demo", demo())
    README.write_text(current(text))
