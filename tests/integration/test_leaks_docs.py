"""What docs/leak-tests.md shows of a leak test is what the example prints."""

import re
import sys
from pathlib import Path

import pytest
from suites import needs, outcomes, suite  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "leaktest"


def lines_of(text):
    """Return the lines of a report without what differs between machines and versions."""
    text = re.sub(r"[^\s(\"]*/((asyncio|shop)/\w+\.py|test_search\.py)", r"\1", text)
    text = re.sub(r"(asyncio/queues\.py\", line) \d+", r"\1", text)
    text = re.sub(r"Task-\d+", "Task", re.sub(r"age: \d+ seconds?", "age", text))
    return [line.rstrip() for line in text.splitlines() if line.startswith(("  ", "* task", "1 "))]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the pages show a newer Python")
def test_the_output_is_real(suite):  # noqa: F811
    """Line by line, but for paths, ages and numbers of tasks."""
    needs("pytest_asyncio")
    shop = suite.pytester.mkpydir("shop")
    (shop / "search.py").write_text((EXAMPLE / "shop" / "search.py").read_text())
    test = (EXAMPLE / "test_search.py").read_text()
    suite.pytester.makepyfile(test_search=test)
    result = suite.run_only("test_search.py", "--leaks=error", plugins=["pytest_asyncio.plugin"])
    assert outcomes(result) == {"passed": 1, "errors": 1}
    printed = lines_of("\n".join(result.outlines))
    (shown,) = re.findall(r"```\n(_+ ERROR at .*?)```", (ROOT / "docs" / "leak-tests.md").read_text(), re.DOTALL)
    for line in lines_of(shown):
        assert line in printed or line.strip() == "..." or " passed, 1 error in " in line


def test_the_page_shows_the_code_of_the_example():
    """The function that leaks, as it stands in the example."""
    source = (EXAMPLE / "shop" / "search.py").read_text()
    assert source[source.index("def keep") :] in (ROOT / "docs" / "leak-tests.md").read_text()
