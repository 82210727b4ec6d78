"""The documentation says what the code does."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_tables_are_those_of_the_code():
    """Run ``python docs/tables.py`` after a change of settings, metrics or attributes."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    readme = (ROOT / "README.md").read_text()
    assert readme == tables.current(readme)


def test_lines_of_the_demo_in_the_readme_exist():
    """The file and line that the README shows are where the example really creates and waits."""
    source = (ROOT / "examples" / "shop" / "search.py").read_text().splitlines()
    shown = dict(re.findall(r"(shop\.search\.\S+) +\(?shop/search\.py:(\d+)", (ROOT / "README.md").read_text()))
    assert "create_task(ask" in source[int(shown["shop.search.query"]) - 1]
    assert "create_task(self._work" in source[int(shown["shop.search.Worker.start"]) - 1]
    assert "_taken.acquire" in source[int(shown["shop.search.HandOff.put"]) - 1]
