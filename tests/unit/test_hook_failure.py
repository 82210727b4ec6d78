"""What a failed hook does next."""

import logging
from weakref import ref

from opentelemetry.instrumentation.concurrency.record.failure import HookFailure


def test_object_without_weak_references_is_counted_said_once_and_leaves_the_hook(caplog):
    """A task factory may make such objects; what others create is still recorded."""
    counted, disarmed = [], []
    failure = HookFailure("create_task", counted.append)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            try:
                ref(())
            except TypeError as error:
                failure(error, lambda: disarmed.append(True))
    assert (counted, disarmed, len(caplog.records)) == (["create_task"] * 2, [], 1)


def test_other_type_error_takes_the_hook_out():
    """Only the missing weak reference says nothing about the hook."""
    disarmed = []
    HookFailure("create_task", lambda _: None)(TypeError("other"), lambda: disarmed.append(True))
    assert disarmed == [True]
