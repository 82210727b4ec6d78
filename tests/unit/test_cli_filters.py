"""Filters that select nothing say so on standard error."""

import argparse

import pytest
from pictured import healthy, leaked

from opentelemetry.instrumentation.concurrency.cli.filters import say_if_none
from opentelemetry.instrumentation.concurrency.snapshot.tally import tally

TASKS = [healthy(1), healthy(2), leaked(3)]


@pytest.mark.parametrize("everything", [TASKS, tally(TASKS)], ids=["tasks", "tallies"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"site": "nowhere.*"}, "otel-concurrency: None of the 3 live tasks matches --site nowhere.*.\n"),
        ({"site": "nowhere", "verdict": "any"}, "None of the 3 live tasks matches --site nowhere --verdict any."),
        ({"verdict": "unwakeable"}, ""),
        ({}, ""),
    ],
    ids=["site", "two", "some", "none"],
)
def test_say_if_none_counts_what_is_left_out(everything, options, said, capsys):
    """Snapshots and counts alike."""
    say_if_none(argparse.Namespace(**{"site": None, "wait": None, "verdict": None, **options}), "task", everything)
    err = capsys.readouterr().err
    assert said in err if said else err == ""
