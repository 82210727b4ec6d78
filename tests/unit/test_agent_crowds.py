"""Clients of the agent that are slow, many, or stop reading: each hears why it is refused, and none delays another."""

import contextlib
import threading
import time

from asked_agent import asked, connect, received, send, wait_until

from opentelemetry.instrumentation.concurrency.agent import agent as agent_module
from opentelemetry.instrumentation.concurrency.agent import conversation as conversation_module
from opentelemetry.instrumentation.concurrency.agent.agent import MAX_CLIENTS


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
