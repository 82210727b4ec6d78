"""``doctor --control``: a planted leak is found and removed, or somebody learns why not."""

import argparse
import asyncio
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent import planted_leak
from opentelemetry.instrumentation.concurrency.agent.peer import Peer
from opentelemetry.instrumentation.concurrency.agent.planted_leak import PlantedLeak, answer_control
from opentelemetry.instrumentation.concurrency.agent.protocol import RequestError
from opentelemetry.instrumentation.concurrency.census.loops import LoopRegistry
from opentelemetry.instrumentation.concurrency.cli import control as control_command
from opentelemetry.instrumentation.concurrency.cli import doctor
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError, UsageError
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation


@pytest.fixture
def instrument():
    def start(**settings):
        ConcurrencyInstrumentor().instrument(
            **{"reports": "none", "scan_interval": 3600, "allow_cancel": True, **settings}
        )
        return current_installation()

    yield start
    ConcurrencyInstrumentor().uninstrument()


@contextmanager
def running_loop():
    """A loop in a thread with one healthy task, known to the census."""
    loop, begun = asyncio.new_event_loop(), threading.Event()

    async def main():
        stop = asyncio.Event()
        loop.stop_main = lambda: loop.call_soon_threadsafe(stop.set)
        begun.set()
        await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    begun.wait()
    try:
        yield loop
    finally:
        loop.stop_main()
        thread.join()
        loop.close()


def control(installation):
    reply = SimpleNamespace(facts={})
    answer_control(installation, SimpleNamespace(peer=Peer(4711, 1000)), reply, lambda: None)
    return reply.facts


def names_of(loop):
    return {task.get_name() for task in asyncio.all_tasks(loop)}


def test_planted_leak_is_found_and_removed(instrument):
    installation = instrument()
    with running_loop() as loop:
        facts = control(installation)
        assert (facts["found"], facts["removed"]) == (True, True)
        assert facts["examined"] >= 1 and "nothing that still runs" in facts["reason"]
        assert planted_leak.TASK_NAME not in names_of(loop)


def test_leak_that_is_ignored_is_not_found_and_removed(instrument):
    """The control can fail: that is what it is for."""
    installation = instrument(ignore="*leak_on_purpose*")
    with running_loop() as loop:
        facts = control(installation)
        assert (facts["found"], facts["removed"]) == (False, True)
        assert planted_leak.TASK_NAME not in names_of(loop)


def test_process_that_does_not_allow_it_is_left_alone(instrument):
    installation = instrument(allow_cancel=False)
    with (
        running_loop() as loop,
        pytest.raises(RequestError, match="OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true") as raised,
    ):
        control(installation)
    assert raised.value.kind == "denied"
    assert installation.recorder.task_sites.of_callable(planted_leak.leak_on_purpose).created == 0
    assert loop.is_closed()


def test_process_without_a_running_loop_says_so(instrument, monkeypatch):
    # Libraries that other tests imported may keep a loop of their own running in a thread.
    monkeypatch.setattr(LoopRegistry, "discover", lambda *_: None)
    with pytest.raises(RequestError, match="No event loop is running"):
        control(instrument())


def test_leak_is_removed_when_the_proof_fails(instrument, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    installation = instrument()
    monkeypatch.setattr(installation.live, "prove", fail)
    with running_loop() as loop:
        with pytest.raises(ZeroDivisionError):
            control(installation)
        assert planted_leak.TASK_NAME not in names_of(loop)


def test_blocked_loop_starts_no_leak_later():
    with running_loop() as loop:
        entered, release, answered = threading.Event(), threading.Event(), threading.Event()

        def hold_the_loop():
            entered.set()
            release.wait()

        loop.call_soon_threadsafe(hold_the_loop)
        entered.wait()
        leak = PlantedLeak(loop)
        assert not leak.plant(patience_s=0.0)
        assert not leak.remove(patience_s=0.0)
        release.set()
        loop.call_soon_threadsafe(answered.set)
        answered.wait()
        assert leak.task is None and planted_leak.TASK_NAME not in names_of(loop)
        assert leak.remove()


FACTS = {"found": True, "reason": "nothing wakes it", "examined": 7, "took_s": 0.1, "removed": True}


@pytest.mark.parametrize(
    ("facts", "code", "states"),
    [
        (FACTS, 0, ["ok", "ok"]),
        ({**FACTS, "found": False}, 1, ["bad", "ok"]),
        ({**FACTS, "removed": False}, 0, ["ok", "bad"]),
        (CommandError("It does not allow it."), 3, ["bad"]),
    ],
)
def test_exit_code_says_whether_the_leak_was_found(monkeypatch, facts, code, states):
    def ask(*_, **__):
        if isinstance(facts, Exception):
            raise facts
        return SimpleNamespace(facts=facts)

    monkeypatch.setattr(control_command, "ask", ask)
    findings, found = control_command.control(SimpleNamespace(process_id=1))
    assert found == code
    assert [finding.state for finding in findings] == states


def test_control_needs_a_process():
    with pytest.raises(UsageError, match="PID"):
        doctor.run(argparse.Namespace(target=None, control=True, timeout="10s", output="table"))
