"""Which member of a group is shown, where its members wait, and how groups that look alike become one."""

import asyncio
import threading
from weakref import ref

from opentelemetry.instrumentation.concurrency.census.columns import Columns
from opentelemetry.instrumentation.concurrency.diagnose.verdict.alike_groups import merge_alike
from opentelemetry.instrumentation.concurrency.diagnose.verdict.group import Group
from opentelemetry.instrumentation.concurrency.diagnose.verdict.representative import (
    SAMPLE,
    Members,
    choose_representative,
)
from opentelemetry.instrumentation.concurrency.record.creation_stack import CreationStack
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.tasks import task_is_finished
from opentelemetry.instrumentation.concurrency.record.threads import thread_is_finished


async def in_a_future():
    await asyncio.get_running_loop().create_future()


async def in_an_event():
    await asyncio.Event().wait()


class Kept:
    """Columns with some tasks of some sites in them.

    Args:
        kind: Tasks or threads.
    """

    def __init__(self, kind="task"):
        self.kind = kind
        self.columns = Columns(task_is_finished if kind == "task" else thread_is_finished)
        self.sites = []
        self.found = []

    def site(self):
        self.sites.append(Site(self.kind, len(self.sites), Kept.site.__code__, 0, __name__))
        return self.sites[-1]

    def add(self, site, found):
        self.columns.add(found, ref(found), site, float(len(self.found)), None, None)
        self.found.append(found)
        return found

    def start(self, site, *coros):
        for coro in coros:
            self.add(site, asyncio.ensure_future(coro))

    def group(self, site, verdict="growing", clause=None):
        rows = [row for row, number in enumerate(self.columns.sites) if number == site.number]
        return Group(site, verdict, len(rows), "", 0.0, members=Members(self.columns, rows, self.sites, clause))

    def keep_stack(self, found, site):
        site.keep_stack(CreationStack(0.0, [], ref(found)), id(found))

    async def end(self):
        for task in self.found:
            task.cancel()
        await asyncio.wait(self.found)


def test_representative_is_the_recorded_one_of_the_largest_part(run):
    """It is in no sample of so many; the oldest waits elsewhere, with a stack of its own."""

    async def main():
        kept = Kept()
        site = kept.site()
        kept.start(site, *(in_an_event() for _ in range(900)), *(in_a_future() for _ in range(1_100)))
        await asyncio.sleep(0)
        recorded = kept.found[1_501]
        kept.keep_stack(recorded, site)
        kept.keep_stack(kept.found[0], site)
        group = kept.group(site)
        choose_representative(group)
        await kept.end()
        return group.representative.reference() is recorded, group.waits

    is_recorded, waits = run(main)
    assert is_recorded
    (_, first, most), (_, second, others) = waits
    assert (first, second) == ("future", "event.wait")
    assert most + others == 2_000 and abs(most - 1_100) < 2_000 / SAMPLE * 3


def test_representative_without_stacks_is_oldest_of_largest(run):
    async def main():
        kept = Kept()
        site = kept.site()
        kept.start(site, in_an_event(), in_a_future(), in_a_future())
        await asyncio.sleep(0)
        group = kept.group(site, clause=lambda row: f"row {row}")
        choose_representative(group)
        await kept.end()
        return group.representative.serial, group.evidence

    assert run(main) == (2, "row 1")


def test_rows_of_before_the_last_sweep_are_never_read(run):
    """They mean other tasks by then."""

    async def main():
        kept = Kept()
        site = kept.site()
        kept.start(site, in_a_future())
        await asyncio.sleep(0)
        group = kept.group(site)
        kept.columns.sweep(1_000, {}, lambda: None, [0.0])
        choose_representative(group)
        await kept.end()
        return group.representative

    assert run(main) is None


def test_threads_are_grouped_by_where_they_wait():
    kept, stop = Kept("thread"), threading.Event()
    site = kept.site()

    def first():
        stop.wait()

    def second():
        stop.wait()

    threads = [threading.Thread(target=target, daemon=True) for target in (first, second, second)]
    for thread in threads:
        thread.start()
        kept.add(site, thread)
    group = kept.group(site)
    choose_representative(group)
    stop.set()
    for thread in threads:
        thread.join()
    assert group.representative.serial == 2
    assert [(frame.function.rpartition(".")[2], count) for frame, _, count in group.waits] == [
        ("second", 2),
        ("first", 1),
    ]


def test_groups_of_one_line_and_verdict_become_one(run):
    """The part that is largest in both together is shown, with the evidence of its own site."""

    async def main():
        kept = Kept()
        one, other = kept.site(), kept.site()
        kept.start(one, *(in_an_event() for _ in range(400)))
        kept.start(other, *(in_a_future() for _ in range(600)))
        await asyncio.sleep(0)
        groups = [kept.group(site, "orphaned", clause=f"site {site.number} {{}}".format) for site in (one, other)]
        (merged,) = merge_alike(groups)
        choose_representative(merged)
        await kept.end()
        return merged

    merged = run(main)
    assert merged.count == 1_000
    assert merged.site.number == 0
    assert merged.representative.site.number == 1
    assert merged.evidence.startswith("site 1 ")


def test_groups_of_other_verdicts_stay_apart(run):
    async def main():
        kept = Kept()
        one, other = kept.site(), kept.site()
        kept.start(one, in_an_event())
        kept.start(other, in_an_event())
        other.runs = "shop.other"
        groups = [kept.group(one, "orphaned"), kept.group(one, "unwakeable"), kept.group(other, "orphaned")]
        merged = merge_alike(groups)
        await kept.end()
        return merged == groups

    assert run(main)
