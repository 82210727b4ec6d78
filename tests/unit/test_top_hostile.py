"""``top`` shows escapes for what another user's process sends, like every other command."""

import asyncio

import pytest
from hostile_agent import ESCAPES, with_hostile_texts

from opentelemetry.instrumentation.concurrency.agent.answer_shapes import ENDED_BADLY, EXECUTORS, LIVING
from opentelemetry.instrumentation.concurrency.cli.connection import Answer
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError
from opentelemetry.instrumentation.concurrency.cli.taken import Counted
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo
from opentelemetry.instrumentation.concurrency.snapshot.tally import Tally
from opentelemetry.instrumentation.concurrency.snapshot.values import CreationSite

pytest.importorskip("textual")

FRAME = CodeLine(f"f{ESCAPES}", f"/f{ESCAPES}", 1)
FACTS = {
    "pid": 1,
    "service": "shop",
    "python": "3.11",
    "uptime_s": 1.0,
    "tasks": 1,
    "threads": 1,
    "orphans": 1,
    "suspects": 0,
    "delays": {f"main{ESCAPES}": 0.1},
    "sites": [
        {
            "kind": "task",
            "function": "f",
            "path": "/f",
            "line": 1,
            "runs": "g",
            "via": [{"function": "h", "path": "/h", "line": 1}],
            "live": 1,
            "orphans": 1,
            "unwakeable": 1,
            "created": 1,
            "oldest_s": 1.0,
            "destroyed": 0,
            "unretrieved": 0,
        }
    ],
}


class Source:
    """An agent that sends escapes in every text."""

    label = "1"

    def ask(self, _request, **_options):
        return Answer(with_hostile_texts(FACTS), b"")

    def count(self, kind):
        site = CreationSite(f"f{ESCAPES}", f"/f{ESCAPES}", 1, f"g{ESCAPES}")
        return Counted([Tally("task", site, (FRAME,), f"sleep{ESCAPES}", None, "", 1)], 0.0, ProcessInfo(1))


class Refusing(Source):
    """Answers the table, and refuses the stacks."""

    def count(self, kind):
        raise CommandError(f"no{ESCAPES}")


@pytest.mark.parametrize("source", [Source(), Refusing()], ids=["answers", "refuses"])
def test_top_given_escapes_in_every_text_shows_none(source):
    """In the head, in the table, and where the stacks of a site are shown."""
    from textual.widgets import DataTable, Static

    from opentelemetry.instrumentation.concurrency.cli.top_app import TopApp

    async def scan():
        app = TopApp(source, 60.0)
        async with app.run_test() as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            table = app.query_one(DataTable)
            shown = [str(app.query_one("#head", Static).render())]
            shown += [cell.plain for cell in table.get_row_at(0)]
            app.on_data_table_row_selected(DataTable.RowSelected(table, 0, next(iter(table.rows))))
            await pilot.pause()
            await app.workers.wait_for_complete()
            await pilot.pause()
            shown.append(str(app.screen.query_one("#stacks", Static).render()))
            return shown

    for text in asyncio.run(scan()):
        assert {each for each in text if not each.isprintable()} <= {"\n"}
        assert not any(line.startswith("FORGED") for line in text.splitlines())


class Cut(Source):
    """An agent whose lists have no room for some sites."""

    def ask(self, _request, **_options):
        return Answer({**FACTS, "left_out": {LIVING: 12, ENDED_BADLY: 0, EXECUTORS: 3}}, b"")


def test_top_says_how_many_sites_it_does_not_show():
    """On a terminal of 80 columns, too."""
    from textual.widgets import Static

    from opentelemetry.instrumentation.concurrency.cli.top_app import TopApp

    async def head():
        app = TopApp(Cut(), 60.0)
        async with app.run_test(size=(80, 24)) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            static = app.query_one("#head", Static)
            return str(static.render()), static.size.height

    text, height = asyncio.run(head())
    assert text.endswith("  not shown: 12 more sites with live tasks or threads")
    assert height >= 3
