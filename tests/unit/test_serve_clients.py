"""Clients of the debug endpoint that are slow or silent keep no place from those that may be let in."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time

import pytest
from debug_endpoint import get, wait_for

from opentelemetry.instrumentation.concurrency.serve import clients as clients_module
from opentelemetry.instrumentation.concurrency.serve import http as http_module
from opentelemetry.instrumentation.concurrency.serve.clients import MAX_ANSWERED, MAX_WAITING, Clients
from opentelemetry.instrumentation.concurrency.serve.http import DebugServer
from opentelemetry.instrumentation.concurrency.settings import Settings


class Pages:
    """What the pages show; ``write_snapshot`` waits until a test lets it go on."""

    def __init__(self):
        self.go = threading.Event()

    def counts(self):
        return {"task": 1, "thread": 2, "taskleak": -1}

    def write_snapshot(self, stream):
        self.go.wait(20)
        stream.write(b"{}")


@pytest.fixture
def pages():
    made = Pages()
    yield made
    made.go.set()


@contextlib.contextmanager
def endpoint(pages, **settings):
    """Serve inside the block; gives host, port and URL."""
    server = DebugServer(Settings(debug_address="127.0.0.1:0", **settings), pages)
    server.open()
    host, port = server.address.split("//")[1].split("/")[0].split(":")
    try:
        yield host, int(port), server.address
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    try:
        subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl")
    return {"debug_tls_cert": str(directory / "cert.pem"), "debug_tls_key": str(directory / "key.pem")}


@contextlib.contextmanager
def dripping(host, port, count, text=b"GET / HTTP/1.1\r\nX: "):
    """Hold connections open inside the block that send a byte every few milliseconds, and never a whole request."""
    stop, connections = threading.Event(), []
    for _ in range(count):
        connections.append(socket.create_connection((host, port), 5))
        connections[-1].sendall(text)

    def drip():
        while not stop.wait(0.05):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield connections
    finally:
        stop.set()
        thread.join()
        for each in connections:
            each.close()


@pytest.mark.parametrize("token", ["", "secret"])
@pytest.mark.parametrize("count", [MAX_ANSWERED, MAX_WAITING, 3 * MAX_WAITING])
def test_honest_client_beside_dripping_ones_is_served(pages, count, token):
    """At once, however many there are, before the token is looked at."""
    with endpoint(pages, debug_token=token) as (host, port, url), dripping(host, port, count):
        for _ in range(5):
            began = time.monotonic()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert get(url, **headers)[0] == 200
            assert time.monotonic() - began < 4


def test_honest_client_beside_unfinished_handshakes_is_served(pages, certificate):
    """Connections that never begin to speak TLS, or stop in the middle."""
    context = ssl._create_unverified_context()
    with endpoint(pages, debug_token="secret", **certificate) as (host, port, url):
        for text in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            with dripping(host, port, 2 * MAX_WAITING, text):
                began = time.monotonic()
                assert get(url, context=context, Authorization="Bearer secret")[0] == 200
                assert time.monotonic() - began < 4.5


@pytest.mark.parametrize("encrypted", [False, True])
def test_dripping_client_is_closed_at_its_deadline(pages, certificate, monkeypatch, encrypted):
    """Counted from the first byte of the handshake or request, not from the last."""
    for module in (clients_module, http_module):
        monkeypatch.setattr(module, "REQUEST_LIMIT_S", 0.5)
    tls = certificate if encrypted else {}
    text = b"\x16\x03\x01\x40\x00\x01" if encrypted else b"GET / HTTP/1.1\r\nX: "
    with endpoint(pages, **tls) as (host, port, _), dripping(host, port, 1, text) as (connection,):
        connection.settimeout(5)
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(1000):
                pass
        assert time.monotonic() - began < 4


def test_one_client_too_many_is_refused_with_a_reason(pages):
    """503 with a time to come again; those who are answered go on."""
    server = DebugServer(Settings(debug_address="127.0.0.1:0"), pages)
    server.open()
    url = server.address
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        snapshot = url.replace("/pprof/", "/concurrency/snapshot.json")
        results = []
        threads = [threading.Thread(target=lambda: results.append(get(snapshot)[0])) for _ in range(MAX_ANSWERED)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        wait_for(lambda: len(server._server._clients._answered) == MAX_ANSWERED)
        status, headers, _ = get(url)
        assert (status, headers["Retry-After"]) == (503, "1")
        pages.go.set()
        for thread in threads:
            thread.join()
        assert results == [200] * MAX_ANSWERED
        wait_for(lambda: get(url)[0] == 200)


@pytest.mark.parametrize("second", ["evil.example", "127.0.0.1"])
def test_request_with_two_hosts_is_refused(pages, second):
    """Whichever of them another program on the way has looked at."""
    with endpoint(pages) as (host, port, _), socket.create_connection((host, port), 5) as client:
        client.sendall(f"GET /debug/pprof/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: {second}\r\n\r\n".encode())
        client.settimeout(5)
        answer = b""
        while piece := client.recv(1000):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_clients_make_the_oldest_give_way():
    """Of those that wait, not of those that are answered; all are forgotten when they leave."""
    clients = Clients(clock=lambda: 0.0)
    pairs = [socket.socketpair() for _ in range(MAX_WAITING + 1)]
    first, *others = [clients.enter(near) for near, _ in pairs[:MAX_WAITING]]
    assert clients.admit(first)
    last = clients.enter(pairs[-1][0])
    another = clients.enter(socket.socket())
    assert pairs[1][1].recv(1) == b""
    for client in (first, last, another, *others):
        clients.leave(client)
    assert not (clients._waiting or clients._answered or clients._leaving)
    for near, far in pairs:
        near.close()
        far.close()
    another.connection.close()
