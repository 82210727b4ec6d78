"""Where the SDK can wait for a lock that its own thread holds, doctor warns."""

import pytest
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor

from opentelemetry.instrumentation.concurrency.agent.status import status
from opentelemetry.instrumentation.concurrency.cli.checks import of_agent

TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
FILTER = "OTEL_METRICS_EXEMPLAR_FILTER"


@pytest.fixture
def traced():
    """OpenTelemetry's own instrumentation of asyncio."""
    instrumentor = AsyncioInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def warnings(installation):
    return [each.remedy for each in of_agent(status(installation)) if "asyncio instrumentation" in each.what]


def test_doctor_traced_tasks_with_delta_and_exemplars_warns(instrumented, traced, monkeypatch):
    monkeypatch.setenv(TEMPORALITY, "delta")
    monkeypatch.delenv(FILTER, raising=False)
    (remedy,) = warnings(instrumented)
    assert FILTER in remedy


@pytest.mark.parametrize(("temporality", "exemplars"), [("cumulative", "always_on"), ("delta", "always_off")])
def test_doctor_other_metrics_settings_do_not_warn(instrumented, traced, monkeypatch, temporality, exemplars):
    monkeypatch.setenv(TEMPORALITY, temporality)
    monkeypatch.setenv(FILTER, exemplars)
    assert warnings(instrumented) == []


def test_doctor_without_traced_tasks_does_not_warn(instrumented, monkeypatch):
    monkeypatch.setenv(TEMPORALITY, "delta")
    assert warnings(instrumented) == []
