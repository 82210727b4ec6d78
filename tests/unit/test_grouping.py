"""Groups of similar tasks: their members, their order, and the stack that stands for them."""

from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.snapshot.grouping import alike, most_first, nearest_creation
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite, LiveGroup

OWN = (CodeLine("shop.own", "/srv/shop.py", 1),)
OTHER = (CodeLine("shop.other", "/srv/shop.py", 2),)


def group(function, count):
    return LiveGroup(kind="task", count=count, site=CreationSite(function, "/srv/shop.py", 1), oldest_s=1.0, orphans=0)


def test_members_of_a_group_and_groups_keep_their_order():
    assert alike([3, 1, 5, 2, 4], lambda number: number % 2) == [[3, 1, 5], [2, 4]]


def test_nothing_makes_no_group():
    assert alike([], lambda number: number) == []


def test_largest_group_is_first_and_equal_ones_are_sorted_by_function():
    groups = [group("b", 1), group("a", 1), group("c", 9)]
    assert [each.site.function for each in most_first(groups)] == ["c", "a", "b"]


def test_own_stack_of_any_member_is_shown_before_another_ones():
    assert nearest_creation([(OTHER, True), ((), False), (OWN, False)]) == (OWN, False)


def test_stack_of_another_is_said_to_be_one():
    assert nearest_creation([((), False), (OTHER, True)]) == (OTHER, True)


def test_group_without_stacks_shows_none():
    assert nearest_creation([((), False)]) == ((), False)
