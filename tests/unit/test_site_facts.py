"""What the agent says of sites: counters of all that a reader sees as one, bad endings without live tasks."""

from types import SimpleNamespace

from opentelemetry.instrumentation.concurrency.agent import site_facts
from opentelemetry.instrumentation.concurrency.agent.answer_shapes import ENDED_BADLY, LIVING
from opentelemetry.instrumentation.concurrency.agent.site_facts import sites_ended_badly, top_sites
from opentelemetry.instrumentation.concurrency.census.before_attach import BeforeAttach
from opentelemetry.instrumentation.concurrency.census.scan import Scan, Tally
from opentelemetry.instrumentation.concurrency.diagnose.diagnosis import Diagnosed, SiteVerdicts
from opentelemetry.instrumentation.concurrency.diagnose.growth.growth import Rate
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.threads import OWN_SITE

SPAWN = CodeLine("shop.util.spawn", "/app/shop/util.py", 9)


def site(number, function, runs="", *, kind="task", created=0, destroyed=0, unretrieved=0, via=()):
    made = Site(kind, number, None, -2, function, runs=runs, via=via)
    made.samples_until_stack -= created
    made.destroyed, made.unretrieved = destroyed, unretrieved
    return made


def target(tasks=(), threads=(), live=(), orphans=None, suspects=()):
    """Return a process with these sites; ``live`` gives live count and creation time of the oldest of some."""
    tallies = [Tally(each, count, oldest_at) for each, count, oldest_at in live]
    scan = Scan(
        1,
        100.0,
        False,
        tuple(one for one in tallies if one.site.kind == "task"),
        tuple(one for one in tallies if one.site.kind == "thread"),
    )
    clock = SimpleNamespace(now=lambda: 100.0)
    return SimpleNamespace(
        census=SimpleNamespace(last_scan=scan, clock=clock, before_attach=BeforeAttach()),
        diagnosed=Diagnosed(orphans=orphans or {}, suspects=set(suspects)),
        recorder=SimpleNamespace(
            task_sites=SimpleNamespace(sites=list(tasks)), thread_sites=SimpleNamespace(sites=list(threads))
        ),
    )


def test_site_description_has_function_and_spawners():
    """Every property that the command line reads."""
    query = site(0, "shop.query", "shop.ask", created=50, via=(SPAWN,))
    process = target([query], live=[(query, 7, 90.0)], orphans={query: SiteVerdicts(2, 3)})
    process.diagnosed.rates[query] = Rate(12.5, 300.0)
    (row,) = top_sites(process).rows
    assert row == {
        "kind": "task",
        "function": "shop.query",
        "path": "",
        "line": 0,
        "runs": "shop.ask",
        "via": [{"function": "shop.util.spawn", "path": "/app/shop/util.py", "line": 9}],
        "live": 7,
        "oldest_s": 10.0,
        "orphans": 5,
        "unwakeable": 3,
        "suspect": False,
        "before_attach": False,
        "leaked_per_hour": 12.5,
        "memory": None,
        "impact": {},
        "created": 50,
        "destroyed": 0,
        "unretrieved": 0,
    }


def test_sites_with_one_line_that_run_the_same_are_one_row():
    """The recorder tells callers of a factory apart; counters, live ones and verdicts add up."""
    one, other = site(0, "shop.make", "shop.run", created=5), site(1, "shop.make", "shop.run", created=7, destroyed=1)
    else_ = site(2, "shop.make", "shop.stop", created=1)
    found = target(
        [one, other, else_],
        live=[(one, 2, 90.0), (other, 3, 80.0), (else_, 1, 99.0)],
        orphans={other: SiteVerdicts(1, 0)},
        suspects=[one],
    )
    rows = top_sites(found).rows
    assert [(row["runs"], row["live"], row["created"]) for row in rows] == [("shop.run", 5, 12), ("shop.stop", 1, 1)]
    first = rows[0]
    assert (first["oldest_s"], first["orphans"], first["suspect"], first["destroyed"]) == (20.0, 1, True, 1)
    assert rows[1]["suspect"] is False


def test_site_without_live_tasks_is_listed_for_bad_endings():
    """One that only ended well is not."""
    failing, healthy = site(0, "shop.fail", created=681, unretrieved=681), site(1, "shop.fine", created=10)
    found = target([failing, healthy])
    rows = top_sites(found).rows
    assert [(row["function"], row["live"], row["unretrieved"]) for row in rows] == [("shop.fail", 0, 681)]
    assert [(row["function"], row["created"]) for row in sites_ended_badly(found)] == [("shop.fail", 681)]


def test_site_with_live_tasks_and_bad_endings_is_listed_once():
    """With all its numbers."""
    query = site(0, "shop.query", created=10, destroyed=2)
    (row,) = top_sites(target([query], live=[(query, 1, 90.0)])).rows
    assert (row["live"], row["destroyed"]) == (1, 2)


def test_lists_are_bounded_with_the_largest_first(monkeypatch):
    """A process with a hundred thousand sites answers as one with few."""
    monkeypatch.setattr(site_facts, "LIVE_LIMIT", 2)
    monkeypatch.setattr(site_facts, "ENDED_BADLY_LIMIT", 1)
    live = [site(number, f"shop.live_{number}") for number in range(4)]
    dead = [site(number, f"shop.dead_{number}", destroyed=number) for number in range(4, 7)]
    found = target([*live, *dead], live=[(each, each.number + 1, 90.0) for each in live])
    assert [row["function"] for row in top_sites(found).rows] == ["shop.live_3", "shop.live_2", "shop.dead_6"]
    assert top_sites(found).left_out == {LIVING: 2, ENDED_BADLY: 2}
    # A site that is cut from the first list for its few live tasks is in the second for its bad endings.
    live[0].destroyed = 100
    assert [row["function"] for row in top_sites(found).rows] == ["shop.live_3", "shop.live_2", "shop.live_0"]
    assert top_sites(found).left_out == {LIVING: 2, ENDED_BADLY: 3}


def test_own_sites_are_left_out():
    """Our threads are no work of the application's."""
    package = "opentelemetry.instrumentation.concurrency."
    ours = [
        site(0, f"{package}agent.start", kind="thread"),
        site(1, "shop.start", f"{package}census.scan", kind="thread"),
        site(2, OWN_SITE, kind="thread"),
    ]
    assert top_sites(target(threads=ours, live=[(each, 1, 90.0) for each in ours])).rows == []


def test_before_the_first_scan_nothing_is_live():
    """And nothing fails."""
    found = target([site(0, "shop.query", created=3)])
    found.census.last_scan = None
    assert top_sites(found).rows == []
