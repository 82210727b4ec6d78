"""The agent talks with many, waits for none, keeps within its bounds, and survives forks."""

import contextlib
import errno
import os
import socket
import sys
import time
from pathlib import Path

import pytest
from asked_agent import asked, connect, received, send, wait_until

from opentelemetry.instrumentation.concurrency.agent import agent as agent_module
from opentelemetry.instrumentation.concurrency.agent.agent import Agent


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
