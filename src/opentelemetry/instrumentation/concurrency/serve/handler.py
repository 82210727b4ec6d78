"""Handling of one request to the debug endpoint, with the HTTP parser of the standard library."""

from __future__ import annotations

import io
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import Any, Final

from ..own_log import own_logger
from .admission import Admission
from .clients import Client, Clients, RequestReader
from .pages import Answer, DebugPages, Request
from .refusal import refusal

_logger = own_logger()

_PATIENCE_S: Final = 10.0
"""Time limit for sending each chunk of an answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The context of a client's handler, in place of http.server's server."""

    pages: DebugPages
    admission: Admission
    clients: Clients
    client: Client


class Handler(BaseHTTPRequestHandler):
    """Answers one request and closes the connection."""

    protocol_version = "HTTP/1.1"
    # Clients that send no HTTP version also get an answer with a status line.
    default_request_version = "HTTP/1.0"
    server_version = "otel-concurrency"
    sys_version = ""
    timeout = _PATIENCE_S
    server: BaseServer

    def setup(self) -> None:
        """Read from the client until its deadline, which is not extended by received bytes."""
        super().setup()
        exchange: Any = self.server
        self.rfile.close()
        self.rfile = io.BufferedReader(RequestReader(exchange.client))

    def handle_one_request(self) -> None:
        """Handle the only request of the connection, so that no client occupies a connection while others wait."""
        super().handle_one_request()
        self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        # http.server looks up ``do_GET`` and similar methods; the pages decide which HTTP methods are allowed.
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 (the signature of the base class)
        """Refuse a request that http.server could not parse, in plain text like all other refusals."""
        self._send(refusal(code, f"{message or HTTPStatus(code).phrase}.\n"))

    def _respond(self) -> None:
        exchange: Any = self.server
        self.connection.settimeout(_PATIENCE_S)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if len(self.headers.get_all("Host", [])) > 1:
            # A proxy may have checked one of them and this server the other.
            self._send(refusal(400, "A request must have exactly one Host header.\n"))
            return
        refused = exchange.admission.refusal(headers)
        if refused is not None:
            self._send(refusal(*refused))
            return
        if not exchange.clients.admit(exchange.client):
            self._send(
                refusal(503, "The endpoint serves as many clients as it can; try again.\n", [("Retry-After", "1")])
            )
            return
        path, _, query = self.path.partition("?")
        self._send(exchange.pages.answer(Request(self.command, path, query, headers)))

    def _send(self, answer: Answer) -> None:
        body = answer.body
        try:
            # A failure before the first chunk can still be reported as 500.
            first = next(body, b"")
        except Exception:  # answered with status 500
            _logger.warning("A debug page failed.", exc_info=True)
            answer = refusal(500, "This page failed; the log of the process has the traceback.\n")
            body = answer.body
            first = next(body, b"")
        has_length = any(name.lower() == "content-length" for name, _ in answer.headers)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        chunked = not has_length and self.command != "HEAD" and self.request_version == "HTTP/1.1"
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._send_chunk(first, chunked=chunked)
            for chunk in body:
                self._send_chunk(chunk, chunked=chunked)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _send_chunk(self, chunk: bytes, *, chunked: bool) -> None:
        if chunk:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is that of the base class)
        """Log at level DEBUG instead of writing to standard error as http.server does."""
        _logger.debug("debug endpoint: " + format, *args)
