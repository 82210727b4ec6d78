"""The warning at the start: no SDK, no distro, versions that do not match; silent if all is well."""

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.concurrency import setup_warning
from opentelemetry.instrumentation.concurrency.setup_warning import setup_problem

LAUNCHER = "opentelemetry.instrumentation.auto_instrumentation"
PLACEHOLDERS = (trace.ProxyTracerProvider(), None, metrics.NoOpMeterProvider())


def without(monkeypatch, package):
    monkeypatch.setattr(setup_warning, "find_spec", lambda name: None if name == package else object())


def test_no_sdk_names_the_extra(monkeypatch):
    without(monkeypatch, "opentelemetry.sdk")
    assert "SDK is not installed" in setup_problem(PLACEHOLDERS) and "[otlp]" in setup_problem(PLACEHOLDERS)


def test_no_distro_under_the_launcher_names_the_extra(monkeypatch):
    without(monkeypatch, "opentelemetry.distro")
    monkeypatch.delitem(sys.modules, LAUNCHER, raising=False)
    assert setup_problem(PLACEHOLDERS) == ""
    monkeypatch.setitem(sys.modules, LAUNCHER, sys)
    assert "opentelemetry-distro" in setup_problem(PLACEHOLDERS)


@pytest.mark.parametrize("launched", [True, False])
def test_provider_in_use_is_silent(monkeypatch, launched):
    monkeypatch.setitem(sys.modules, LAUNCHER, sys) if launched else monkeypatch.delitem(
        sys.modules, LAUNCHER, raising=False
    )
    monkeypatch.setattr(setup_warning, "version_of", lambda _name: "0.66b1")
    assert setup_problem((TracerProvider(), None, None)) == ""


def test_disabled_sdk_is_silent(monkeypatch):
    without(monkeypatch, "opentelemetry.sdk")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert setup_problem(PLACEHOLDERS) == ""


def test_mismatch_of_an_instrumentation_names_both(monkeypatch):
    odd = "opentelemetry-instrumentation-asyncio"
    monkeypatch.setitem(sys.modules, LAUNCHER, sys)
    monkeypatch.setattr(setup_warning, "version_of", lambda name: "0.50b0" if name == odd else "0.66b1")
    found = setup_problem((TracerProvider(), None, None))
    assert found.startswith(f"{odd} 0.50b0 does not match opentelemetry-instrumentation 0.66b1")
