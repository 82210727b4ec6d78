"""Metrics of generators left half way and of coroutines never awaited: one series per function, limited in number."""

from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.threads import OWN_SITE
from opentelemetry.instrumentation.concurrency.record.unawaited import UnawaitedCoroutines, UnawaitedPlace
from opentelemetry.instrumentation.concurrency.report import function_series, metrics
from opentelemetry.instrumentation.concurrency.report.function_series import FunctionAllocator

UNFINISHED, UNAWAITED = "python.asyncio.generator.unfinished", "python.asyncio.coroutine.unawaited"
OTHER = (("code.function.name", "_OTHER"),)
DROPPED = CodeLine("shop.handle", "/srv/shop.py", 31)


async def some_pages():
    yield "page"


class Service:
    """Counts made by hand, and what an exporter reads."""

    def __init__(self, *, max_sites=100, granularity="line", totals_only=False):
        self.functions = FunctionAllocator(max_sites=max_sites, granularity=granularity, totals_only=totals_only)
        self.unawaited = UnawaitedCoroutines()
        self.sites = []
        self.recorder = SimpleNamespace(task_sites=SimpleNamespace(sites=self.sites), unawaited=self.unawaited)

    def leave(self, function, count, *, line=7, lasti=-1):
        """Leave generators of a function half way; return their site."""
        site = Site("task", len(self.sites), some_pages.__code__, lasti, "")
        site.function, site.path, site.line, site.runs = function, "/srv/shop.py", line, function
        site.samples_until_stack -= count
        self.sites.append(site)
        return site

    def forget(self, function, count, *, line=7, dropped=DROPPED):
        self.unawaited.counts[UnawaitedPlace(CodeLine(function, "/srv/shop.py", line), dropped)] += count

    def read(self, metric):
        """Return the points of a metric by their attributes."""
        read = next(observed[-1] for observed in metrics.OBSERVED if observed[1] == metric)
        points = [(tuple(point.attributes.items()), point.value) for point in read(self)]
        assert len(points) == len(dict(points)), "two series with equal attributes"
        return dict(points)

    def named(self, metric):
        return {attributes[0][1]: count for attributes, count in self.read(metric).items()}


def of(function, line=7):
    return (("code.function.name", function), ("code.file.path", "/srv/shop.py"), ("code.line.number", line))


def test_functions_without_occurrence_have_no_series():
    service = Service()
    service.leave("shop.pages", 0)
    assert service.read(UNFINISHED) == {} == service.read(UNAWAITED)


def test_series_exists_from_the_first_occurrence_on():
    service = Service()
    service.leave("shop.pages", 1)
    service.forget("shop.audit", 1)
    assert service.read(UNFINISHED) == {of("shop.pages"): 1}
    assert service.read(UNAWAITED) == {of("shop.audit"): 1}


def test_coroutines_are_not_exported_unless_they_are_counted():
    service = Service()
    service.recorder.unawaited = None
    assert service.read(UNAWAITED) == {}


def test_lines_that_dropped_a_function_are_one_series():
    service = Service()
    service.forget("shop.audit", 2)
    service.forget("shop.audit", 3, dropped=CodeLine("shop.refund", "/srv/shop.py", 80))
    assert service.read(UNAWAITED) == {of("shop.audit"): 5}


def test_tasks_started_by_a_generator_are_not_counted():
    service = Service()
    service.leave("shop.pages", 5, lasti=12)
    service.leave(f"{OWN_SITE}.serve.pages", 5)
    assert service.read(UNFINISHED) == {}


@pytest.mark.parametrize("metric", [UNFINISHED, UNAWAITED])
def test_functions_beyond_the_limit_are_summed_in_other(monkeypatch, metric):
    monkeypatch.setattr(function_series, "MAX_FUNCTIONS", 2)
    service = Service()
    add = service.leave if metric == UNFINISHED else service.forget
    for number in range(1, 6):
        add(f"shop.f{number}", number)
    assert service.named(metric) == {"shop.f5": 5, "shop.f4": 4, "_OTHER": 6}
    assert OTHER in service.read(metric)


def test_fewer_sites_than_functions_limit_the_series():
    service = Service(max_sites=0)
    service.leave("shop.pages", 3)
    assert service.read(UNFINISHED) == {OTHER: 3}


def test_folded_function_stays_folded_however_much_it_grows(monkeypatch):
    """Otherwise ``_OTHER`` would decrease."""
    monkeypatch.setattr(function_series, "MAX_FUNCTIONS", 1)
    service = Service()
    first, second = service.leave("shop.first", 2), service.leave("shop.second", 1)
    assert service.named(UNFINISHED) == {"shop.first": 2, "_OTHER": 1}
    second.samples_until_stack -= 100
    assert service.named(UNFINISHED) == {"shop.first": 2, "_OTHER": 101}
    first.samples_until_stack -= 1
    assert service.named(UNFINISHED) == {"shop.first": 3, "_OTHER": 101}


def test_limits_of_the_two_metrics_are_separate(monkeypatch):
    monkeypatch.setattr(function_series, "MAX_FUNCTIONS", 1)
    service = Service()
    service.leave("shop.pages", 1)
    service.forget("shop.audit", 1)
    assert service.named(UNFINISHED) == {"shop.pages": 1} and service.named(UNAWAITED) == {"shop.audit": 1}


def test_places_beyond_the_limit_of_the_counter_are_in_other():
    service = Service()
    service.forget("shop.audit", 1)
    service.unawaited.others = 7
    assert service.named(UNAWAITED) == {"shop.audit": 1, "_OTHER": 7}


def test_granularity_function_omits_the_line():
    service = Service(granularity="function")
    service.leave("shop.pages", 1)
    service.leave("shop.pages", 2, line=70)
    assert service.read(UNFINISHED) == {of("shop.pages")[:2]: 3}


def test_totals_are_one_series_without_attributes():
    service = Service(totals_only=True)
    assert service.read(UNAWAITED) == {}
    service.forget("shop.audit", 1)
    service.forget("shop.restock", 2)
    service.unawaited.others = 4
    assert service.read(UNAWAITED) == {(): 7}
