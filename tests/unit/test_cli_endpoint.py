"""``--url``: an endpoint that answers slowly, without end, nonsense or from elsewhere is one paragraph."""

import contextlib
import json
import socket
import threading
import time

import pytest
from pictured import healthy, snapshot

from opentelemetry.instrumentation.concurrency.cli.endpoint import UrlSource
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError
from opentelemetry.instrumentation.concurrency.cli.files import write_answer
from opentelemetry.instrumentation.concurrency.snapshot.as_json import write_snapshot


@contextlib.contextmanager
def answering(*replies, pause_s=0.0):
    """Answer each connection inside the block with some pieces; gives the URL and what was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        for pieces in replies:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                asked.append(client.recv(1 << 16))
                for piece in pieces:
                    client.sendall(piece)
                    time.sleep(pause_s)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def body_of_snapshot(tmp_path):
    with (tmp_path / "snapshot").open("wb") as stream:
        write_snapshot(snapshot([healthy()], ()), stream)
    return (tmp_path / "snapshot").read_bytes()


def test_endpoint_that_answers_is_read(tmp_path):
    """The snapshot, to the byte of the limit."""
    body = body_of_snapshot(tmp_path)
    with answering([HEAD, body], [HEAD, body]) as (url, _):
        assert len(UrlSource(url, 5, len(body)).take().snapshot.tasks) == 1
        with pytest.raises(CommandError, match="larger than"):
            UrlSource(url, 5, len(body) - 1).take()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x1b[2J nonsense\r\n\r\n"],
        [b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"],
        [b"HTTP/1.1 999 \x1b[31m\r\nConnection: close\r\n\r\n"],
        [HEAD, b"[" * 100_000],
        [HEAD, b"\xff\xfe\x00"],
    ],
)
def test_endpoint_that_answers_nonsense_is_one_paragraph(pieces):
    """Cut, of another protocol, too much of a header, no snapshot."""
    with answering(pieces) as (url, _), pytest.raises(CommandError):
        UrlSource(url, 5).take()


def test_endpoint_that_drips_is_given_up_at_the_timeout():
    """Each byte is progress, and the whole must come in time."""
    began = time.monotonic()
    with answering([HEAD, *[b" "] * 100], pause_s=0.05) as (url, _):
        with pytest.raises(CommandError, match=r"did not answer within 0\.3 s"):
            UrlSource(url, 0.3).take()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:x", "http://[", "https://:1", "http://\ud800/", "http://a b/"])
def test_malformed_url_is_one_paragraph(url):
    """Not a traceback of the library that parses it."""
    with pytest.raises(CommandError):
        UrlSource(url, 1).take()


def test_token_does_not_follow_a_redirection(monkeypatch, tmp_path):
    """Where the endpoint sends us is not who the token is for."""
    monkeypatch.setenv("OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN", "secret")
    with answering([HEAD, body_of_snapshot(tmp_path)]) as (elsewhere, asked_there):
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/\r\nConnection: close\r\n\r\n".encode()
        with answering([moved]) as (url, asked):
            UrlSource(url, 5).take()
    assert b"Bearer secret" in asked[0]
    assert b"secret" not in asked_there[0]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"no", b'{"schema_version": 2, \xff', b'{"schema_version": 2, "a": "\x1b"}']
)
def test_answer_other_than_snapshot_is_not_written(tmp_path, body):
    """``snapshot -o`` leaves no file."""
    with pytest.raises(CommandError, match="not a snapshot"):
        write_answer(str(tmp_path / "made"), body)
    assert list(tmp_path.iterdir()) == []


def test_answer_with_non_ascii_characters_is_escaped(tmp_path):
    """A terminal may be at the other end of the pipe."""
    write_answer(str(tmp_path / "made"), '{"schema_version": 2,\r "name": "\u202e\x9b"}'.encode())
    text = (tmp_path / "made").read_text()
    assert text.isascii() and "\r" not in text
    assert json.loads(text) == {"schema_version": 2, "name": "\u202e\x9b"}
