"""The debug endpoint: a small HTTP server of our own on ``DEBUG_ADDRESS``, in threads of our own.

It serves few clients at a time, each within limits of time and size, and nothing it does can fail the application: an
address that cannot be opened is one warning.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import stat
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer
from typing import Any, Final

from ..record.threads import OWN_THREAD, start_unseen
from ..setting_values import split_address
from ..settings import Settings, debug_address_refusal
from .admission import Admission
from .pages import Answer, DebugPages, Request, Source

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

PORTS_TRIED: Final = 17
"""A taken port leads to the next of 16."""
CLIENTS_AT_A_TIME: Final = 16
_PATIENCE_S: Final = 10.0
_MAX_HEADERS: Final = 100


class DebugServer:
    """Listens on the configured address while it is open.

    Args:
        settings: What was configured.
        source: What the pages show.
    """

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings = settings
        self._source = source
        self._server: _Server | None = None
        self.address = ""

    def open(self) -> None:
        """Bind and serve from a thread of our own. Never raises: what is wrong is one warning."""
        refusal = debug_address_refusal(self._settings)
        if refusal is not None:
            _logger.warning("The debug endpoint stays closed: %s", refusal)
            return
        try:
            self._server = self._bind(self._settings.debug_address.replace("{pid}", str(os.getpid())))
        except (OSError, ValueError) as error:
            _logger.warning(
                "The debug endpoint stays closed: DEBUG_ADDRESS=%s could not be opened (%s).",
                self._settings.debug_address,
                error,
            )
            return
        thread = threading.Thread(target=self._server.serve, name="OtelConcurrencyHttp", daemon=True)
        setattr(thread, OWN_THREAD, True)
        try:
            start_unseen(thread)
        except RuntimeError as error:
            # No more threads to be had, or none any more: a child forked while its parent was ending.
            _logger.warning("The debug endpoint stays closed: %s", error)
            self.close()
            return
        _logger.info("The debug pages of process %d are at %s", os.getpid(), self.address)

    def close(self) -> None:
        """Stop listening; answers under way end by themselves."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def forget(self) -> None:
        """Let go of the parent's socket, in a forked child, without touching what the parent serves."""
        server, self._server = self._server, None
        if server is not None:
            server.abandon()

    def _bind(self, address: str) -> _Server:
        token = self._token()
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            listener = _unix_listener(path)
            self.address = address
            return _Server(listener, DebugPages(self._source), Admission(token, None), None, path)
        split = split_address(address)
        if split is None:
            raise ValueError("it is no host:port")
        host, port = split
        listener = _tcp_listener(host, port)
        taken = listener.getsockname()[1]
        if port and taken != port:
            _logger.warning("Port %d is taken; the debug endpoint uses %d.", port, taken)
        tls = _tls(self._settings)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http{'s' if tls else ''}://{shown}:{taken}/debug/pprof/"
        hosts = frozenset({host.lower(), shown.lower(), socket.gethostname().lower()})
        return _Server(listener, DebugPages(self._source), Admission(token, None if token else hosts), tls, "")

    def _token(self) -> str:
        if self._settings.debug_token_file:
            token = Path(self._settings.debug_token_file).read_text(encoding="utf-8").strip()
            if not token:
                raise ValueError("DEBUG_TOKEN_FILE is empty")
            return token
        return self._settings.debug_token


class _Server:
    """Accepts connections and answers each in a thread, at most `CLIENTS_AT_A_TIME`."""

    def __init__(
        self,
        listener: socket.socket,
        pages: DebugPages,
        admission: Admission,
        tls: ssl.SSLContext | None,
        path: str,
    ) -> None:
        self.pages = pages
        self.admission = admission
        self._listener = listener
        self._tls = tls
        self._path = path
        self._pid = os.getpid()
        self._places = threading.BoundedSemaphore(CLIENTS_AT_A_TIME)
        self._closed = False

    def serve(self) -> None:
        while not self._closed:
            try:
                connection, client = self._listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            thread = threading.Thread(
                target=self._answer, args=(connection, client), name="OtelConcurrencyHttpClient", daemon=True
            )
            setattr(thread, OWN_THREAD, True)
            try:
                start_unseen(thread)
            except RuntimeError:  # no more threads to be had
                self._places.release()
                connection.close()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            # Only this wakes a thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._path and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                Path(self._path).unlink()

    def abandon(self) -> None:
        self._closed = True
        self._listener.close()

    def _answer(self, connection: socket.socket, client: Any) -> None:
        try:
            connection.settimeout(_PATIENCE_S)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            _Handler(connection, client or ("unix", 0), self)  # type: ignore[arg-type]
        except (OSError, ValueError):
            # The client has gone, or spoke something else.
            pass
        except Exception:
            _logger.debug("A request to the debug endpoint failed.", exc_info=True)
        finally:
            with contextlib.suppress(OSError):
                connection.close()
            self._places.release()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What speaks no version gets an answer with a status line all the same.
    default_request_version = "HTTP/1.0"
    server_version = "otel-concurrency"
    sys_version = ""
    timeout = _PATIENCE_S
    server: BaseServer

    def handle_one_request(self) -> None:
        # One request a connection: nobody keeps a place that others wait for.
        super().handle_one_request()
        self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        # http.server asks for ``do_GET`` and its like; what a method may do the pages say.
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what http.server could not read, as everything else is refused: in plain text."""
        self._send(_refusal(code, f"{message or HTTPStatus(code).phrase}.\n", []))

    def _respond(self) -> None:
        server: Any = self.server
        headers = {name.lower(): value for name, value in self.headers.items()}
        refusal = server.admission.refusal(headers)
        if refusal is not None:
            status, text = refusal
            extra = [("WWW-Authenticate", 'Basic realm="otel-concurrency", charset="UTF-8"')] if status == 401 else []
            self._send(_refusal(status, text, extra))
            return
        path, _, query = self.path.partition("?")
        self._send(server.pages.answer(Request(self.command, path, query, headers)))

    def _send(self, answer: Answer) -> None:
        body = answer.body
        try:
            # What fails before its first chunk is an honest 500.
            first = next(body, b"")
        except Exception:
            _logger.warning("A debug page failed.", exc_info=True)
            answer = _refusal(500, "This page failed; the log of the process has the traceback.\n", [])
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
        _logger.debug("debug endpoint: " + format, *args)


def _refusal(status: int, text: str, extra: list[tuple[str, str]]) -> Answer:
    body = text.encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Content-Length", str(len(body))),
        *extra,
    ]
    return Answer(status, headers, iter((body,)))


def _tcp_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    error: OSError | None = None
    for candidate in range(port, port + PORTS_TRIED) if port else (0,):
        if candidate > 65_535:
            break
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, candidate))
            listener.listen(64)
        except OSError as failure:
            listener.close()
            error = failure
            continue
        return listener
    raise error or OSError("no port is free")


def _unix_listener(path: str) -> socket.socket:
    place = Path(path)
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(place.lstat().st_mode):
            raise OSError(f"{path} exists and is no socket")
        if _is_served(path):
            raise OSError(f"{path} is served by another process; use {{pid}} in the path")
        place.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(64)
    return listener


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.debug_tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.debug_tls_cert, settings.debug_tls_key)
    return context
