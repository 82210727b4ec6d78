"""What a client believes: nothing but the right process' own socket, and only answers that are whole."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.agent.socket_paths import socket_name, start_of
from opentelemetry.instrumentation.concurrency.cli import connection
from opentelemetry.instrumentation.concurrency.cli.connection import DIRECTORY_VARIABLE, ask, has_agent
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError, NotInstrumentedError
from opentelemetry.instrumentation.concurrency.cli.processes import read_process

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

HELLO = b'{"protocol": 1, "ok": true, "facts": {"x": 1}}\n'


@pytest.fixture
def me():
    return read_process(os.getpid())


@pytest.fixture
def sockets(tmp_path, monkeypatch):
    """The directory that client and agents agree on."""
    directory = tmp_path / "agents"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(directory))
    return directory


@pytest.fixture
def short_path():
    """A directory whose sockets have paths of at most a hundred bytes, which pytest's own may exceed."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@contextlib.contextmanager
def listening(path, *replies, then_wait=False):
    """Listen at a path and answer each client with some bytes; nothing at all for an empty list."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    release, heard = threading.Event(), []

    def serve():
        for reply in replies:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                heard.append(client.recv(1 << 16))
                with contextlib.suppress(OSError):
                    client.sendall(reply)
                if then_wait:
                    release.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        release.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def name_of(process):
    return socket_name(process.process_id, process.start)


def test_whole_answer_is_returned(me, sockets):
    """Facts and body."""
    with listening(sockets / name_of(me), HELLO + zlib.compress(b"text")) as heard:
        answer = ask(me, "snapshot", {"more": 2})
    assert (answer.facts, answer.body) == ({"x": 1}, b"text")
    assert heard == [b'{"more": 2, "protocol": 1, "request": "snapshot"}\n']


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "no complete line"),
        (b"hello\n", "the head is not that of an agent"),
        (b"[1]\n", "the head is not that of an agent"),
        (b"[" * 100_000 + b"\n", "the head is not that of an agent"),
        (HELLO, "the body ends early"),
        (HELLO + zlib.compress(b"text" * 1000)[:-5], "the body ends early"),
        (HELLO + b"plain text", "is incomplete or invalid"),
        (b"x" * 5_000_000, "no complete line"),
        (b'{"protocol": 1, "ok": false, "message": "so sorry"}\n', "so sorry"),
        (b'{"protocol": 1, "ok": false}\n', "refused without a reason"),
        (b'{"protocol": 9, "ok": true}\n', "version 9"),
    ],
)
def test_malformed_answer_is_one_paragraph(me, sockets, reply, said):
    """Broken, cut, refused or of another version: a failure of the command, never a traceback."""
    with listening(sockets / name_of(me), reply), pytest.raises(CommandError, match=said):
        ask(me, "stats", timeout_s=10)


@pytest.mark.parametrize("reply", [b"", HELLO, HELLO[:10]])
def test_agent_that_falls_silent_times_out(me, sockets, reply):
    """At the limit, with advice."""
    with (
        listening(sockets / name_of(me), reply, then_wait=True),
        pytest.raises(CommandError, match=r"did not answer within 0\.2 s"),
    ):
        ask(me, "stats", timeout_s=0.2)


def test_ask_full_backlog_is_tried_again(me, sockets, monkeypatch):
    """More clients wait than the system keeps: the next one gets its turn, or an answer after its timeout."""
    path = sockets / name_of(me)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as waiting:
        listener.bind(str(path))
        listener.listen(0)
        waiting.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        with pytest.raises(CommandError, match=r"did not answer within 0\.05 s"):
            ask(me, "snapshot", timeout_s=0.05)

        def make_room(_pause):
            waiting.enter_context(listener.accept()[0])
            answering.start()

        def answer():
            with listener.accept()[0] as client:
                client.recv(1 << 16)
                client.sendall(HELLO + zlib.compress(b"text"))

        answering = threading.Thread(target=answer)
        monkeypatch.setattr(connection, "sleep", make_room)
        assert ask(me, "snapshot", timeout_s=20).body == b"text"
        answering.join()


def test_ask_refused_early_raises_the_reason(me, sockets, monkeypatch):
    """An agent with too many clients says so and closes at once; sending then fails, and the reason still counts."""
    refusal = b'{"protocol": 1, "ok": false, "error": "busy", "message": "too many clients"}\n'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sockets / name_of(me)))
        listener.listen(8)
        check = connection._check_peer

        def refuse_meanwhile(client, process):
            check(client, process)
            with listener.accept()[0] as refused:
                refused.sendall(refusal)

        monkeypatch.setattr(connection, "_check_peer", refuse_meanwhile)
        with pytest.raises(CommandError, match="too many clients"):
            ask(me, "snapshot")


def test_stale_socket_of_the_own_pid_is_not_an_agent(me, sockets):
    """Nobody listens there."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(sockets / name_of(me)))
    left.close()
    with pytest.raises(NotInstrumentedError, match="has no agent"):
        ask(me, "stats")


def test_socket_of_an_earlier_process_is_not_used(me, sockets):
    """Process numbers are used again; the start tells."""
    with listening(sockets / socket_name(me.process_id, me.start - 1), HELLO) as heard:
        assert not has_agent(me)
        with pytest.raises(NotInstrumentedError):
            ask(me, "stats")
    assert b"".join(heard) == b""


def test_socket_held_by_another_process_gets_nothing(sockets):
    """The kernel says who listens: a file with a victim's name is found out before a byte is sent."""
    victim = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        process = read_process(victim.pid)
        with listening(sockets / name_of(process), HELLO) as heard:
            with pytest.raises(CommandError, match=f"belongs to process {os.getpid()}"):
                ask(process, "stats")
        assert heard in ([], [b""])
    finally:
        victim.stdin.close()
        victim.wait()


@pytest.mark.parametrize("what", ["link", "file", "directory"])
def test_file_other_than_a_socket_is_not_opened(me, sockets, tmp_path, what):
    """A link, even to a socket that listens, a file, a directory."""
    at = sockets / name_of(me)
    with listening(tmp_path / "elsewhere", HELLO) as heard:
        if what == "link":
            at.symlink_to(tmp_path / "elsewhere")
        elif what == "file":
            at.write_text("")
        else:
            at.mkdir()
        assert not has_agent(me)
        with pytest.raises(NotInstrumentedError):
            ask(me, "stats")
    assert heard == []


def test_agent_in_the_runtime_directory_is_found(me, short_path, monkeypatch):
    """Where the environment of the process or of the command names it."""
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    directory = short_path / f"otel-concurrency-{me.uid}"
    directory.mkdir(mode=0o700)
    with listening(directory / name_of(me), HELLO + zlib.compress(b"")):
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        assert not has_agent(me)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
        assert ask(me, "snapshot").facts == {"x": 1}


def test_directory_open_to_others_is_not_looked_into(me, sockets):
    """It says so, with the command that mends it."""
    with listening(sockets / name_of(me), HELLO) as heard:
        sockets.chmod(0o777)
        with pytest.raises(NotInstrumentedError, match="chmod 700"):
            ask(me, "stats")
    assert heard == []


def test_process_that_ended_meanwhile_is_named(me, sockets):
    """Not that it is slow."""
    gone = replace(me, start=me.start - 1)
    with listening(sockets / name_of(gone), b"", then_wait=True), pytest.raises(CommandError, match="ended before"):
        ask(gone, "stats", timeout_s=0.2)


def test_start_is_that_of_the_kernel(me):
    """The same from both ends."""
    assert me.start == start_of("self") > 0
    assert start_of(4194303) == 0


TRAP = "open({mark!r}, 'a').write(__name__ + '\\n')\nfrom opentelemetry import no_such_module\n"


@pytest.mark.parametrize("folder", ["opentelemetry/trace", "opentelemetry/instrumentation", "opentelemetry", "json"])
def test_command_run_by_module_imports_nothing_from_here(tmp_path, folder):
    """``python -m`` puts the working directory first, where another user may have left an ``opentelemetry`` folder."""
    mark = tmp_path / "mark"
    trap = TRAP.format(mark=str(mark))
    at = tmp_path / "here" / folder
    at.mkdir(parents=True)
    names = (
        ["__init__.py"] if folder in ("opentelemetry/trace", "json") else ["version.py", "trace.py", "instrumentor.py"]
    )
    for name in names:
        (at / name).write_text(trap)
    command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "ps", "--agents", "--timeout", "1ms"]
    done = subprocess.run(command, cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not mark.exists()


def test_command_run_by_module_in_its_own_directory_runs(tmp_path):
    """A checkout, or an installation into the working directory."""
    source = Path(connection.__file__).parents[4]
    command = [sys.executable, "-m", "opentelemetry.instrumentation.concurrency", "--version"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("otel-concurrency "), done.stderr
