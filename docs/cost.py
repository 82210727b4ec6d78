"""Writes the results of the benchmarks into docs/cost.md: ``python docs/cost.py``. A test holds that they are current."""

import re
from pathlib import Path

PAGE = Path(__file__).parent / "cost.md"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"


def current(text: str) -> str:
    """Return the page with every block that is named after a result made anew."""

    def block(found: re.Match[str]) -> str:
        result = (RESULTS / found[1]).read_text().rstrip()
        return f"<!-- {found[1]} -->\n```text\n{result}\n```\n<!-- end -->"

    return re.sub(r"<!-- (\S+\.txt) -->\n.*?<!-- end -->", block, text, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text()))
