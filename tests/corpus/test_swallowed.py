"""Leaking programs report a swallowed cancellation only if a task was cancelled."""

import sys

import pytest
from corpus import runner
from corpus.park import Park

from opentelemetry.instrumentation.concurrency.diagnose.introspection.swallowed_cancels import swallowed_cancels
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio counts no requests before 3.11")
PROGRAMS = {path.stem: path for path in runner.programs("leaking")}


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("aredis_181_loop_swallows_cancellation", {1}),
        ("tenacity_529_retry_swallows_cancellation", {1}),
        ("prefect_12346_subscriber_waits_on_empty_queue", {0}),
        ("uber_double_send", {0}),
        ("asyncio_107_wait_with_timeout_cancels_nothing", {0}),
    ],
)
def test_leaked_tasks_count_the_requests_that_they_swallowed(name, requests, monkeypatch):
    counted = set()
    scan = Park._pass

    def pass_and_count(park, seconds):
        scan(park, seconds)
        counted.clear()
        census = current_installation().census
        leaking = {site.number for site in current_installation().live.diagnosed.orphans if site.kind == "task"}
        for number, reference in zip(census.tasks.sites, census.tasks.references, strict=True):
            if number in leaking and (task := reference()) is not None:
                counted.add(swallowed_cancels(task))

    monkeypatch.setattr(Park, "_pass", pass_and_count)
    runner.run(PROGRAMS[name])
    assert counted == requests
