"""An OTLP receiver on loopback, over HTTP or gRPC, that stores received telemetry as plain values."""

import contextlib
import gzip
import socket
import threading
import time
from collections import Counter
from concurrent import futures
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb2

REQUESTS = {
    "traces": trace_pb2.ExportTraceServiceRequest,
    "metrics": metrics_pb2.ExportMetricsServiceRequest,
    "logs": logs_pb2.ExportLogsServiceRequest,
}


@dataclass
class Point:
    name: str
    unit: str
    kind: str
    monotonic: bool
    temporality: int
    attributes: dict[str, Any]
    value: float
    export: int
    scope: str
    schema_url: str
    resource: dict[str, Any]


@dataclass
class Span:
    name: str
    trace_id: str
    span_id: str
    parent: str
    kind: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    events: list[tuple[str, dict[str, Any]]]
    scope: str


@dataclass
class Log:
    event_name: str
    severity: int
    body: str
    trace_id: str
    attributes: dict[str, Any]
    scope: str


class OtlpReceiver:
    """An OTLP receiver, used as a context manager; ``environ`` configures a program to export to it."""

    def __init__(self, protocol: str = "http/protobuf", status: int = 200, port: int = 0) -> None:
        self.protocol = protocol
        self.status = status
        self._port = port
        self.points: list[Point] = []
        self.spans: list[Span] = []
        self.logs: list[Log] = []
        self.exports = 0
        self.refused: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()

    def __enter__(self) -> "OtlpReceiver":
        self._server, port = (self._http if self.protocol == "http/protobuf" else self._grpc)()
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        if self.protocol == "http/protobuf":
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            for connection in list(self._connections):  # they would receive further data
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        else:
            self._server.stop(0).wait()

    @property
    def environ(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint}

    def wait_for(self, found, timeout: float = 30) -> bool:
        """Wait until ``found()`` is true, checking again after each export."""
        with self._changed:
            return self._changed.wait_for(found, timeout)

    def last(self, name: str, **attributes: Any) -> float | None:
        """Return the latest value of a metric with these attributes (dots written as ``__``)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        for point in reversed(self.points):
            if point.name == name and wanted.items() <= point.attributes.items():
                return point.value
        return None

    def total(self, name: str, **attributes: Any) -> float | None:
        """Return the sum of a metric's points with these attributes in the latest export that has any, or None."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [point for point in self.points if point.name == name and wanted.items() <= point.attributes.items()]
        newest = max((point.export for point in found), default=None)
        return None if newest is None else sum(point.value for point in found if point.export == newest)

    def reports(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def _http(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver._connections.add(self.request)
                super().setup()

            def finish(self) -> None:
                receiver._connections.discard(self.request)
                super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                signal = self.path.rpartition("/")[2]
                if receiver.status == 200:
                    receiver.take(signal, REQUESTS[signal].FromString(body))
                else:
                    receiver.refused[signal] += 1
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return server, server.server_address[1]

    def _grpc(self):
        import grpc
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

        receiver = self

        class Traces(trace_grpc.TraceServiceServicer):
            def Export(self, request, _context):
                receiver.take("traces", request)
                return trace_pb2.ExportTraceServiceResponse()

        class Metrics(metrics_grpc.MetricsServiceServicer):
            def Export(self, request, _context):
                receiver.take("metrics", request)
                return metrics_pb2.ExportMetricsServiceResponse()

        class Logs(logs_grpc.LogsServiceServicer):
            def Export(self, request, _context):
                receiver.take("logs", request)
                return logs_pb2.ExportLogsServiceResponse()

        server = grpc.server(futures.ThreadPoolExecutor(4))
        trace_grpc.add_TraceServiceServicer_to_server(Traces(), server)
        metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
        logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
        port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        return server, port

    def take(self, signal: str, request: Any) -> None:
        with self._changed:
            self.exports += 1
            {"traces": self._take_spans, "metrics": self._take_points, "logs": self._take_logs}[signal](request)
            self._changed.notify_all()

    def _take_points(self, request: Any) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    data = getattr(metric, kind)
                    for point in data.data_points:
                        value = point.count if kind == "histogram" else getattr(point, point.WhichOneof("value"))
                        self.points.append(
                            Point(
                                metric.name,
                                metric.unit,
                                kind,
                                getattr(data, "is_monotonic", False),
                                getattr(data, "aggregation_temporality", 0),
                                values(point.attributes),
                                value,
                                self.exports,
                                scope.scope.name,
                                scope.schema_url,
                                values(resource.resource.attributes),
                            )
                        )

    def _take_spans(self, request: Any) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.kind,
                            values(span.attributes),
                            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                            [(event.name, values(event.attributes)) for event in span.events],
                            scope.scope.name,
                        )
                    )

    def _take_logs(self, request: Any) -> None:
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for log in scope.log_records:
                    self.logs.append(
                        Log(
                            log.event_name,
                            log.severity_number,
                            log.body.string_value,
                            log.trace_id.hex(),
                            values(log.attributes),
                            scope.scope.name,
                        )
                    )


def values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value) -> Any:
    kind = value.WhichOneof("value") or "string_value"
    return [_value(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def main() -> None:
    """Run until interrupted, to receive the telemetry of another program."""
    with OtlpReceiver() as receiver:
        print(receiver.endpoint)
        while True:
            time.sleep(1)  # an interactive tool, not a test


if __name__ == "__main__":
    main()
