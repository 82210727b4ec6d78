"""Generated code makes ever new sites: their number is bounded, the rest is one site, and that is said."""

import asyncio
import logging

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.status import status
from opentelemetry.instrumentation.concurrency.cli.checks import of_agent
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import paths, recorder, site_table

LIMIT = 50
MADE = 400
LINE = "task = loop.create_task(same())"
FORMS = {
    "line": LINE,
    "function": "def create():\n    return loop.create_task(same())\ntask = create()",
    "coroutine": f"async def generated(): pass\n{LINE.replace('same', 'generated')}",
    "thread": "import threading\ntask = threading.Thread(target=same_thread)\ntask.start()\ntask.join()",
}


@pytest.fixture
def installation(monkeypatch):
    for module in (site_table, recorder):
        monkeypatch.setattr(module, "MAX_SITES_KNOWN", LIMIT)
    ConcurrencyInstrumentor().instrument(agent_disabled=True, reports="none", scan_interval=3600)
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


def create(form, count=MADE):
    """Create so many tasks or threads, each by new code."""

    async def same():
        pass

    async def main():
        scope = {"loop": asyncio.get_running_loop(), "same": same, "same_thread": lambda: None}
        for number in range(count):
            exec(compile(FORMS[form], f"<generated {number}>", "exec"), dict(scope))
        await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("form", FORMS)
def test_generated_code_beyond_the_limit_is_one_site(installation, form):
    """All are counted, and what is kept does not grow with them."""
    table = installation.recorder.thread_sites if form == "thread" else installation.recorder.task_sites
    create(form)
    assert len(table.sites) <= LIMIT + 1
    assert table.other.function == "_OTHER"
    assert table.other.created >= MADE - LIMIT
    assert sum(site.created for site in table.sites) >= MADE
    kept = {name: len(value) for name, value in vars(table).items() if hasattr(value, "__len__")}
    nodes = table._paths.size
    create(form)
    assert {name: len(value) for name, value in vars(table).items() if hasattr(value, "__len__")} == kept
    assert table._paths.size == nodes


def test_generated_code_beyond_the_limit_asks_no_path(installation, monkeypatch):
    """A creation costs the same whatever the number of sites: no frame is judged any more."""
    create("function")
    judged = []
    monkeypatch.setattr(site_table, "find_creating_line", lambda *_: judged.append(True))
    create("function")
    assert judged == []


def test_paths_are_bounded_too(installation, monkeypatch):
    """A site may be reached by ever new paths."""
    monkeypatch.setattr(paths, "MAX_NODES", 20)
    create("function")
    assert installation.recorder.task_sites._paths.size <= 20 + 10
    assert installation.recorder.folded()["task"] > 0


def test_folding_is_logged_once_and_doctor_says_it(installation, caplog):
    """What vanishes into ``_OTHER`` is said where the process logs, and where it is asked."""
    with caplog.at_level(logging.WARNING):
        installation.recorder.log_folding()
        assert caplog.records == []
        create("line")
        for _ in range(3):
            installation.census.scan()
    assert [record.getMessage() for record in caplog.records if "_OTHER" in record.getMessage()] == [
        f"More than {LIMIT} sites create tasks in this process; further sites are counted as one site, _OTHER. "
        "Code that is generated repeatedly (exec, eval, templates) creates new sites without end."
    ]
    findings = [each.what for each in of_agent(status(installation)) if "_OTHER" in each.what]
    folded = installation.recorder.folded()["task"]
    assert findings == [f"{folded} tasks were created beyond the limit of known sites; they are counted as _OTHER."]
