"""``doctor``: the endpoint matters only once an exporter is installed."""

import pytest

from opentelemetry.instrumentation.concurrency.cli.export_checks import has_exporter


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
