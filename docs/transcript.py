"""Writes the table of commands and the transcript of docs/command-line.md: ``python docs/transcript.py``.

``python docs/transcript.py --demo`` also runs ``otel-concurrency demo`` and writes what it prints. A test holds that the
table is current.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

from opentelemetry.instrumentation.concurrency.cli.main import COMMANDS

PAGE = Path(__file__).parent / "command-line.md"


def commands_table() -> str:
    rows = ["| command | what |", "| --- | --- |"]
    for name in COMMANDS:
        module = importlib.import_module(f"opentelemetry.instrumentation.concurrency.cli.{name}")
        rows.append(f"| `{module.NAME}` | {module.HELP.replace('*', chr(92) + '*')} |")
    return "\n".join(rows)


def examples() -> str:
    lines = []
    for name in COMMANDS:
        module = importlib.import_module(f"opentelemetry.instrumentation.concurrency.cli.{name}")
        lines.append(module.EXAMPLES)
    return "```sh\n" + "\n".join(lines) + "\n```"


def with_block(text: str, name: str, block: str) -> str:
    pattern = f"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found.group(1)}{block}\n", text, flags=re.S)


def current(text: str) -> str:
    return with_block(with_block(text, "commands", commands_table()), "examples", examples())


def demo() -> str:
    """Run the demonstration; paths and numbers of the machine that ran it are nobody's business."""
    command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "demo"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    printed = re.sub(r"/\S*/otel-concurrency-demo-\w+/", "/app/", printed)
    printed = re.sub(r"/\S*/lib/(python3\.\d+)/", r".../\1/", printed)
    printed = re.sub(r"/\S*/src/opentelemetry/", ".../opentelemetry/", printed)
    printed = re.sub(r"/\S*/bin/python\S*", "python", printed)
    lines = [line.rstrip() for line in printed.strip().splitlines()]
    # Other processes of the machine that ran it, neither.
    lines = [line for line in lines if not re.match(r" *\d+ +\d+ +\*", line) or "/app/" in line]
    return "```text\n" + "\n".join(lines) + "\n```"


if __name__ == "__main__":
    page = PAGE.read_text()
    if "--demo" in sys.argv[1:]:
        page = with_block(page, "demo", demo())
    PAGE.write_text(current(page))
