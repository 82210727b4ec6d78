"""Tasks and threads of a process that was running before it was instrumented, and what is left after ``detach``."""

import asyncio
import gc
import sys
import threading

import pytest
from pictured import leaked, snapshot

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, take_snapshot
from opentelemetry.instrumentation.concurrency.attached import attach_here, detach_here
from opentelemetry.instrumentation.concurrency.census.before_attach import BeforeAttach
from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.site_cells import site_cells
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group, Representative
from opentelemetry.instrumentation.concurrency.diagnose.verdict.reason import reason
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.site import BEFORE_ATTACH, Site
from opentelemetry.instrumentation.concurrency.render.full_text import full_text
from opentelemetry.instrumentation.concurrency.render.grouped_text import grouped_text
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot, write_snapshot
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

held = set()
BEFORE = CreationSite(BEFORE_ATTACH, "", 0, "shop.search.ask")


async def ask():
    await asyncio.get_running_loop().create_future()


async def mail():
    await asyncio.get_running_loop().create_future()


def query():
    held.add(asyncio.create_task(ask()))


def query_again():
    held.add(asyncio.create_task(ask()))


@pytest.fixture
def attached(monkeypatch):
    """Attach to this process, with settings under which no scan starts by itself; detach at the end."""
    monkeypatch.setenv("OTEL_PYTHON_CONCURRENCY_REPORTS", "none")
    monkeypatch.setenv("OTEL_PYTHON_CONCURRENCY_SCAN_INTERVAL", "1h")
    monkeypatch.setenv("OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED", "true")

    def attach():
        assert attach_here(4711, 0) == ""
        return current_installation().census

    yield attach
    if current_installation() is not None:
        detach_here(4711, 0)
    held.clear()


def scan(census, times=1):
    for _ in range(times):
        census.scan()


def tasks_by_site(name):
    """Return the number of tasks that run a function of this module, by creating function, and how many are marked."""
    alike = [task for task in take_snapshot().tasks if task.site.runs.endswith(f".{name}")]
    counted = {}
    for task in alike:
        counted[task.site.function.rpartition(".")[2]] = counted.get(task.site.function.rpartition(".")[2], 0) + 1
    return counted, sum(task.before_attach for task in alike)


async def started(count, start=query):
    for _ in range(count):
        start()
    await asyncio.sleep(0)


def test_attach_tasks_from_before_name_what_they_run(attached):
    """The line that created them is not known, and their age is a lower bound."""

    async def main():
        await started(3)
        held.add(asyncio.create_task(mail()))
        census = attached()
        scan(census, 2)
        return tasks_by_site("ask"), tasks_by_site("mail"), take_snapshot().tasks

    asks, mails, tasks = asyncio.run(main())
    assert (asks, mails) == (({BEFORE_ATTACH: 3}, 3), ({BEFORE_ATTACH: 1}, 1))
    ages = {task.age_s for task in tasks if task.before_attach}
    assert max(ages) - min(ages) < 0.001


def test_attach_one_line_that_starts_the_same_is_one_site(attached):
    async def main():
        await started(3)
        census = attached()
        scan(census, 2)
        await started(2)
        scan(census)
        return tasks_by_site("ask")

    assert asyncio.run(main()) == ({"query": 5}, 3)


def test_attach_second_line_that_starts_the_same_takes_back(attached):
    """Which of them created the tasks from before is then not known."""

    async def main():
        await started(3)
        census = attached()
        scan(census, 2)
        await started(2)
        scan(census)
        await started(4, query_again)
        scan(census)
        return tasks_by_site("ask")

    assert asyncio.run(main()) == ({"query": 2, "query_again": 4, BEFORE_ATTACH: 3}, 3)


def test_attach_unrecorded_later_is_not_from_before(attached):
    """A task that bypasses the hooks after `attach` is named by its own code, as without `attach`."""

    async def main():
        census = attached()
        scan(census, 2)
        held.add(asyncio.Task(ask()))
        await asyncio.sleep(0)
        return tasks_by_site("ask")

    assert asyncio.run(main()) == ({"ask": 1}, 0)


def test_attach_thread_from_before_names_its_target(attached):
    done = threading.Event()

    def write_report():
        done.wait()

    thread = threading.Thread(target=write_report)
    thread.start()
    try:
        scan(attached(), 2)
        (found,) = [each for each in take_snapshot().threads if each.site.runs.endswith("write_report")]
        assert found.site.function == BEFORE_ATTACH and found.before_attach
    finally:
        done.set()
        thread.join()


def test_detach_removes_hooks_and_paths(attached):
    original = asyncio.BaseEventLoop.create_task
    sys.path.append("/nonexistent/otel-concurrency")
    assert attach_here(4711, 0, ["/nonexistent/otel-concurrency"]) == ""
    assert asyncio.BaseEventLoop.create_task is not original
    assert attach_here(4711, 0) == "The process is already instrumented."
    assert detach_here(4711, 0) == ""
    assert asyncio.BaseEventLoop.create_task is original
    assert "/nonexistent/otel-concurrency" not in sys.path
    assert detach_here(4711, 0) == "The process is not instrumented."


def test_detach_and_attach_again_works(attached):
    attached()
    assert detach_here(4711, 0) == ""
    attached()
    assert current_installation() is not None


def test_detach_of_a_process_that_instruments_itself_is_refused(attached):
    ConcurrencyInstrumentor().instrument(reports="none")
    try:
        assert "restart it" in detach_here(4711, 0)
        assert current_installation() is not None
    finally:
        ConcurrencyInstrumentor().uninstrument()


def test_settle_two_functions_of_one_name_do_not_share_a_line():
    """The rows of the second would not find their way back."""

    class Table:
        kind, other = "task", None

        def sites_that_start(self, _code):
            return {line}

    homes = [Site("task", number, None, -1, "shop", runs="shop.ask") for number in (0, 1)]
    line = Site("task", 2, None, 8, "shop", runs="shop.ask")
    before, columns = BeforeAttach(), Columns(lambda _: False)
    before.begin(5.0)
    for home in homes:
        columns.add(home, lambda: None, home, 9.0, None, None)
        before.note(columns, home)
    before.settle(columns, Table())
    assert list(columns.sites) == [2, 1]
    assert list(columns.created_at) == [5.0, 5.0]
    assert before.are_at("task", [line]) and not before.are_at("thread", [line])
    Table.sites_that_start = lambda _self, _code: set()
    before.settle(columns, Table())
    assert list(columns.sites) == [0, 1]


def test_texts_say_created_before_attach():
    """In each form that names the creating line."""
    picture = leaked(site=BEFORE, before_attach=True)
    leaks = "".join(leak_lines(Taken(snapshot([picture], ()), ProcessInfo(4711)), {}))
    for text in (leaks, "".join(full_text([picture])), "".join(grouped_text("task", tally([picture])))):
        assert "created before attach" in text and BEFORE_ATTACH not in text and "created by" not in text
    assert "it is at least" in leaks
    assert site_cells(BEFORE)[0] == "before attach"


def test_leaks_of_a_joined_site_count_those_from_before():
    pictures = [leaked(serial=1), leaked(serial=2, before_attach=True)]
    leaks = "".join(leak_lines(Taken(snapshot(pictures, ()), ProcessInfo(4711)), {}))
    assert "1 of them created before attach" in leaks


def test_reason_from_before_gives_a_least_age():
    group = Group(Site("task", 0, None, -2, BEFORE_ATTACH), "orphaned", 3, "nothing holds it", 0.0, is_complete=True)
    group.representative = Representative(lambda: None, 1, 0.0, None, group.site, True)
    text = reason(group, "sleep", 60.0, None)
    assert text.startswith("3 tasks created before attach have leaked. The one shown is at least 60 seconds old")


def test_snapshot_keeps_the_mark_through_json(tmp_path):
    with (tmp_path / "snapshot.json").open("w") as stream:
        write_snapshot(snapshot([leaked(before_attach=True), leaked(serial=2)], ()), stream)
    read = read_snapshot((tmp_path / "snapshot.json").read_text())
    assert [task.before_attach for task in read.tasks] == [True, False]


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_attach_finds_the_loop_of_a_service_that_froze_its_objects(kind, attached):
    """``gc.freeze`` at the end of the start hides the loop from every search by the garbage collector."""
    loop = pytest.importorskip("uvloop").new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()

    async def main():
        await started(3)
        gc.freeze()
        census = attached()
        scan(census, 2)
        counted = tasks_by_site("ask")
        for task in held:
            task.cancel()
        await asyncio.wait(held)
        return loop in list(census.loops), counted

    assert loop.run_until_complete(main()) == (True, ({BEFORE_ATTACH: 3}, 3))
    loop.close()
