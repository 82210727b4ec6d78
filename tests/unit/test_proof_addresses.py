"""Addresses of tasks in the schedule of proofs."""

import weakref
from types import SimpleNamespace

from opentelemetry.instrumentation.concurrency.diagnose.proof import schedule


class Task:
    """Can be weakly referenced."""


def test_address_of_a_task_that_has_gone_is_no_address():
    task = Task()
    kept, gone = weakref.ref(task), weakref.ref(Task())
    assert schedule._address(kept) == id(task)
    assert schedule._address(gone) == 0


def test_addresses_are_those_of_live_tasks():
    task = Task()
    found = [SimpleNamespace(task=weakref.ref(each)) for each in (task, Task())]
    assert schedule._addresses(found) == {id(task)}
