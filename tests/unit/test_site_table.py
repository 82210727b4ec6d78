"""The table of sites: what it expects of other threads, and which sites may have started a coroutine."""

import asyncio
import sys

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import site_table
from opentelemetry.instrumentation.concurrency.record.application import ApplicationCode
from opentelemetry.instrumentation.concurrency.record.site_table import SiteTable


async def ask():
    """Be what runs."""


async def mail():
    """Be something else."""


def new_table():
    return SiteTable(
        "task", stack_depth=4, stack_sampling=1, on_new_site=lambda: None, application=ApplicationCode((), ())
    )


@pytest.fixture
def table():
    return new_table()


@pytest.fixture
def coroutines():
    made = [ask(), mail(), ask(), ask()]
    yield made
    for each in made:
        each.close()


def test_may_start_is_true_only_where_the_function_was_started(table, coroutines):
    asked = table.find(sys._getframe(), coroutines[0])
    mailed = table.find(sys._getframe(), coroutines[1])
    assert asked is not mailed
    assert table.may_start(asked, coroutines[2]) is True
    assert table.may_start(asked, coroutines[1]) is False
    assert table.may_start(mailed, coroutines[2]) is False


def test_may_start_cannot_be_excluded_without_code(table, coroutines):
    site = table.find(sys._getframe(), coroutines[0])
    assert table.may_start(site, object()) is True


def test_may_start_cannot_be_excluded_for_the_site_of_all_others(table, coroutines):
    table.find(sys._getframe(), coroutines[0])
    table.other = table.named("_OTHER")
    assert table.may_start(table.other, coroutines[1]) is True


def test_may_start_cannot_be_excluded_at_the_limit(table, coroutines, monkeypatch):
    site = table.find(sys._getframe(), coroutines[0])
    monkeypatch.setattr(site_table, "MAX_SITES_KNOWN", 1)
    assert table.may_start(site, coroutines[1]) is True


def test_only_site_of_a_function_is_none_if_there_are_several(table, coroutines):
    assert table.only_site_of(coroutines[0]) is None
    first = table.find(sys._getframe(), coroutines[0])
    assert table.only_site_of(coroutines[2]) is first
    second = table.find(sys._getframe(), coroutines[2])
    assert second is not first
    assert table.only_site_of(coroutines[2]) is None


@pytest.mark.parametrize(("left", "has_stack"), [(1, True), (2, False)])
def test_coroutine_handed_over_keeps_its_stack_if_one_is_due(table, coroutines, left, has_stack):
    """The task is created by another thread, whose stack says nothing."""

    def hand_over(coroutine):
        table.expect(coroutine, sys._getframe())

    for coroutine in (coroutines[0], coroutines[2]):
        hand_over(coroutine)
        _, site, flat = table._expected[id(coroutine)]
        site.samples_until_stack = left
    assert bool(flat) is has_stack


def test_coroutine_handed_over_is_found_at_the_line_that_did_so(table, coroutines):
    table.expect(coroutines[0], sys._getframe())
    _, site, _ = table._expected[id(coroutines[0])]
    assert table.find(None, coroutines[0]) is site


def test_predecessor_is_sought_only_where_sites_can_be_located(table, monkeypatch):
    """Without a census that knows where a finished task was created there is no answer."""
    ended = object()
    monkeypatch.setattr(site_table, "ended_task_given_to", lambda outward: outward)
    assert table._predecessor_site(ended) is None
    table.locate = {ended: "its site"}.get
    assert table._predecessor_site(ended) == "its site"
    assert table._predecessor_site(None) is None


def spawn(coroutine):
    return asyncio.create_task(coroutine)


async def first():
    await spawn(ask())


async def second():
    await spawn(ask())


def test_sites_behind_one_spawning_line_share_it():
    ConcurrencyInstrumentor().instrument(reports="none", metrics="none", scan_interval=3600)
    try:
        asyncio.run(first())
        asyncio.run(second())
        sites = current_installation().recorder.task_sites.sites
        found = [site.spawning for site in sites if site.function in (f"{__name__}.first", f"{__name__}.second")]
    finally:
        ConcurrencyInstrumentor().uninstrument()
    assert len(found) == 2
    assert found[0] is found[1]
    assert found[0].line.function == f"{__name__}.spawn"
