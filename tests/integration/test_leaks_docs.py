"""What docs/leak-tests.md shows is what the example prints."""

import re
import sys
from pathlib import Path

import pytest
from suites import PLUGIN, outcomes, suite  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "leaktest" / "test_search.py"


def shown():
    """Return the output that the page shows."""
    text = (ROOT / "docs" / "leak-tests.md").read_text()
    return re.search(r"<!-- example: .*? -->\n```text\n(.*?)```", text, re.DOTALL)[1]


def comparable(text, directory):
    """Return the report without what differs between machines."""
    text = re.sub(r"age: \d+ seconds?", "age", text.replace(f"{directory}/", ""))
    text = re.sub(r'File "\S*/asyncio/queues.py", line \d+', 'File "asyncio/queues.py"', text)
    return [line.rstrip() for line in text.splitlines() if line.startswith((" ", "*", "1 task"))]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the page shows a newer Python")
def test_the_output_is_real(suite):  # noqa: F811
    """Line by line, but for paths."""
    suite.pytester.makepyfile(test_search=EXAMPLE.read_text())
    result = suite.pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", PLUGIN, "--leaks=error")
    assert outcomes(result) == {"passed": 1, "errors": 1}
    printed = comparable("\n".join(result.outlines), suite.pytester.path)
    expected = comparable(shown(), "nowhere")
    assert [line for line in expected if line not in printed] == []
    assert any("wait reason: queue.put" in line for line in expected)
