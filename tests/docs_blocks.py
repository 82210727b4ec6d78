"""The code blocks of the pages in docs/, and what their first lines promise.

``console`` is run, every ``$`` line of it; ``console exit 1`` must end so; ``console service`` is started and stays
until the page is done or starts it again, once its shown lines have come; ``console not-run: why`` is not run. The port
8000 stands for a free one. ``python file: app.py`` is
written where the commands run. What a page shows as output must come, digits aside; ``...`` stands for anything.
"""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
# Compared with the code and with real output by tests of their own: test_cli_docs.py and test_leaks_docs.py.
OTHERS = {"command-line.md", "leak-tests.md"}
PAGES = sorted(path for path in (*DOCS.glob("*.md"), *DOCS.glob("guides/*.md")) if path.name not in OTHERS)
SHELLS = {"sh", "bash", "shell", "zsh", "shell-session", "console"}
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the rest of its first line, its text."""

    language: str
    options: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines after a dollar sign, each with its continuations."""
        return [line.replace("\\\n", " ") for line in re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.text, re.M)]

    @property
    def shown(self) -> list[str]:
        """The lines of output that the page shows."""
        rest = re.sub(r"^\$ (?:.*\\\n)*.*$", "", self.text, flags=re.M)
        return [line for line in rest.splitlines() if line.strip() and line.strip() != "..."]


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    found = _BLOCK.findall(page.read_text())
    return [Block(*(first.partition(" ")[::2]), text) for first, text in found]


def pattern(line: str) -> re.Pattern[str]:
    """Return what a shown line stands for: any digits, any amount of space, anything where it has dots."""
    text = re.escape(" ".join(line.split()))
    text = re.sub(r"\d+", r"\\d+", text)
    return re.compile(text.replace(r"\.\.\.", ".*"))


def lacks(shown: list[str], output: str) -> list[str]:
    """Return the shown lines that the output does not have."""
    lines = [" ".join(line.split()) for line in output.splitlines()]
    return [line for line in shown if not any(pattern(line).fullmatch(each) for each in lines)]
