"""Writes the results of the benchmarks into the pages that show them: ``python docs/cost.py``.

A test holds that they are current.
"""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (
    ROOT / "docs" / "accuracy.md",
    ROOT / "docs" / "cost.md",
    ROOT / "docs" / "transparency.md",
    ROOT / "collector-config" / "README.md",
)
RESULTS = ROOT / "benchmarks" / "results"


def current(text: str) -> str:
    """Return the page with every block that is named after a result made anew."""

    def block(found: re.Match[str]) -> str:
        result = (RESULTS / found[1]).read_text().rstrip()
        return f"<!-- {found[1]} -->\n```text\n{result}\n```\n<!-- end -->"

    text = re.sub(r"<!-- (\S+\.txt) -->\n.*?<!-- end -->", block, text, flags=re.S)
    return re.sub(r"(?<=<!-- known -->\n).*?(?=<!-- end -->)", lambda _: known(), text, flags=re.S)


def known() -> str:
    """Return the tests of others that see what must be touched, each with its reason."""
    found = runpy.run_path(str(ROOT / "tests" / "transparency" / "known.py"))["KNOWN"]
    return "".join(f"* `{name}`: {reason}\n" for name, reason in found.items())


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page.read_text()))
