"""Writes the README's generated parts: ``python docs/tables.py``.

``python docs/tables.py --demo`` also runs the demo and writes what it prints. A test holds that all is current.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = "https://github.com/otel-concurrency/opentelemetry-instrumentation-concurrency/blob/main/"
"""Links and pictures of the README are absolute, because package indexes show it as well."""


def overhead() -> str:
    """Return the paragraph about overhead, with the figures of the committed table."""
    table = (RESULTS / "creation-3.11.txt").read_text()
    added = {
        (shape, loop): (float(cost), float(ratio))
        for shape, loop, cost, ratio in re.findall(r"^(\w+) +(\w+) +[\d.]+ +([\d.]+) +([\d.]+) ", table, re.M)
    }
    (await_us, await_ratio), (fan_us, fan_ratio) = added["await", "asyncio"], added["fan", "asyncio"]
    return (
        f"Recording adds {await_us:.1f} to {fan_us:.1f} µs of CPU to a task ({await_ratio:.2f} to {fan_ratio:.2f} times "
        f"bare asyncio, CPython 3.11).\nScans and proofs use at most 1 % of one core each. "
        f"[Cost]({PAGES}docs/cost.md) has all measurements."
    )


def with_block(text: str, name: str, block: str) -> str:
    """Replace what stands between a mark and the next end mark."""
    pattern = f"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found.group(1)}{block}\n", text, flags=re.S)


def current(text: str) -> str:
    """Return the README with its generated parts made anew, except the demo."""
    return with_block(text, "overhead", overhead())


def shown(printed: str) -> str:
    """Return the part of the demo's output that the README shows: tasks and their report, without threads."""
    before, _, threads = printed.partition("  where it was created:")[0].partition(
        "  live  orphans  threads created at"
    )
    return f"{before.rstrip()}\n\n{threads.partition(chr(10) * 2)[2].rstrip()}" if threads else before.rstrip()


def demo() -> str:
    """Run the demo and return the part of its output that the README shows."""
    printed = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo.py")], capture_output=True, text=True, check=True
    ).stdout
    return f"```text\n{shown(printed)}\n```"


if __name__ == "__main__":
    text = README.read_text()
    if "--demo" in sys.argv[1:]:
        text = with_block(text, "demo", demo())
    README.write_text(current(text))
