"""The diagnosis of a scan as a whole: what a gap drops, and which lines are suspected."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.diagnose import diagnosis as diagnosis_module
from opentelemetry.instrumentation.concurrency.diagnose.diagnosis import Diagnosed, SiteVerdicts
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record.site import Site


@pytest.fixture
def installation():
    ConcurrencyInstrumentor().instrument(reports="none", metrics="none", scan_interval=3600)
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


def test_gap_drops_the_first_of_two_proofs_and_the_windows_of_growth(installation, monkeypatch):
    census, diagnosis, dropped = installation.census, installation.diagnosis, []
    monkeypatch.setattr(diagnosis.proofs, "gap", lambda: dropped.append("proofs"))
    monkeypatch.setattr(diagnosis._growing, "gap", lambda: dropped.append("growing"))
    scan = census.scan()
    assert dropped == []
    with census.locked():
        diagnosis.scan(census, replace(scan, after_gap=True), lambda: None)
    assert sorted(dropped) == ["growing", "proofs"]


@pytest.mark.parametrize(("orphans", "is_suspected"), [(4, True), (5, False)])
def test_line_is_suspected_unless_half_of_its_tasks_are_orphans(installation, monkeypatch, orphans, is_suspected):
    """They have reports of their own, at the lines that created them."""
    line, creating = (Site("task", number, None, -2, "shop.query", runs="shop.ask") for number in (-1, 0))
    growing = SimpleNamespace(
        site=line,
        tallies=[SimpleNamespace(site=creating)],
        old=10,
        rows=[],
        evidence="",
        count=10,
        callers=(),
        rises=True,
    )
    scan = installation.census.scan()
    monkeypatch.setattr(installation.diagnosis._growing, "scan", lambda *_: [growing])
    monkeypatch.setattr(diagnosis_module, "Members", lambda *_: SimpleNamespace(total=1))
    diagnosed = Diagnosed(orphans={creating: SiteVerdicts(orphaned=orphans)})
    with installation.census.locked():
        installation.diagnosis._add_growing(installation.census, scan, diagnosed, lambda: None)
    assert (line in diagnosed.suspects) is is_suspected
    assert diagnosed.has_rising is is_suspected
    assert len(diagnosed.groups) == is_suspected
