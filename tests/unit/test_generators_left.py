"""Asynchronous generators that were left half way are counted by their function, without any hook."""

import asyncio
import gc
import io
import json
import sys
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from pictured import snapshot

from opentelemetry.instrumentation.concurrency.agent.answer_shapes import GENERATORS, check_facts
from opentelemetry.instrumentation.concurrency.agent.answers import Answers
from opentelemetry.instrumentation.concurrency.agent.protocol import Reply
from opentelemetry.instrumentation.concurrency.cli.leaks import leak_lines
from opentelemetry.instrumentation.concurrency.cli.taken import Taken
from opentelemetry.instrumentation.concurrency.record.generators import LEAST_GENERATORS
from opentelemetry.instrumentation.concurrency.serve.live_source import LiveSource
from opentelemetry.instrumentation.concurrency.snapshot import functions
from opentelemetry.instrumentation.concurrency.snapshot.functions import generators_left
from opentelemetry.instrumentation.concurrency.snapshot.process_info import ProcessInfo

MANY = 2 * LEAST_GENERATORS


async def pages():
    yield "page"
    yield "page"


async def rows():
    task = asyncio.create_task(asyncio.sleep(0))
    yield "row"
    await task


async def leave(make):
    async for _ in make():
        break


async def finish(make):
    async for _ in make():
        pass


async def close(make):
    async with aclosing(make()) as generator:
        async for _ in generator:
            break


async def close_in_task(make):
    generator = make()
    await generator.__anext__()
    await asyncio.create_task(generator.aclose())


def left_after(instrumented, use, make, count):
    """Use generators and return the functions whose generators were left, with their number."""

    async def main():
        for _ in range(count):
            await use(make)
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(main())
    return {each["function"]: each["count"] for each in generators_left(instrumented.live.recorder).shown}


@pytest.fixture
def pages_of_this_test():
    async def pages():
        yield "page"
        yield "page"

    return pages


def test_generators_left_half_way_are_counted_by_function(instrumented, pages_of_this_test):
    found = left_after(instrumented, leave, pages_of_this_test, MANY)
    # Before 3.11, code objects have no qualified name; a function of the module has the same name.
    qualified = "pages_of_this_test.pages" if sys.version_info >= (3, 11) else "pages"
    assert found == {f"{__name__}.{qualified}": MANY}


@pytest.mark.parametrize("use", [finish, close, close_in_task])
@pytest.mark.parametrize("make", [pages, rows])
def test_generators_that_end_or_are_closed_are_not_counted(instrumented, use, make):
    assert left_after(instrumented, use, make, MANY) == {}


def test_functions_beyond_the_limit_of_the_list_are_counted(instrumented, monkeypatch):
    monkeypatch.setattr(functions, "MAX_FUNCTIONS", 1)
    left_after(instrumented, leave, pages, MANY)
    left_after(instrumented, leave, rows, MANY + 1)
    found = generators_left(instrumented.live.recorder)
    assert [each["function"] for each in found.shown] == [f"{__name__}.rows"] and found.left_out == 1


def test_live_page_and_stats_show_the_functions(instrumented):
    left_after(instrumented, leave, pages, MANY)
    stream = io.StringIO()
    LiveSource(instrumented).write_overview(stream)
    (row,) = json.loads(stream.getvalue())["generators_left"]
    assert (row["function"], row["path"], row["count"]) == (f"{__name__}.pages", __file__, MANY)
    reply = Reply()
    Answers(instrumented).answer(SimpleNamespace(request={"request": "stats"}), reply, lambda: None)
    assert reply.facts["generators_left"] == [row] and reply.facts["left_out"][GENERATORS] == 0
    check_facts("stats", json.loads(json.dumps(reply.facts)))


def test_few_generators_left_half_way_are_not_listed(instrumented):
    assert left_after(instrumented, leave, pages, LEAST_GENERATORS - 1) == {}


def test_hooks_of_the_interpreter_stay_those_of_the_application(instrumented):
    assert sys.get_asyncgen_hooks() == (None, None)


def test_leaks_names_the_generator_function():
    site = {
        "kind": "task",
        "function": "shop.Cursor.pages",
        "path": "/srv/shop.py",
        "line": 7,
        "runs": "shop.Cursor.pages",
    }
    facts = {"generators_left": [{**site, "via": [], "count": 120}]}
    lines = "".join(leak_lines(Taken(snapshot([]), ProcessInfo(4711)), facts))
    assert "120 asynchronous generators left half way: shop.Cursor.pages /srv/shop.py:7\n" in lines
    assert "aclosing" in lines
