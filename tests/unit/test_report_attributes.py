"""A report of a task that has no frames left says so, and nothing else."""

from opentelemetry.instrumentation.concurrency.diagnose.verdict import Finding, Sight
from opentelemetry.instrumentation.concurrency.report.attributes import report_attributes


def stack_of(note, chain=()):
    sight = Sight("Task-1", "ask", chain, note, "unknown")
    finding = Finding(
        kind="task",
        function="shop.ask",
        path="/srv/shop.py",
        line=1,
        verdict="destroyed",
        since_s=0.0,
        evidence="nobody held it",
        reason="1 task was garbage-collected while pending: nobody held it.",
        count=1,
        fingerprint="0" * 16,
        sight=sight,
        creation=(),
        creation_sampled=False,
        waiting_at=None,
        creator_span_name="",
        links=(),
        age_s=1.0,
        stalled_s=None,
    )
    attributes = report_attributes(finding, "id", stack_text_limit=4000, with_source=False, with_names=True)
    return attributes.get("code.stacktrace")


def test_note_alone_is_the_whole_stack():
    assert stack_of("it ended before or while it was looked at") == "  (it ended before or while it was looked at)"


def test_no_frames_and_no_note_are_no_attribute():
    assert stack_of("") is None
