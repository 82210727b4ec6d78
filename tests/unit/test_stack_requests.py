"""Which sites record the stack of every further creation, and until when."""

import gc
from weakref import ref

import pytest

from opentelemetry.instrumentation.concurrency.census.ageing import AgeClock
from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.diagnose.growth.stack_requests import (
    ENOUGH,
    MOST_PER_SECOND,
    StackRequests,
)
from opentelemetry.instrumentation.concurrency.record.creation_stack import CreationStack
from opentelemetry.instrumentation.concurrency.record.site import Site

AGE = 60.0
SCAN = 5.0


class Task:
    """Stands for a task: it can be referenced weakly, and be done."""

    done = False


class Service:
    """One site, its tasks, and the scans that look at it."""

    def __init__(self):
        self.now = 1_000.0
        self.clock = AgeClock(lambda: self.now)
        self.site = Site("task", 0, Service.create.__code__, 0, __name__)
        self.columns = Columns(lambda task: task.done)
        self.requests = StackRequests()
        self.tasks = []

    def create(self, count=1):
        for _ in range(count):
            task = Task()
            self.tasks.append(task)
            self.site.samples_until_stack -= 1
            if self.site.samples_until_stack <= 0:
                self.site.schedule_stack(0 if self.site.wants_stacks else 128)
                self.site.keep_stack(CreationStack(self.now, [], ref(task)), id(task))

    def scan(self, old, after=SCAN):
        self.now += after
        self.requests.scan({self.site: old}, self.columns, self.clock, AGE)
        return self.site.wants_stacks

    def own_stacks(self):
        return sum(self.site.stack_of(task) is not None for task in self.tasks)


def test_watched_site_records_all_until_enough_have_stacks():
    service = Service()
    service.create(3)
    assert service.own_stacks() == 1
    assert service.scan(old=3)
    service.create(ENOUGH - 2)
    assert service.scan(old=3), "the new ones are not old yet"
    service.create(1)
    assert not service.scan(old=3 + ENOUGH, after=AGE + 1)
    service.create(10)
    assert service.own_stacks() == ENOUGH + 1, "one was due already"


def test_site_watched_no_longer_is_sampled_again():
    service = Service()
    service.create(2)
    service.scan(old=2)
    service.requests.end([])
    assert not service.site.wants_stacks


def test_site_that_creates_too_much_is_sampled():
    """Some microseconds for each creation are nothing at a hundred a second, and a core at a hundred thousand."""
    service = Service()
    service.create(1)
    assert service.scan(old=1)
    service.site.samples_until_stack -= int(MOST_PER_SECOND * SCAN) + SCAN
    assert not service.scan(old=1)
    assert service.scan(old=1)


def test_site_with_older_tasks_is_requested_for_twice_the_age():
    service = Service()
    service.create(2)
    service.site.stacks.clear()
    answers = [service.scan(old=1) for _ in range(int(2 * AGE / SCAN) + 3)]
    assert answers[-1] is False and answers[-4] is True
    assert service.scan(old=2), "one more has survived: it recurs"


def test_stacks_of_ended_tasks_are_dropped_first():
    """The old leak's stack outlives a thousand requests that were recorded between two scans."""
    service = Service()
    service.site.want_stacks(True)
    service.create(1)
    leaked = service.tasks[0]
    for _ in range(1_000):
        service.create(1)
        service.tasks.pop()
        gc.collect(0)
    assert service.site.stack_of(leaked) is not None
    assert len(service.site.stacks) <= 64


def test_survivors_keep_their_stacks_where_too_many_live():
    service = Service()
    service.site.want_stacks(True)
    service.create(1_000)
    oldest = service.tasks[:8]
    assert all(service.site.stack_of(task) is not None for task in oldest)
    assert service.site.any_stack().reference() is service.tasks[-1]


@pytest.mark.parametrize("done", [True, False])
def test_scan_drops_the_stacks_of_finished_tasks(done):
    service = Service()
    service.site.want_stacks(True)
    service.create(6)
    for task in service.tasks[:5]:
        task.done = done
    service.scan(old=1)
    assert service.own_stacks() == (1 if done else 6)
