"""The exporters' entry points: the real exporter if there is one, else HTTP for the default, else one that discards."""

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._configuration import _import_exporters

from opentelemetry.instrumentation.concurrency import otlp_exporters

VARIABLE = otlp_exporters.PROTOCOL_VARIABLE


@pytest.fixture
def only_http(monkeypatch, tmp_path):
    """Only the OTLP/HTTP exporter is installed, and no protocol is set."""
    real = otlp_exporters.installed_exporter
    monkeypatch.setattr(
        otlp_exporters, "installed_exporter", lambda signal, name: None if "grpc" in name else real(signal, name)
    )
    initial = tmp_path / "environ"
    initial.write_bytes(b"HOME=/root\0")
    monkeypatch.setattr(otlp_exporters, "_INITIAL_ENVIRONMENT", initial)
    monkeypatch.setattr(otlp_exporters, "_warned", set())
    monkeypatch.setenv(VARIABLE, "grpc")  # as the distro does
    return initial


def test_installed_exporter_is_the_real_one():
    assert otlp_exporters.GrpcSpanExporter is GrpcSpanExporter
    assert otlp_exporters.HttpSpanExporter is HttpSpanExporter


def test_default_grpc_with_http_only_sends_over_http(only_http, monkeypatch, caplog):
    assert otlp_exporters.GrpcSpanExporter is HttpSpanExporter
    assert otlp_exporters.os.environ[VARIABLE] == "http/protobuf"  # for child processes
    assert not caplog.records
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
    assert otlp_exporters.GrpcMetricExporter.__module__.startswith("opentelemetry.exporter.otlp.proto.http")
    assert "Use port 4318" in caplog.text


@pytest.mark.parametrize("chosen", [VARIABLE, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_TRACES_EXPORTER"])
def test_chosen_grpc_with_http_only_discards(only_http, monkeypatch, caplog, chosen):
    if chosen == VARIABLE:
        only_http.write_bytes(f"HOME=/root\0{VARIABLE}=grpc\0".encode())
    else:
        monkeypatch.setenv(chosen, "otlp_proto_grpc" if chosen == "OTEL_TRACES_EXPORTER" else "grpc")
    exporter = otlp_exporters.GrpcSpanExporter()
    assert exporter.export(()).name == "SUCCESS" and exporter.force_flush() and exporter.shutdown() is None
    assert caplog.text.count("the exporter for grpc is not installed") == 1


def test_missing_exporters_of_all_signals_are_accepted(monkeypatch, caplog):
    """By the SDK, which checks their classes; one warning for all."""
    monkeypatch.setattr(otlp_exporters, "installed_exporter", lambda _signal, _name: None)
    monkeypatch.setattr(otlp_exporters, "_warned", set())
    names = ("Span", "Metric", "Log")
    made = [getattr(otlp_exporters, f"Http{name}Exporter")() for name in names]
    assert [type(each).__name__ for each in made] == [f"Discarding{name}Exporter" for name in names]
    assert caplog.text.count("pip install 'opentelemetry-instrumentation-concurrency[otlp]'") == 1


def test_other_attributes_do_not_exist():
    with pytest.raises(AttributeError, match="GrpcOtherExporter"):
        _ = otlp_exporters.GrpcOtherExporter


def test_sdk_finds_the_same_exporter_under_the_name():
    """Whichever entry point of the name comes first."""
    spans, metrics, logs = _import_exporters(["otlp_proto_http"], ["otlp_proto_http"], ["otlp_proto_http"])
    assert spans == {"otlp_proto_http": HttpSpanExporter}
    assert metrics and logs
