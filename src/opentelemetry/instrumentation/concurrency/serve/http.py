"""The debug endpoint: a small HTTP server on ``DEBUG_ADDRESS``, in its own threads.

It serves a limited number of clients, each with limits of time and size. No failure of the server affects the
application: an address that cannot be opened logs one warning.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import ssl
import stat
import threading
from pathlib import Path
from typing import Any, Final

from ..own_log import own_logger
from ..record.own_thread import enduring, join_before_fork, start_own_thread
from ..record.repeated_failure import RepeatedFailure
from ..setting_values import split_address
from ..settings import Settings, debug_address_refusal
from .admission import Admission
from .clients import REQUEST_LIMIT_S, Client, Clients
from .handler import Exchange, Handler
from .pages import DebugPages, Source

_logger = own_logger()

PORTS_TRIED: Final = 17
"""Number of ports to try if the configured one is in use."""
_JOIN_TIMEOUT_S: Final = 0.5
_FAILURE_PAUSE_S: Final = 0.1


class DebugServer:
    """The server on the configured address.

    Args:
        settings: The settings.
        source: The data of the pages.
    """

    def __init__(self, settings: Settings, source: Source) -> None:
        self._settings = settings
        self._source = source
        self._server: _Server | None = None
        self._in_child = False
        self.address = ""

    def open(self, *, in_child: bool = False) -> None:
        """Bind and serve in a thread. Never raises: a failure logs one warning.

        Args:
            in_child: Whether a parent process serves on the configured port, so that another port is expected.
        """
        self._in_child = in_child
        refusal = debug_address_refusal(self._settings)
        if refusal is not None:
            _logger.warning("The debug endpoint stays closed: %s", refusal)
            return
        try:
            self._server = self._bind(self._settings.debug_address.replace("{pid}", str(os.getpid())))
        except (OSError, ValueError) as error:
            _logger.warning(
                "The debug endpoint stays closed: OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS=%s could not be opened (%s).",
                self._settings.debug_address,
                error,
            )
            return
        if not self._server.resume():
            # A thread limit, or a child that was forked while its parent was ending.
            _logger.warning("The debug endpoint stays closed: no thread could be started for it.")
            self.close()
            return
        _logger.info("The debug pages of process %d are at %s", os.getpid(), self.address)

    def suspend(self) -> None:
        """Stop accepting before a fork, waiting at most half a second; connections stay open."""
        if self._server is not None:
            self._server.suspend()

    def resume(self) -> None:
        """Accept connections again, unless the server already does. Cheap."""
        if self._server is not None:
            self._server.resume()

    def close(self) -> None:
        """Stop listening; answers in progress are completed."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def forget(self) -> None:
        """Close the parent's socket in a forked child, without affecting the parent."""
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
            raise ValueError("expected host:port")
        host, port = split
        listener = _tcp_listener(host, port)
        taken = listener.getsockname()[1]
        if port and taken != port:
            level = logging.DEBUG if self._in_child else logging.WARNING
            _logger.log(level, "Port %d is in use; the debug endpoint uses port %d.", port, taken)
        tls = _tls(self._settings)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http{'s' if tls else ''}://{shown}:{taken}/debug/pprof/"
        hosts = frozenset({host.lower(), shown.lower(), socket.gethostname().lower()})
        return _Server(listener, DebugPages(self._source), Admission(token, None if token else hosts), tls, "")

    def _token(self) -> str:
        if self._settings.debug_token_file:
            token = Path(self._settings.debug_token_file).read_text(encoding="utf-8").strip()
            if not token:
                raise ValueError("the file of OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN_FILE is empty")
            return token
        return self._settings.debug_token


class _Server:
    """Accepts connections and answers each in a thread, limited by `Clients`."""

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
        self._clients = Clients()
        self._closed = False
        self._acceptor: threading.Thread | None = None
        self._stop = threading.Event()
        self._wake_out, self._wake_in = socket.socketpair()
        for each in (listener, self._wake_out, self._wake_in):
            each.setblocking(False)
        self._failure = RepeatedFailure("The debug endpoint could not accept a connection; it continues.")

    def resume(self) -> bool:
        """Accept connections in a thread, unless the server already does; return whether it accepts them."""
        if self._acceptor is None and not self._closed:
            self._stop = threading.Event()
            self._acceptor = start_own_thread(enduring(self._serve), "OtelConcurrencyHttp", self._stop)
        return self._acceptor is not None

    def suspend(self) -> None:
        acceptor, self._acceptor = self._acceptor, None
        self._stop.set()
        self._wake()
        join_before_fork(acceptor, _JOIN_TIMEOUT_S)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            # The pipe is full or closed: the thread wakes anyway.
            self._wake_in.send(b".")

    def _serve(self, stop: threading.Event) -> None:
        # poll() needs no additional descriptor, which may be unavailable; eventlet removes it.
        with getattr(selectors, "PollSelector", selectors.DefaultSelector)() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_out, selectors.EVENT_READ)
            while not stop.is_set():
                try:
                    ready = {key.fileobj for key, _events in selector.select()}
                    if self._wake_out in ready:
                        self._wake_out.recv(4096)
                    if self._listener in ready and not stop.is_set():
                        self._accept()
                except BlockingIOError:
                    # The client has disconnected, or another process accepted the connection.
                    continue
                except Exception as error:  # noqa: BLE001 (logged; descriptors or threads may be available later)
                    if stop.is_set():
                        return
                    self._failure.note(error, with_traceback=not isinstance(error, OSError))
                    stop.wait(_FAILURE_PAUSE_S)

    def _accept(self) -> None:
        connection, address = self._listener.accept()
        client = self._clients.enter(connection)
        if client is None:
            connection.close()
            return
        if start_own_thread(self._answer, "OtelConcurrencyHttpClient", client, address) is None:
            self._clients.leave(client)
            connection.close()

    def close(self) -> None:
        self._closed = True
        self.suspend()
        self._close_sockets()
        if self._path and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                Path(self._path).unlink()

    def abandon(self) -> None:
        self._closed = True
        self._close_sockets()

    def _close_sockets(self) -> None:
        for each in (self._listener, self._wake_in, self._wake_out):
            each.close()

    def _answer(self, client: Client, address: Any) -> None:
        try:
            # Applies to the whole handshake, not to each of its steps.
            client.connection.settimeout(REQUEST_LIMIT_S)
            if self._tls is not None:
                # `Clients` gets the new socket before the handshake, because wrapping detaches the plain one.
                wrapped = self._tls.wrap_socket(client.connection, server_side=True, do_handshake_on_connect=False)
                client.connection = wrapped
                wrapped.do_handshake()
            exchange = Exchange(self.pages, self.admission, self._clients, client)
            Handler(client.connection, address or ("unix", 0), exchange)  # type: ignore[arg-type]  # not a server
        except (OSError, ValueError):
            # The client has disconnected, or does not speak HTTP or TLS.
            pass
        except Exception:  # one request must not end the server
            _logger.debug("A request to the debug endpoint failed.", exc_info=True)
        finally:
            with contextlib.suppress(OSError):
                client.connection.close()
            self._clients.leave(client)


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
            raise OSError(f"{path} exists and is not a socket")
        if _is_served(path):
            raise OSError(f"{path} is served by another process; use {{pid}} in the path")
        place.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    except BaseException:  # raised again after the cleanup
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
