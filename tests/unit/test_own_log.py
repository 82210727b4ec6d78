"""Whatever names, addresses and messages a record holds, it is one line of the log, and no line is forged."""

import logging
from types import SimpleNamespace

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.answers import Answers
from opentelemetry.instrumentation.concurrency.agent.peer import Peer
from opentelemetry.instrumentation.concurrency.agent.protocol import Reply, RequestError
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.own_log import NAME, OneLine, own_logger
from opentelemetry.instrumentation.concurrency.report.control import control_attributes
from opentelemetry.instrumentation.concurrency.report.stack_text import stack_text

FORGED = "127.0.0.1:1\r\n2026-01-01 WARNING other.logger: forged\x1b[2J\u2028\ud800"
FRAMES = [SimpleNamespace(function=FORGED, path=FORGED, line=1), SimpleNamespace(function="f", path="/f.py", line=2)]


def announcement(address):
    """What `serve` asks."""
    request = {"request": "announce", "action": "serve", "address": address}
    return SimpleNamespace(request=request, peer=Peer(1, 1000))


@pytest.fixture
def written(caplog):
    """What a handler with the usual format has written."""

    def text():
        formatter = logging.Formatter("%(levelname)s %(name)s: %(message)s")
        return "\n".join(map(formatter.format, caplog.records))

    caplog.set_level(logging.DEBUG, NAME)
    return text


class Unprintable:
    """Cannot be converted to a text."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("at %s", (FORGED,)),
        ("at %(place)s", ({"place": FORGED},)),
        (f"at {FORGED}".replace("%", "%%"), ()),
        ("failed (%s)", (OSError(2, "no", FORGED),)),
        ("failed (%s)", (ValueError(FORGED),)),
        ("bytes %s", (FORGED.encode("utf-8", "backslashreplace"),)),
    ],
)
def test_record_with_a_line_break_is_one_line(written, message, arguments):
    """In the arguments, in the message, in an exception."""
    own_logger().warning(message, *arguments)
    assert written().isprintable()
    assert "forged" in written()


def test_record_keeps_numbers_for_their_formats(written):
    """``%d`` and ``%.1f`` need numbers."""
    own_logger().warning("%d of %.1f s, %s", 3, 1.25, True)
    assert written().endswith("3 of 1.2 s, True")


def test_traceback_with_a_line_break_has_no_line_at_the_margin(written):
    """The message of an exception cannot look like the next record."""
    try:
        raise ValueError(FORGED)
    except ValueError:
        own_logger().exception("It failed.")
    head, *rest = written().splitlines()
    assert head == f"ERROR {NAME}: It failed."
    assert len(rest) >= 4
    assert all(line.startswith("  ") and line.replace("\t", "").isprintable() for line in rest)


def test_argument_that_cannot_be_shown_raises_nothing():
    """What ``logging`` does with it is up to ``logging``."""
    record = logging.LogRecord(NAME, logging.WARNING, "f.py", 1, "at %s", (Unprintable(),), None)
    assert OneLine().filter(record)


def test_logger_has_one_filter_however_often_it_is_asked_for():
    """Each module asks for it."""
    assert own_logger() is own_logger()
    assert sum(isinstance(each, OneLine) for each in own_logger().filters) == 1


def test_control_by_a_client_is_one_line_and_a_text(written):
    """The address that ``serve`` announces, and the site that ``cancel`` names."""
    ConcurrencyInstrumentor().instrument(agent_disabled=True, reports="none", scan_interval=3600)
    try:
        answers = Answers(current_installation())
        for address in (FORGED, "127.0.0.1:6080"):
            answers.answer(announcement(address), Reply(), lambda: None)
        for wrong in (["a", "b"], {"a": 1}, 5, None):
            with pytest.raises(RequestError, match="must be a text"):
                answers.answer(announcement(wrong), Reply(), lambda: None)
    finally:
        ConcurrencyInstrumentor().uninstrument()
    lines = [line for line in written().splitlines() if "serve" in line or "forged" in line]
    assert len(lines) == 2
    assert all(line.startswith(f"WARNING {NAME}: otel-concurrency serve (") for line in lines)


def test_control_attributes_hold_one_line():
    """Telemetry of the same."""
    assert all(str(value).isprintable() for value in control_attributes("serve", 0, 1, FORGED, 1).values())


def test_stack_text_with_hostile_names_has_one_line_a_frame():
    """The function of a frame cannot make up another frame."""
    text = stack_text(FRAMES, limit_bytes=10_000)
    first, second = text.split("\n")
    assert first.isprintable()
    assert second == '  File "/f.py", line 2, in f'


def test_report_without_a_sink_is_one_line(written):
    """The first report is named in the log: function and path come from the application."""
    ConcurrencyInstrumentor().instrument(agent_disabled=True, scan_interval=3600, task_age=0.001)
    try:
        current_installation()._sinks._say_there_is_no_sink(
            "x", {"code.function.name": FORGED, "code.file.path": FORGED}
        )
    finally:
        ConcurrencyInstrumentor().uninstrument()
    assert written().isprintable()
