"""``leaks``: what was checked, and which request started a leak."""

import pytest
from pictured import leaked, spawned
from test_cli_sites import leaks_of

from opentelemetry.instrumentation.concurrency.agent.answer_shapes import check_facts
from opentelemetry.instrumentation.concurrency.cli.impact_lines import Impacts
from opentelemetry.instrumentation.concurrency.diagnose.verdict.impact import NO_IMPACT


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"examined": 0, "threads": 8}, "No leaks (0 suspended tasks and 8 threads checked).\n"),
        ({"examined": 1, "threads": 1}, "No leaks (1 suspended task and 1 thread checked).\n"),
        ({"examined": 2}, "No leaks (2 suspended tasks checked).\n"),
        ({}, "No leaks.\n"),
    ],
    ids=["threads", "one", "earlier-agent", "endpoint"],
)
def test_no_leaks_says_what_was_checked(facts, said):
    """A service without tasks has threads."""
    assert leaks_of(facts=facts) == said


def test_leaks_say_how_many_tasks_were_checked():
    """Their own number is that of tasks or threads."""
    assert "(9 suspended tasks checked).\n" in leaks_of(leaked(1), facts={"examined": 9, "threads": 8})


def test_block_names_the_request_that_started_the_leak():
    """Whether or not anything else is known of its impact."""
    site = spawned(1).site
    line = {"kind": "task", "function": site.function, "path": site.path, "line": site.line, "runs": site.runs}
    facts = {**line, "verdict": "unwakeable", "memory_text": "9 kB"}
    impacts = Impacts([{**facts, "span": "GET /order/{order}"}])
    assert impacts.lines_of(site, "unwakeable")[0] == "  started by: GET /order/{order}\n"
    assert "started by" not in "".join(Impacts([facts]).lines_of(site, "unwakeable"))
    with pytest.raises(ValueError, match="span"):
        check_facts("leaks", {"impacts": [{**facts, "span": 1}]})


def test_agent_sends_an_impact_of_the_span_alone():
    """Memory may not have been measured yet."""
    from types import SimpleNamespace as Made

    from opentelemetry.instrumentation.concurrency.agent.leaks import _has_impact

    span = Made(creator_span=Made(name="GET /"))
    assert _has_impact(Made(impact=NO_IMPACT, representative=span))
    assert not _has_impact(Made(impact=NO_IMPACT, representative=None))
    assert _has_impact(Made(impact=object(), representative=None))
