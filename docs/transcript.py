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

_HEADING = re.compile(r"\bLIVE .* SITE ")
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


def _shortened(found: re.Match[str]) -> str:
    padding = " " * (len(found[1]) - len("/app/")) + found[3] if found[3] else ""
    return f"/app/{found[2]}{padding}"


def squeezed(lines: list[str]) -> list[str]:
    """Return lines whose tables have no column of blanks wider than two."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if _HEADING.search(line) or not line:
            blocks.append([])
        blocks[-1].append(line)
    done = []
    for block in blocks:
        done += _squeezed_table(block) if block and _HEADING.search(block[0]) else block
    return done


def _squeezed_table(lines: list[str]) -> list[str]:
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    blank = [all(line[at] == " " for line in padded) for at in range(width)]
    kept = [at for at in range(width) if not (at > 1 and blank[at] and blank[at - 1] and blank[at - 2])]
    return ["".join(line[at] for at in kept).rstrip() for line in padded]


def demo() -> str:
    """Run the demonstration; paths and numbers of the machine that ran it are nobody's business."""
    command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "demo"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The columns of the tables stay aligned, and then lose what all of their lines leave blank.
    printed = re.sub(r"(/\S*/otel-concurrency-demo-\w+/)(\S*)( {2,})?", _shortened, printed)
    printed = "\n".join(squeezed(printed.split("\n")))
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
