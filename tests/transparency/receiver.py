"""A receiver of OTLP over HTTP on the loopback interface, which the programs under test export to.

It answers every export with success, keeps nothing, and counts: a run that exported nothing has shown nothing.
"""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OURS = b"opentelemetry.instrumentation.concurrency"


class Receiver:
    """Receives exports below one path per kind of run.

    Attributes:
        exports: Number of exports, by the first part of the path.
        of_ours: Number of those that hold something of the package under test.
    """

    def __init__(self) -> None:
        self.exports: Counter[str] = Counter()
        self.of_ours: Counter[str] = Counter()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kind = self.path.split("/")[1]
                receiver.exports[kind] += 1
                receiver.of_ours[kind] += OURS in body
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing: the table is all that is printed."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Ignore connections that a program under test has broken off."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self, kind: str) -> str:
        """Return the value of ``OTEL_EXPORTER_OTLP_ENDPOINT`` for one kind of run."""
        return f"http://127.0.0.1:{self._server.server_port}/{kind}"

    def forget(self) -> None:
        """Begin to count anew."""
        self.exports.clear()
        self.of_ours.clear()

    def check(self, kind: str, *, with_ours: bool) -> None:
        """Raise RuntimeError if a kind of run exported nothing, or not what it should."""
        if not self.exports[kind]:
            raise RuntimeError(f"the {kind} run exported nothing")
        if bool(self.of_ours[kind]) != with_ours:
            raise RuntimeError(
                f"{self.of_ours[kind]} of {self.exports[kind]} exports of the {kind} run are of the package under test"
            )
