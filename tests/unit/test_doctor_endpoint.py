"""``doctor``: the endpoint matters only once an exporter is installed; findings fit the terminal."""

import argparse

import pytest

from opentelemetry.instrumentation.concurrency.cli import doctor
from opentelemetry.instrumentation.concurrency.cli.export_checks import has_exporter
from opentelemetry.instrumentation.concurrency.cli.finding import Finding


class Packages:
    """An environment with these packages."""

    def __init__(self, *names):
        self.names = names

    def version(self, name):
        return "1" if name in self.names else ""


@pytest.mark.parametrize(
    ("names", "environment", "found"),
    [
        ((), {}, False),
        (("opentelemetry-exporter-otlp-proto-http",), {}, True),
        (("opentelemetry-exporter-otlp-proto-grpc",), {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, False),
        ((), {f"OTEL_{each}_EXPORTER": "none" for each in ("TRACES", "METRICS", "LOGS")}, True),
    ],
    ids=["nothing", "http", "the-other", "not-otlp"],
)
def test_endpoint_is_checked_with_an_exporter(names, environment, found):
    """Its default port depends on the exporter that will be installed."""
    assert has_exporter(Packages(*names), environment) is found


def test_findings_are_wrapped_and_remedies_are_not(monkeypatch, capsys):
    """A remedy may contain a command, which is copied."""
    monkeypatch.setattr(doctor, "terminal_width", lambda: 40)
    finding = Finding("bad", "one two three four five six seven eight nine", f"Run pip install {'x' * 50} y.")
    assert doctor._shown(argparse.Namespace(output="table"), [finding], 0) == 0
    first, second, remedy = capsys.readouterr().out.splitlines()
    assert (first, second) == ("BAD   one two three four five six seven", "      eight nine")
    assert remedy == f"      → Run pip install {'x' * 50} y."
