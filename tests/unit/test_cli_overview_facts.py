"""``stats --url`` and ``top --url``: the facts of ``stats``, from the data of the live page."""

import json

import pytest
from pictured import QUERY, SPAWNED, healthy, leaked, spawned, thread
from test_cli_endpoint import HEAD, answering

from opentelemetry.instrumentation.concurrency.cli.endpoint import UrlSource
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError, UsageError
from opentelemetry.instrumentation.concurrency.cli.main import main
from opentelemetry.instrumentation.concurrency.cli.overview_facts import stats_from_overview
from opentelemetry.instrumentation.concurrency.record.threads import OWN_SITE
from opentelemetry.instrumentation.concurrency.serve.overview import Facts, overview
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally

PROCESS = {"process_id": 7, "python_version": "3.11.7", "uptime_s": 60.0, "scan_age_s": 1.0}


def page(*pictures, **facts):
    """Return the data of the live page."""
    usual = {"taken_at": 1.0, "process": PROCESS, "created": {}, "growing": set(), "delays_s": {}}
    return json.dumps(overview(tally(pictures), Facts(**{**usual, **facts}))).encode()


def test_sites_keep_their_numbers():
    """Orphans include proven ones; memory and endings are there if the page has them."""
    body = page(
        leaked(1),
        healthy(2),
        spawned(3),
        created={("task", SPAWNED): 9},
        growing={("task", SPAWNED)},
        memory={("task", SPAWNED): 500},
        ended_badly={("task", SPAWNED): (2, 1)},
    )
    facts = stats_from_overview(body)
    by_runs = {site["runs"]: site for site in facts["sites"] if site["function"] == QUERY.function}
    assert by_runs[""]["orphans"] == by_runs[""]["unwakeable"] == 1 and "memory" not in by_runs[""]
    spawned_site = by_runs[SPAWNED.runs]
    assert (spawned_site["created"], spawned_site["memory"], spawned_site["suspect"]) == (9, 500, True)
    assert (spawned_site["destroyed"], spawned_site["unretrieved"]) == (2, 1)
    assert spawned_site["via"][0].keys() == {"function", "path", "line"}


def test_verdicts_are_by_kind():
    """As an agent counts them."""
    facts = stats_from_overview(page(leaked(1), leaked(2), healthy(3), thread(4)))
    assert facts["verdicts"]["tasks"] == {"orphans": 2, "unwakeable": 2, "suspects": 0}
    assert facts["verdicts"]["threads"]["orphans"] == 0
    assert (facts["tasks"], facts["threads"], facts["orphans"]) == (3, 1, 2)


@pytest.mark.parametrize("function", [OWN_SITE, f"{OWN_SITE}.census"])
def test_own_threads_are_omitted(function):
    """As in the answer of an agent."""
    own = QUERY.__class__(function, "", 0)
    assert stats_from_overview(page(thread(1, site=own)))["sites"] == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b"no", b'{"overview_version": 1}', b'{"overview_version": 2, "process": {"process_id": "x"}}'],
)
def test_other_documents_are_refused(body):
    """Another version of the page, or none."""
    with pytest.raises(ValueError):
        stats_from_overview(body)


@pytest.mark.parametrize("path", ["", "/", "/debug/concurrency/", "/debug/pprof/", "/debug/concurrency/snapshot.json"])
def test_every_address_of_the_endpoint_is_accepted(path):
    """The mount point, and each page below it."""
    with answering([HEAD, page(leaked(1))]) as (url, asked):
        assert UrlSource(f"{url}/ops{path}", 5).ask("stats").facts["pid"] == 7
    assert asked[0].startswith(b"GET /ops/debug/concurrency/overview.json ")


def test_nonsense_from_an_endpoint_is_one_paragraph():
    """With its address; requests that need an agent are refused."""
    with answering([HEAD, b"{}"]) as (url, _), pytest.raises(CommandError, match="overview_version 2, got None"):
        UrlSource(url, 5).ask("stats")
    with pytest.raises(UsageError, match="with a PID"):
        UrlSource("http://127.0.0.1:1", 5).ask("cancel")


def test_stats_shows_an_endpoint(capsys):
    """Rates come from two answers; what the page does not have is omitted."""
    with answering([HEAD, page(leaked(1))], [HEAD, page(leaked(1), leaked(2))]) as (url, _):
        assert main(["stats", "--url", url, "--interval", "1ms"]) == 0
    out = capsys.readouterr().out
    assert "process 7  Python 3.11.7  instrumented for 60s" in out and "2 live, orphans 2" in out
    assert QUERY.function in out and "scan     1.0 s ago\n" in out
