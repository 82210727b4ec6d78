"""Whoever asks learns which event loops do not answer, since when, and where their threads are."""

import asyncio
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.answers import Answers
from opentelemetry.instrumentation.concurrency.cli.ps import _cells, _row
from opentelemetry.instrumentation.concurrency.cli.silent_loop_lines import (
    silent_loop_block,
    silent_loop_sentence,
    silent_loops_of,
)
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.report.eventloop_delay import DelayProbe
from opentelemetry.instrumentation.concurrency.report.silent_loops import LoopQuestions
from opentelemetry.instrumentation.concurrency.serve.live_source import LiveSource


class Service:
    """A loop in a thread, and questions whose clock goes on by what they sleep."""

    def __init__(self, new_loop=asyncio.new_event_loop, blocked_age=1.0):
        self.now, self.is_held = 1000.0, False
        self.probe = DelayProbe(lambda *_: None, lambda *_: None, clock=lambda: self.now)
        self.questions = LoopQuestions(self.probe, blocked_age, lambda: self.now, self.sleep)
        self.loop = new_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="Shop")
        self.thread.start()

    def sleep(self, seconds):
        self.now += seconds
        if not self.is_held:
            self.let_answer()

    def ask(self):
        return self.questions.silent([self.loop])

    def scan(self):
        return self.questions.silent(None)

    def let_answer(self):
        done = threading.Event()
        self.loop.call_soon_threadsafe(done.set)
        done.wait()


@contextmanager
def service(**options):
    made = Service(**options)
    try:
        made.let_answer()
        yield made
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        made.thread.join()
        made.loop.close()


@contextmanager
def blocked(made):
    entered, release = threading.Event(), threading.Event()

    def hold_the_loop():
        entered.set()
        release.wait()

    made.loop.call_soon_threadsafe(hold_the_loop)
    entered.wait()
    made.is_held = True
    try:
        yield
    finally:
        made.is_held = False
        release.set()
        made.let_answer()


def test_blocked_loop_is_found_when_asked_with_its_stack():
    """In the first minute as well: people who ask want to know."""
    with service() as made:
        with blocked(made):
            (silent,) = made.ask()
        assert silent.thread_name == "Shop" and 1.0 <= silent.silent_s < 1.1
        assert any(frame.function.endswith("blocked.hold_the_loop") for frame in silent.stack)
        assert made.ask() == []


def test_later_requests_know_since_when():
    with service() as made, blocked(made):
        made.ask()
        made.now += 12
        (silent,) = made.ask()
        assert silent.silent_s > 13
        (seen,) = made.scan()
        assert seen.silent_s > 13


def test_question_of_a_scan_counts():
    with service() as made, blocked(made):
        made.probe.scan([made.loop])
        made.probe.scan([made.loop])
        made.now += 30
        (silent,) = made.scan()
        assert silent.silent_s == 30
        before = made.now
        assert len(made.ask()) == 1
        assert made.now == before


def test_looking_alone_asks_nothing():
    with service() as made, blocked(made):
        assert made.scan() == []


@pytest.mark.parametrize(
    ("is_answered", "sent_at", "is_silent"), [(False, 998.0, True), (False, 999.5, False), (True, 998.0, False)]
)
def test_loop_is_silent_if_it_owes_an_answer_for_long(is_answered, sent_at, is_silent):
    """One that answers late, but answers, is not."""
    ping = SimpleNamespace(is_answered=is_answered, sent_at=sent_at, loop=object, thread_name="Shop", thread_id=0)
    questions = LoopQuestions(None, 1.0, lambda: 1000.0, None)
    questions._owed = lambda: {1: ping}
    assert len(questions.silent(None)) == is_silent


def test_idle_and_busy_loops_that_answer_are_not_silent():
    with service() as made:
        assert made.ask() == []
        with blocked(made):
            sent = made.questions._ask([made.loop])
        assert [ping.is_answered for ping in sent] == [True]


def test_age_zero_means_one_second_when_asked():
    with service(blocked_age=0) as made, blocked(made):
        (silent,) = made.ask()
        assert silent.silent_s >= 1.0


def test_closed_and_stopped_loops_are_not_silent():
    with service() as made:
        loop = asyncio.new_event_loop()
        assert made.questions.silent([loop]) == []
        loop.close()
        assert made.questions.silent([loop]) == []


def test_blocked_uvloop_is_found():
    uvloop = pytest.importorskip("uvloop")
    with service(new_loop=uvloop.new_event_loop) as made, blocked(made):
        (silent,) = made.ask()
        assert silent.silent_s >= 1.0


def test_sentence_and_block_of_a_silent_loop():
    with service() as made, blocked(made):
        (silent,) = made.ask()
    facts = silent.as_facts()
    sentence = silent_loop_sentence(facts)
    assert sentence.startswith("The event loop of thread Shop has not answered for 1 second: it is in ")
    first, second, *_ = silent_loop_block(facts)
    assert first == f"{sentence}\n" and "threading" in second
    assert "stack" not in silent.as_facts(with_stack=False)


def test_agent_of_an_earlier_version_says_nothing_of_loops():
    assert silent_loops_of({}) == []


def test_ps_marks_a_process_whose_loop_does_not_answer():
    class Process:
        process_id = parent_id = uid = threads = 1
        python, command, uptime_s = "3.11", "shop", 5.0

    silent = {"thread": "Shop", "silent_s": 14.0, "waiting_at": "shop.sleep (shop.py:3)"}
    cells = _cells(_row(Process(), {"silent_loops": [silent]}))
    assert cells[2] == "!"
    assert (
        cells[-1]
        == "shop  (The event loop of thread Shop has not answered for 14 seconds: it is in shop.sleep (shop.py:3).)"
    )


def test_every_answer_of_the_agent_and_the_page_say_it():
    """The first to ask has to wait for `BLOCKED_AGE`; then the quick answer and the page know it too."""
    ConcurrencyInstrumentor().instrument(reports="none", scan_interval=3600, blocked_age=0.05)
    try:
        installation, answers = current_installation(), Answers(current_installation())
        with service() as made:
            made.loop.call_soon_threadsafe(made.loop.create_task, asyncio.sleep(3600))
            made.let_answer()
            with blocked(made):
                for request in ("stats", "status", "leaks"):
                    reply = Reply()
                    answers.answer(SimpleNamespace(request={"request": request}), reply, lambda: None)
                    (silent,) = reply.facts["silent_loops"]
                    assert silent["thread"] == "Shop" and silent["silent_s"] >= 0.05 and silent["stack"]
                    assert request != "stats" or "blocked" in {loop["state"] for loop in reply.facts["loops"]}
                reply = Reply()
                assert answers.answer_at_once(SimpleNamespace(request={"request": "hello"}), reply)
                assert [each["thread"] for each in reply.facts["silent_loops"]] == ["Shop"]
                (shown,) = LiveSource(installation)._facts().silent_loops
                assert shown["thread"] == "Shop"
            for task in asyncio.all_tasks(made.loop):
                made.loop.call_soon_threadsafe(task.cancel)
            made.let_answer()
    finally:
        ConcurrencyInstrumentor().uninstrument()


class Reply:
    """Collects an answer of the agent."""

    def __init__(self):
        self.facts = {}

    def write(self, _text):
        """Take a part of the body."""
