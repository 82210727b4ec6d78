"""When unrecorded tasks are leaks: more than ever lived at the site in its first window, in two scans in a row."""

import asyncio

import pytest
from census_rows import Rows

from opentelemetry.instrumentation.concurrency.diagnose.ownership.residents import ResidentMemory
from opentelemetry.instrumentation.concurrency.diagnose.ownership.unrecorded import UnrecordedOrphans

WINDOW = 60.0


class Service:
    """Tasks of one site that wait for what nothing completes."""

    def __init__(self, limit=0):
        self.rows, self.loop = Rows(), asyncio.new_event_loop()
        self.site, self.tasks = self.rows.site(), []
        self.orphans = UnrecordedOrphans(ResidentMemory(limit, WINDOW))

    def start(self, count):
        async def wait():
            await self.loop.create_future()

        for _ in range(count):
            task = self.loop.create_task(wait())
            self.tasks.append(task)
            self.rows.add(task, self.site, at=1.0)
        self.loop.run_until_complete(asyncio.sleep(0))

    def observe(self, live, now):
        self.orphans.observe(self.site, live, 0.0, now)

    def judge(self):
        """Return how many orphans a scan finds, and the evidence."""
        found, clause = self.orphans.judge(
            self.rows.census.tasks, self.site, range(len(self.rows.census.tasks)), lambda: None
        )
        return len(found), clause

    def close(self):
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*self.tasks, return_exceptions=True))
        self.loop.close()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


def test_judge_more_than_in_the_first_window_twice_in_a_row(service):
    service.observe(4, 10.0)
    service.start(14)
    assert service.judge() == (0, "")
    count, clause = service.judge()
    assert count == 14
    assert "14 such tasks" in clause and "at most 4" in clause


def test_judge_rise_of_less_than_ten_returns_none(service):
    service.observe(4, 10.0)
    service.start(13)
    assert [service.judge()[0] for _ in range(3)] == [0, 0, 0]


def test_judge_compares_with_the_highest_count_of_the_first_window(service):
    for live, now in ((4, 0.0), (12, WINDOW), (100, WINDOW + 1), (5, WINDOW + 2)):
        service.observe(live, now)
    service.start(21)
    assert [service.judge()[0] for _ in range(2)] == [0, 0]
    service.start(1)
    service.judge()
    assert service.judge()[0] == 22


def test_judge_half_as_many_again_where_there_were_many(service):
    service.observe(40, 0.0)
    service.start(59)
    assert [service.judge()[0] for _ in range(2)] == [0, 0]
    service.start(1)
    service.judge()
    assert service.judge()[0] == 60


def test_judge_few_tasks_returns_none():
    service = Service(limit=20)
    service.observe(1, 0.0)
    service.start(20)
    assert [service.judge()[0] for _ in range(2)] == [0, 0]
    service.start(1)
    service.judge()
    assert service.judge()[0] == 21
    service.close()


def test_judge_tasks_with_an_owner_are_none(service):
    service.observe(1, 0.0)
    service.start(20)

    async def await_all():
        await asyncio.gather(*service.tasks[:20])

    owner = service.loop.create_task(await_all())
    service.loop.run_until_complete(asyncio.sleep(0))
    assert [service.judge()[0] for _ in range(2)] == [0, 0]
    service.tasks.append(owner)
