"""The reason of a growing site or line, in sentences."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.diagnose.verdict.reason import reason
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site


def growing(callers):
    site = Site("task", 0, None, -2, "shop.query", runs="shop.ask")
    group = Group(site, "growing", 30, "the tasks rose from 10 to 30", 0.0)
    group.callers = tuple((CodeLine(f"shop.call_{number}", "shop.py", number), 5) for number in range(callers))
    return reason(group, "", 1.0, None)


def test_growing_site_has_its_evidence():
    assert growing(0) == "The number of live tasks started at this line keeps growing: the tasks rose from 10 to 30."


@pytest.mark.parametrize(
    ("callers", "end"),
    [
        (2, "5 by shop.call_0 (shop.py:0), 5 by shop.call_1 (shop.py:1)."),
        (5, "5 by shop.call_4 (shop.py:4)."),
        (6, "5 by shop.call_4 (shop.py:4) and others by 1 more line."),
        (8, "5 by shop.call_4 (shop.py:4) and others by 3 more lines."),
    ],
)
def test_growing_line_names_those_that_call_it_most(callers, end):
    text = growing(callers)
    assert (
        "started through this line keeps growing: the tasks rose from 10 to 30. No creating line stands out: " in text
    )
    assert text.endswith(end)
