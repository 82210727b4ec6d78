"""Which creation stacks a site keeps, and whose they are."""

import asyncio
import gc
import threading
import weakref

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.creation_stack import CreationStack
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site, SpawningLine


class Thing:
    """Can be weakly referenced."""


def stack_for(thing) -> CreationStack:
    return CreationStack(0.0, [test_stack_belongs_to_one_creation.__code__, 0, __name__], lambda: thing)


def new_site() -> Site:
    return Site("task", 0, stack_for.__code__, 0, __name__)


def test_stack_belongs_to_one_creation():
    site, one, other = new_site(), Thing(), Thing()
    site.keep_stack(stack_for(one), id(one))
    assert site.stack_of(one) is site.any_stack()
    assert site.stack_of(other) is None


def test_stack_at_a_reused_address_is_not_the_new_ones():
    site, gone, new = new_site(), Thing(), Thing()
    site.keep_stack(stack_for(gone), id(new))
    assert site.stack_of(new) is None


def test_any_stack_is_the_latest():
    site, things = new_site(), [Thing(), Thing()]
    assert site.any_stack() is None
    for thing in things:
        site.keep_stack(stack_for(thing), id(thing))
    assert site.any_stack().reference() is things[1]


def test_many_stacks_keep_the_oldest_and_the_latest():
    """What has survived longest is what leaks."""
    site, things = new_site(), [Thing() for _ in range(1000)]
    for thing in things:
        site.keep_stack(stack_for(thing), id(thing))
    assert 0 < len(site.stacks) <= 64
    assert site.stack_of(things[-1]) is not None
    assert site.stack_of(things[0]) is not None
    assert site.stack_of(things[500]) is None


def test_stacks_of_ended_tasks_are_dropped_except_the_latest():
    site, things = new_site(), [Thing() for _ in range(4)]
    for thing in things:
        site.keep_stack(stack_for(thing), id(thing))
    site.drop_ended_stacks(lambda thing: thing is not things[1])
    assert [stack.reference() for stack in site.stacks.values()] == [things[1], things[3]]


def test_requested_stacks_make_the_next_creation_due():
    site = new_site()
    site.samples_until_stack -= 1
    site.schedule_stack(128)
    site.samples_until_stack -= 5
    assert site.created == 6
    site.want_stacks(True)
    assert (site.created, site.samples_until_stack) == (6, 1)
    site.want_stacks(True)
    assert (site.created, site.samples_until_stack) == (6, 1)


@pytest.fixture
def instrumented():
    ConcurrencyInstrumentor().instrument(
        metrics="none", reports="none", agent_disabled=True, eventloop_delay_disabled=True, scan_interval=3600
    )
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


def site_running(installation, name: str) -> Site:
    (site,) = (each for each in installation.recorder.task_sites.sites if each.runs.endswith(name))
    return site


async def waits():
    await asyncio.get_running_loop().create_future()


def test_further_creations_have_own_stacks_while_requested(instrumented):
    async def main():
        def start():
            return asyncio.create_task(waits())

        made = []
        for number in range(7):
            made.append(start())
            site = site_running(instrumented, "waits")
            site.want_stacks(1 <= number < 4)
        found = [site.stack_of(task) is not None for task in made]
        for task in made:
            task.cancel()
        return found

    # The first is always recorded; what was due when the wish ended still comes.
    assert asyncio.run(main()) == [True, False, True, True, True, True, False]


def test_sampling_of_one_records_every_stack(instrumented):
    ConcurrencyInstrumentor().uninstrument()
    ConcurrencyInstrumentor().instrument(
        metrics="none", reports="none", agent_disabled=True, scan_interval=3600, stack_sampling=1
    )

    async def main():
        made = [asyncio.create_task(waits()) for _ in range(5)]
        site = site_running(current_installation(), "waits")
        found = [site.stack_of(task) is not None for task in made]
        for task in made:
            task.cancel()
        return found

    assert asyncio.run(main()) == [True] * 5


def test_stack_of_handed_over_coroutine_is_the_other_threads(instrumented):
    async def main():
        loop, handed = asyncio.get_running_loop(), []

        def hand_over():
            handed.append(asyncio.run_coroutine_threadsafe(waits(), loop))

        thread = threading.Thread(target=hand_over)
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)
        stack = site_running(instrumented, "waits").any_stack()
        handed[0].cancel()
        return stack.frames[0].code.co_name

    assert asyncio.run(main()) == "hand_over"


def test_coroutine_handed_over_and_dropped_is_forgotten(instrumented):
    """A loop that never runs again must not keep what was handed over to it."""
    loop = asyncio.new_event_loop()
    coroutine = waits()
    reference = weakref.ref(coroutine)
    try:
        asyncio.run_coroutine_threadsafe(coroutine, loop)
        loop._ready.clear()
    finally:
        loop.close()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        del coroutine
        gc.collect()
    assert reference() is None


def test_site_is_shown_with_number_line_and_what_runs():
    site = Site("task", 7, None, -2, "shop.query", runs="shop.ask")
    site.path, site.line = "/srv/shop.py", 12
    assert repr(site) == "<Site 7 shop.query /srv/shop.py:12 runs shop.ask>"


def test_spawning_line_is_shown_with_its_line_and_what_runs():
    line = CodeLine("shop.start", "/srv/shop.py", 8)
    assert repr(SpawningLine(line, "shop.ask")) == "<SpawningLine shop.start /srv/shop.py:8 runs shop.ask>"
