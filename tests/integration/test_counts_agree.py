"""The counts of tasks, threads, orphans and proofs are equal in every view of one process at one moment."""

import asyncio
import json

import pytest
from debug_endpoint import free_port, get
from otlp_receiver import OtlpReceiver
from services import service

from opentelemetry.instrumentation.concurrency.cli.connection import Answer

UNWAKEABLE, ORPHANED, THREADS = 31, 32, 33
LEAKING_SERVICE = f"""
import asyncio, threading

kept, gate, stop = set(), asyncio.Event(), threading.Event()

async def ask(answers):
    await answers.get()

async def query():
    kept.add(asyncio.create_task(ask(asyncio.Queue())))

async def subscribe():
    kept.add(asyncio.create_task(gate.wait()))

async def watch():
    threading.Thread(target=stop.wait, daemon=True).start()

async def main():
    for leak, count in ((query, {UNWAKEABLE}), (subscribe, {ORPHANED}), (watch, {THREADS})):
        for _ in range(count):
            await asyncio.create_task(leak())
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
SDK_THREADS = 1
EXPECTED = {
    "tasks": UNWAKEABLE + ORPHANED + 1,
    "threads": THREADS + SDK_THREADS + 1,
    "orphaned tasks": ORPHANED,
    "unwakeable tasks": UNWAKEABLE,
    "orphaned threads": THREADS,
}
"""The main task, the main thread and the exporter of metrics are alive too. The main task has no verdict."""
OWN_SITE = "opentelemetry.instrumentation.concurrency"


class TopSource:
    """An agent for ``top`` whose only answer is known already."""

    label = "1"

    def __init__(self, facts):
        self.facts = facts

    def ask(self, _request, **_options):
        return Answer(self.facts, b"")


def of_totals(tasks, threads, verdicts):
    """Return the counts as in ``EXPECTED``, from totals and the agent's ``verdicts``."""
    return {
        "tasks": tasks,
        "threads": threads,
        "orphaned tasks": verdicts["tasks"]["orphans"] - verdicts["tasks"]["unwakeable"],
        "unwakeable tasks": verdicts["tasks"]["unwakeable"],
        "orphaned threads": verdicts["threads"]["orphans"],
    }


def of_live(live):
    """Return the counts of verdicts as in ``EXPECTED``, from a list of tasks and threads."""
    verdicts = [(one["kind"], one.get("verdict")) for one in live]
    return {
        "orphaned tasks": verdicts.count(("task", "orphaned")),
        "unwakeable tasks": verdicts.count(("task", "unwakeable")),
        "orphaned threads": verdicts.count(("thread", "orphaned")),
    }


def of_metrics(receiver):
    """Return the counts of the latest metrics, without the series of this package's own threads."""
    live = receiver.total("python.thread.count")
    own = receiver.total("python.thread.count", code__function__name=OWN_SITE)
    orphans = {kind: f"python.{kind}.orphan.count" for kind in ("asyncio.task", "thread")}
    return {
        "tasks": receiver.total("python.asyncio.task.count"),
        "threads": live - own,
        "orphaned tasks": receiver.total(orphans["asyncio.task"], python__leak__verdict="orphaned"),
        "unwakeable tasks": receiver.total(orphans["asyncio.task"], python__leak__verdict="unwakeable"),
        "orphaned threads": receiver.total(orphans["thread"]),
    }


def head_of_top(facts):
    """Return the first lines that ``top`` shows of an answer."""
    pytest.importorskip("textual")
    from textual.widgets import Static

    from opentelemetry.instrumentation.concurrency.cli.top_app import TopApp

    async def shown():
        app = TopApp(TopSource(facts), 3600)
        async with app.run_test() as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            return str(app.query_one("#head", Static).render())

    return asyncio.run(shown())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Yield the service, its receiver and the address of its page, once everything is found."""
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "OTEL_PYTHON_CONCURRENCY_THREAD_AGE": "1s",
        "OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS": address,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_METRICS_EXPORTER": "otlp",
    }
    directory = tmp_path_factory.mktemp("shop")
    with OtlpReceiver() as receiver, service(directory, LEAKING_SERVICE, **settings, **receiver.environ) as running:
        every = UNWAKEABLE + ORPHANED + THREADS
        running.wait_until(lambda facts: (facts["orphans"], facts["unwakeable"]) == (every, UNWAKEABLE), 60)
        yield running, receiver, f"http://{address}/debug"


def test_metrics_agree_with_the_leaks(shop):
    _, receiver, _ = shop
    assert receiver.wait_for(lambda: of_metrics(receiver) == EXPECTED), of_metrics(receiver)


def test_ps_and_stats_agree_with_the_leaks(shop):
    running, _, _ = shop
    facts = running.facts()
    assert (facts["tasks"], facts["threads"]) == (EXPECTED["tasks"], EXPECTED["threads"])
    assert (facts["orphans"], facts["unwakeable"]) == (UNWAKEABLE + ORPHANED + THREADS, UNWAKEABLE)
    (stats,) = json.loads(running.command("stats", running.pid, "--interval", "1ms", "--json").stdout)
    assert of_totals(stats["tasks"], stats["threads"], stats["verdicts"]) == EXPECTED
    text = running.command("stats", running.pid, "--interval", "1ms").stdout
    assert f"{EXPECTED['tasks']} live, orphans {UNWAKEABLE + ORPHANED} (unwakeable {UNWAKEABLE})" in text
    assert f"orphans {THREADS}, " in next(line for line in text.splitlines() if line.startswith("threads "))


def test_top_agrees_with_the_leaks(shop):
    running, _, _ = shop
    (stats,) = json.loads(running.command("stats", running.pid, "--interval", "1ms", "--json").stdout)
    orphans = UNWAKEABLE + ORPHANED + THREADS
    assert f"tasks {EXPECTED['tasks']}  threads {EXPECTED['threads']}  orphans {orphans}  " in head_of_top(stats)
    assert sum(site["orphans"] for site in stats["sites"]) == orphans


def test_leaks_agrees_with_what_leaks(shop):
    running, _, _ = shop
    (leaks,) = json.loads(running.command("leaks", running.pid, "--json").stdout)
    assert of_live(leaks["live"]).items() <= EXPECTED.items()


def test_page_agrees_with_the_leaks(shop):
    _, _, base = shop
    totals = json.loads(get(f"{base}/concurrency/overview.json")[2])["totals"]
    assert (totals["tasks"], totals["threads"]) == (EXPECTED["tasks"], EXPECTED["threads"])
    assert (totals["orphaned"], totals["unwakeable"]) == (ORPHANED + THREADS, UNWAKEABLE)
    snapshot = json.loads(get(f"{base}/concurrency/snapshot.json")[2])
    assert len(snapshot["tasks"]) == EXPECTED["tasks"]
    live = [{**one, "kind": kind} for kind in ("task", "thread") for one in snapshot[f"{kind}s"]]
    assert of_live(live).items() <= EXPECTED.items()
