"""The agent talks with many, waits for none, keeps within its bounds, and survives forks."""

import contextlib
import errno
import json
import os
import socket
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest

from opentelemetry.instrumentation.concurrency.agent import agent as agent_module
from opentelemetry.instrumentation.concurrency.agent import conversation as conversation_module
from opentelemetry.instrumentation.concurrency.agent.agent import MAX_CLIENTS, Agent
from opentelemetry.instrumentation.concurrency.agent.protocol import RequestError


class Answers:
    """Answers that a test controls: ``hello`` at once, ``wait`` when told to, ``large`` with many bytes."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Event()
        self.ended = []

    def answer_at_once(self, conversation, reply):
        reply.facts["said"] = "hello"
        return conversation.request["request"] == "hello"

    def answer(self, conversation, reply, pause):
        name = conversation.request["request"]
        self.begun.set()
        try:
            if name == "wait":
                while not self.go.is_set():
                    pause()
            elif name == "large":
                for _ in range(conversation.request["megabytes"] * 16):
                    reply.write(os.urandom(1 << 16))
            elif name == "fail":
                raise ZeroDivisionError
            else:
                raise RequestError("request", f"no {name}")
            reply.write("done")
        finally:
            self.ended.append(name)


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def agent(tmp_path, answers):
    made = Agent(str(tmp_path / "agents"), answers.answer, answers.answer_at_once)
    made.ensure_running()
    yield made
    answers.go.set()
    made.close()


def connect(agent):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(agent.path)
    return client


def send(client, request, **options):
    client.sendall(json.dumps({"protocol": 1, "request": request, **options}).encode() + b"\n")


def received(client):
    """Return head and body of a whole reply."""
    data = b""
    while chunk := client.recv(1 << 16):
        data += chunk
    head, _, body = data.partition(b"\n")
    return json.loads(head), zlib.decompress(body) if body else b""


def asked(agent, request, **options):
    with connect(agent) as client:
        send(client, request, **options)
        return received(client)


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_request_is_answered(agent, answers):
    """At once, by work, with a refusal, and with a failure that stays ours."""
    answers.go.set()
    assert asked(agent, "hello") == ({"protocol": 1, "ok": True, "facts": {"said": "hello"}}, b"")
    assert asked(agent, "wait")[1] == b"done"
    head, _ = asked(agent, "nothing")
    assert (head["ok"], head["error"], head["message"]) == (False, "request", "no nothing")


def test_failing_answer_is_reported_and_logged(agent, caplog):
    """The client hears of it, the log has the traceback, the next request is answered."""
    head, _ = asked(agent, "fail")
    assert head["error"] == "failed" and "ZeroDivisionError" in head["message"]
    assert "Traceback" in caplog.text
    assert asked(agent, "hello")[0]["ok"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"[]\n",
        b"null\n",
        b'{"protocol": 1}\n',
        b'{"protocol": 1, "request": 7}\n',
        b'{"protocol": 2, "request": "hello"}\n',
        b'{"protocol": true, "request": []}\n',
        b"[" * 60_000 + b"\n",
        b"\xff\xfe\x00\n",
        b"x" * 70_000,
        b'{"protocol": 1, "request": "hello"' + b" " * 70_000,
    ],
)
def test_garbage_is_refused_with_a_paragraph(agent, sent):
    """Whatever comes, the answer is an error and the agent goes on."""
    with connect(agent) as client:
        with contextlib.suppress(OSError):
            client.sendall(sent)
        head, body = received(client)
    assert head["ok"] is False and head["message"] and body == b""
    assert asked(agent, "hello")[0]["ok"]


def test_client_that_says_nothing_is_given_up(agent, monkeypatch):
    """Within seconds; meanwhile others are answered."""
    monkeypatch.setattr(conversation_module, "READ_LIMIT_S", 0.05)
    with connect(agent) as silent:
        silent.sendall(b'{"protocol": 1, ')
        assert asked(agent, "hello")[0]["ok"]
        head, _ = received(silent)
        assert (head["error"], head["message"]) == (
            "protocol",
            "The process received no complete request within 5 s of the connection.",
        )


def test_client_that_sends_byte_by_byte_has_no_more_time(agent, monkeypatch):
    """Each byte is progress, and none of them gives it more time."""
    monkeypatch.setattr(conversation_module, "READ_LIMIT_S", 0.5)
    with connect(agent) as slow, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        began = time.monotonic()
        for _ in range(1000):
            slow.sendall(b"x")
            if time.monotonic() - began > 10:
                raise AssertionError("it was never closed")
            time.sleep(0.02)


def test_silent_clients_give_way_to_one_that_asks(agent, monkeypatch):
    """All places are taken by clients that say nothing."""
    monkeypatch.setattr(conversation_module, "GIVE_WAY_S", 0.01)
    with contextlib.ExitStack() as silent:
        for _ in range(MAX_CLIENTS):
            silent.enter_context(connect(agent))
        wait_until(lambda: len(agent._conversations) == MAX_CLIENTS)
        wait_until(lambda: all(one.gives_way(time.monotonic()) for one in agent._conversations))
        assert asked(agent, "hello")[0]["facts"] == {"said": "hello"}


def test_client_that_gives_way_hears_why(agent, monkeypatch):
    """It may be about to send its request, and must not wait for an answer."""
    monkeypatch.setattr(conversation_module, "GIVE_WAY_S", 0)
    with contextlib.ExitStack() as silent:
        clients = [silent.enter_context(connect(agent)) for _ in range(MAX_CLIENTS)]
        wait_until(lambda: len(agent._conversations) == MAX_CLIENTS)
        assert asked(agent, "hello")[0]["ok"]
        head, _ = received(clients[0])
        assert head["error"] == "busy" and head["message"].startswith("The process already serves 16 clients")


def test_client_whose_request_has_arrived_is_not_dropped(agent, answers, monkeypatch):
    """Not even if the agent was kept from reading it."""
    monkeypatch.setattr(conversation_module, "GIVE_WAY_S", 0)
    reads = conversation_module.Conversation.read
    answers.go.set()
    with contextlib.ExitStack() as places:
        clients = [places.enter_context(connect(agent)) for _ in range(MAX_CLIENTS)]
        wait_until(lambda: len(agent._conversations) == MAX_CLIENTS)
        kept, held = threading.Event(), threading.Event()

        def late(conversation):
            kept.set()
            held.wait(10)
            reads(conversation)

        monkeypatch.setattr(conversation_module.Conversation, "read", late)
        send(clients[0], "wait")
        assert kept.wait(10)
        for client in clients[1:]:
            send(client, "wait")
        with connect(agent) as last:
            send(last, "wait")
            held.set()
            ends = [received(client)[0]["ok"] for client in clients]
            assert ends == [True] * MAX_CLIENTS


def test_slow_reader_delays_no_other_client(agent):
    """A reply of megabytes that is not fetched, and others come and go."""
    with connect(agent) as slow:
        send(slow, "large", megabytes=8)
        for _ in range(5):
            assert asked(agent, "hello")[0]["ok"]
            assert asked(agent, "large", megabytes=1)[1].endswith(b"done")
        assert len(received(slow)[1]) == 8 * (1 << 20) + 4


def test_reader_that_stops_is_given_up(agent, monkeypatch):
    """What is kept for it is let go."""
    monkeypatch.setattr(conversation_module, "STALL_LIMIT_S", 0.05)
    with connect(agent) as stuck:
        send(stuck, "large", megabytes=8)
        wait_until(lambda: any(one.state == "writing" for one in agent._conversations))
        wait_until(lambda: not agent._conversations)


def test_unread_replies_are_bounded(agent, monkeypatch):
    """Beyond that the next large reply is refused as busy; small ones go on."""
    monkeypatch.setattr(agent_module, "MAX_KEPT_BYTES", 4 << 20)
    with connect(agent) as first:
        send(first, "large", megabytes=3)
        wait_until(lambda: any(one.state == "writing" for one in agent._conversations))
        head, _ = asked(agent, "large", megabytes=3)
        assert (head["ok"], head["error"]) == (False, "busy")
        assert asked(agent, "hello")[0]["ok"]
        assert len(received(first)[1]) == 3 * (1 << 20) + 4
    assert asked(agent, "large", megabytes=3)[0]["ok"]


def test_too_many_clients_are_refused_with_a_reason(agent):
    """The next one hears that it is busy; when one leaves there is room again."""
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            stack.enter_context(connect(agent))
        wait_until(lambda: len(agent._conversations) == MAX_CLIENTS)
        with connect(agent) as late:
            head, _ = received(late)
        assert head["error"] == "busy"
    wait_until(lambda: not agent._conversations)
    assert asked(agent, "hello")[0]["ok"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files")
def test_process_without_descriptors_does_not_spin(agent, monkeypatch):
    """The client that cannot be let in keeps the listener readable all the while."""
    import resource

    tries = []
    accept = Agent._accept
    monkeypatch.setattr(Agent, "_accept", lambda self, listener: (tries.append(1), accept(self, listener)))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, limits[1]))
        held = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(client.fileno()))
            client.connect(agent.path)
            send(client, "hello")
            wait_until(lambda: len(tries) >= 3)
            before = len(tries)
            time.sleep(0.5)
            assert len(tries) - before < 50
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for each in held:
                os.close(each)
        assert received(client)[0]["facts"] == {"said": "hello"}


def test_long_work_delays_no_quick_answer(agent, answers):
    """``ps`` of one while another proves; when the other hangs up, its work stops."""
    client = connect(agent)
    send(client, "wait")
    assert answers.begun.wait(20)
    assert asked(agent, "hello")[0]["ok"]
    client.close()
    wait_until(lambda: answers.ended == ["wait"])
    answers.go.set()
    assert asked(agent, "wait")[1] == b"done"


def test_fork_stops_both_threads_and_the_parent_continues(agent, answers):
    """A request under way is answered after the fork; nothing of ours runs while it happens."""
    with connect(agent) as client:
        send(client, "wait")
        assert answers.begun.wait(20)
        wait_until(lambda: agent._worker is not None)
        threads = {agent._talker, agent._worker}
        agent.suspend()
        assert not any(thread.is_alive() for thread in threads)
        agent.resume()
        answers.go.set()
        assert received(client)[1] == b"done"


# The test runner has threads of its own.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_child_lets_go_and_opens_a_socket_of_its_own(agent, answers):
    """The parent's file and clients are the parent's; the child is found under its own number."""
    with connect(agent) as client:
        wait_until(lambda: agent._conversations)
        agent.suspend()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                agent.forget()
                agent.ensure_running()
                os.write(write, agent.path.encode())
                answers.go.wait(20)
            finally:
                os._exit(0)
        agent.resume()
        path = os.read(read, 1000).decode()
        os.close(read)
        os.close(write)
        assert path != agent.path and Path(path).name.startswith(f"{child}-")
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(path)
            send(other, "hello")
            assert received(other)[0]["ok"]
        send(client, "hello")
        assert received(client)[0]["ok"]
        os.kill(child, 9)
        os.waitpid(child, 0)
        assert Path(agent.path).exists()


def test_closing_ends_everything(agent):
    """The file, the threads, the clients; it stays closed."""
    path = agent.path
    with connect(agent) as client:
        wait_until(lambda: agent._conversations)
        talker = agent._talker
        agent.close()
        assert client.recv(1) == b""
    assert not talker.is_alive()
    assert not Path(path).exists()
    agent.ensure_running()
    assert agent.path == ""


def test_place_that_can_not_be_used_is_one_warning(tmp_path, answers, caplog):
    """A read-only file system must not fill the log."""
    (tmp_path / "file").write_text("")
    made = Agent(str(tmp_path / "file" / "agents"), answers.answer, answers.answer_at_once)
    for _ in range(3):
        made.ensure_running()
    assert caplog.text.count("cannot reach this process") == 1
    assert "OTEL_PYTHON_CONCURRENCY_AGENT_DIR" in caplog.text
    made.close()


def test_full_disk_is_one_warning_until_there_is_room(tmp_path, answers, caplog, monkeypatch):
    """A service outlives that; who looks for it later finds it, and nothing unfinished stays behind."""

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = Agent(str(tmp_path / "agents"), answers.answer, answers.answer_at_once)
    with monkeypatch.context() as at_first:
        at_first.setattr(os, "chmod", full)
        at_first.setattr("opentelemetry.instrumentation.concurrency.agent.agent._SCAN_AGAIN_S", 0)
        for _ in range(3):
            made.ensure_running()
        assert made.path == ""
        assert list((tmp_path / "agents").iterdir()) == []
    assert caplog.text.count("cannot reach this process") == 1
    assert "No space left on device" in caplog.text
    made.ensure_running()
    assert Path(made.path).exists()
    made.close()


@pytest.mark.parametrize("what", ["file", "directory"])
def test_socket_that_a_cleaner_removed_comes_back(agent, monkeypatch, what):
    """Cleaners of /tmp remove what looks old; clients find it again."""
    path = agent.path
    Path(path).unlink()
    if what == "directory":
        Path(path).parent.rmdir()
    agent.ensure_running()
    assert not Path(path).exists()
    monkeypatch.setattr(agent, "_scan_again_at", 0.0)
    agent.ensure_running()
    assert agent.path == path
    assert asked(agent, "hello")[0]["ok"]


def test_peer_of_another_user_is_turned_away(agent, monkeypatch):
    """Before a byte is read, even where it could open the socket."""
    from opentelemetry.instrumentation.concurrency.agent.peer import Peer

    monkeypatch.setattr(agent_module, "peer_of", lambda _connection: Peer(1, 54321))
    with connect(agent) as client:
        with contextlib.suppress(OSError):
            send(client, "hello")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_own_threads_are_marked_and_unseen(agent):
    """Neither recorded as the application's nor stopped in by debuggers."""
    assert agent._talker.daemon
    assert agent._talker._otel_concurrency_own
    assert agent._talker.pydev_do_not_trace
