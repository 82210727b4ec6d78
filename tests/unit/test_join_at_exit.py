"""One report for one bug at exit: what was pending when main returned joins what is known of its site."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.verdict.alike_groups import join_at_exit
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.diagnose.verdict.reason import reason
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site

MAIN_RETURNED = "main returned while it was pending"
REQUEST_ENDED = "the request that started it has ended"


def group(verdict, count, evidence=REQUEST_ENDED, *, line=10, number=0):
    own = CodeLine("shop.query", "/shop/search.py", line)
    return Group(Site("task", number, None, -2, "shop", own=own, runs="shop.ask"), verdict, count, evidence, 0.0)


def left(count, **at):
    return group("orphaned", count, MAIN_RETURNED, **at)


def test_join_at_exit_orphans_count_more_with_their_own_evidence():
    # A caller of the same factory is a site of its own, and the same line.
    (joined,) = join_at_exit([group("orphaned", 5)], [left(3, number=1)])
    assert (joined.count, joined.evidence) == (8, REQUEST_ENDED)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "1 more was pending when main returned, and asyncio.run had to cancel it."),
        (3, "3 more were pending when main returned, and asyncio.run had to cancel them."),
    ],
)
def test_join_at_exit_proven_tasks_stay_proven(count, sentence):
    (joined,) = join_at_exit([group("unwakeable", 5)], [left(count)])
    assert (joined.verdict, joined.count) == ("unwakeable", 5)
    assert reason(joined, "future", 9.0, None).endswith(sentence)


def test_join_at_exit_growing_site_gives_way_to_its_tasks():
    other = group("growing", 50, line=20)
    joined = join_at_exit([group("growing", 40), other], [left(40)])
    assert [(each.verdict, each.count) for each in joined] == [("growing", 50), ("orphaned", 40)]


def test_join_at_exit_other_site_has_a_report_of_its_own():
    known = [group("orphaned", 5)]
    joined = join_at_exit(known, [left(2, line=20)])
    assert [(each.count, each.evidence) for each in joined] == [(5, REQUEST_ENDED), (2, MAIN_RETURNED)]
    assert len(known) == 1
