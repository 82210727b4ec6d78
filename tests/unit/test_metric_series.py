"""Which sites have metric series of their own, with which attributes, and what each exports."""

import threading
from collections import Counter

import pytest

from opentelemetry.instrumentation.concurrency.census.scan import Scan, Tally
from opentelemetry.instrumentation.concurrency.diagnose.diagnosis import Diagnosed, SiteVerdicts
from opentelemetry.instrumentation.concurrency.record.site import Site
from opentelemetry.instrumentation.concurrency.record.threads import MAIN_SITE, OWN_SITE, SDK_SITE
from opentelemetry.instrumentation.concurrency.report import metrics
from opentelemetry.instrumentation.concurrency.report import series as series_module
from opentelemetry.instrumentation.concurrency.report.series import SeriesAllocator

TASK_METRICS = ["count", "created", "age.max", "orphan.count", "destroyed", "unretrieved"]


class Service:
    """Sites made by hand, scanned whenever a test says so, and what an exporter reads."""

    def __init__(self, max_sites=100, granularity="line", totals_only=False):
        self.sites = {"task": [], "thread": []}
        self.live, self.daemons = Counter(), Counter()
        self.oldest_at = {}
        self.diagnosed = Diagnosed()
        self.allocator = SeriesAllocator(max_sites=max_sites, granularity=granularity, totals_only=totals_only)

    def site(self, function="shop.query", line=1, runs="shop.ask", *, kind="task", path="/srv/shop.py", created=0):
        site = Site(kind, len(self.sites[kind]), None, -2, function, runs=runs)
        site.path, site.line = path, line
        self.sites[kind].append(site)
        self.create(site, created)
        return site

    def create(self, site, number, *, daemons=0):
        """Create tasks or threads that go on living."""
        site.samples_until_stack -= number
        self.live[site] += number
        self.daemons[site] += daemons

    def end(self, site):
        self.live[site] = self.daemons[site] = 0

    def scan(self):
        tallies = {"task": [], "thread": []}
        for site, live in self.live.items():
            if live:
                tallies[site.kind].append(
                    Tally(site, live, oldest_at=self.oldest_at.get(site, 1.0), daemons=self.daemons[site])
                )
        scan = Scan(1, 2.0, False, tuple(tallies["task"]), tuple(tallies["thread"]))
        self.allocator.publish(scan, self.diagnosed, self.sites)

    def read(self, metric):
        """Return the points of a metric, by attributes, as an exporter gets them."""
        source = type("Source", (), {"publication": self.allocator.read, "age_of": lambda _self, at: 2.0 - at})()
        read = next(observed[-1] for observed in metrics.OBSERVED if observed[1] == f"python.{metric}")
        points = [(frozenset((point.attributes or {}).items()), point.value) for point in read(source)]
        assert len(points) == len(dict(points)), "two series with equal attributes"
        return dict(points)

    def of(self, metric, **attributes):
        """Return the points of a metric that carry these attributes, by all of theirs; dots are written as ``__``."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}.items()
        return {key: value for key, value in self.read(metric).items() if wanted <= set(key)}

    def value(self, metric, function, **attributes):
        """Return the value of the one series of a function."""
        (value,) = self.of(metric, code__function__name=function, **attributes).values()
        return value


def leak(service, site, *, orphaned=0, unwakeable=0):
    service.diagnosed.orphans[site] = SiteVerdicts(orphaned, unwakeable)


def test_attributes_task_site_has_line_and_coroutine():
    service = Service()
    service.site("shop.query", 31, "shop.ask", created=2)
    service.scan()
    site = {"code.function.name": "shop.query", "code.file.path": "/srv/shop.py", "code.line.number": 31}
    site["python.asyncio.task.coroutine"] = "shop.ask"
    for metric in TASK_METRICS:
        points = service.of(f"asyncio.task.{metric}", code__function__name="shop.query")
        assert {frozenset(attributes) - {("python.leak.verdict", "orphaned")} for attributes in points} == {
            frozenset(site.items())
        }, metric


def test_attributes_thread_site_has_line_and_target():
    service = Service()
    service.site("shop.report", 9, "shop.write", kind="thread", created=1)
    service.scan()
    for metric in ("count", "created", "age.max", "orphan.count"):
        points = service.of(f"thread.{metric}", code__function__name="shop.report", python__thread__target="shop.write")
        assert len(points) == 1, metric
        assert not service.of(f"thread.{metric}", python__asyncio__task__coroutine="shop.write")


def test_attributes_unknown_parts_are_absent():
    service = Service()
    service.site("named", 0, "", path="", created=1)
    service.scan()
    assert service.value("asyncio.task.count", "named") == 1
    assert frozenset({("code.function.name", "named")}) in service.read("asyncio.task.count")


def test_site_that_comes_later_joins_the_series_with_its_attributes():
    service = Service()
    service.site(created=3)
    service.scan()
    service.site(created=4)
    service.scan()
    assert service.value("asyncio.task.count", "shop.query") == 7
    assert service.value("asyncio.task.created", "shop.query") == 7


def test_one_line_running_two_coroutines_has_two_series():
    service = Service()
    service.site(runs="shop.ask", created=3)
    service.site(runs="shop.mail", created=4)
    service.scan()
    assert service.value("asyncio.task.count", "shop.query", python__asyncio__task__coroutine="shop.ask") == 3
    assert service.value("asyncio.task.count", "shop.query", python__asyncio__task__coroutine="shop.mail") == 4


def test_one_line_starting_tasks_and_threads_has_two_series():
    service = Service()
    service.site(created=3)
    service.site(kind="thread", created=2)
    service.scan()
    assert service.value("asyncio.task.count", "shop.query") == 3
    assert sum(service.of("thread.count", code__function__name="shop.query").values()) == 2


def test_sites_with_equal_attributes_are_one_sum():
    """Callers of a factory are judged apart and shown as one; so are the columns of one line."""
    service = Service()
    first, second = service.site(created=3), service.site(created=4)
    first.destroyed, second.destroyed = 1, 2
    leak(service, first, orphaned=1)
    leak(service, second, orphaned=2)
    service.diagnosed.suspects = {first, second}
    service.scan()
    for metric, expected in {"count": 7, "created": 7, "destroyed": 3, "orphan.count": 3}.items():
        assert service.value(f"asyncio.task.{metric}", "shop.query") == expected, metric
    assert service.read("leak.suspect.count")[frozenset({("python.leak.kind", "task")})] == 1


@pytest.mark.parametrize("ages", [(1.5, 0.25), (0.25, 1.5)])
def test_age_max_of_a_shared_series_is_the_oldest(ages):
    """An old leak must not hide behind a young task of the same line."""
    service = Service()
    for age in ages:
        service.oldest_at[service.site(created=1)] = 2.0 - age
    service.scan()
    assert service.value("asyncio.task.age.max", "shop.query") == 1.5


def test_paths_with_one_relative_form_are_one_sum(monkeypatch, tmp_path):
    """Metrics carry paths relative to `sys.path`; two entries may hold files of one name."""
    service = Service()
    for name in ("a", "b"):
        monkeypatch.syspath_prepend(tmp_path / name)
        service.site(path=str(tmp_path / name / "shop.py"), created=1)
    service.scan()
    assert service.value("asyncio.task.count", "shop.query", code__file__path="shop.py") == 2


def test_granularity_function_sums_lines_per_started_function():
    service = Service(granularity="function")
    service.site(line=1, created=1)
    service.site(line=2, created=1)
    service.site(line=3, runs="shop.mail", created=1)
    service.scan()
    points = service.of("asyncio.task.count", code__function__name="shop.query")
    assert sorted(points.values()) == [1, 2]
    assert not any("code.line.number" in dict(key) for key in points)


def test_totals_only_has_one_series_without_attributes():
    service = Service(totals_only=True)
    service.site(created=3)
    service.site(kind="thread", created=2)
    service.scan()
    assert service.read("asyncio.task.count") == {frozenset(): 3}
    assert sum(service.read("thread.count").values()) == 2


def test_max_sites_bounds_series_of_all_kinds():
    """Lines, coroutines and threads count alike; a quarter stays free."""
    service = Service(max_sites=8)
    for number in range(20):
        service.site(line=number + 1, created=1)
        service.site(runs=f"shop.ask_{number}", created=1)
        service.site(line=number + 1, kind="thread", created=1)
    service.scan()
    own = [key for metric in ("asyncio.task", "thread") for key in service.read(f"{metric}.created")]
    assert len(own) == 6 + 2
    assert sum(service.read("asyncio.task.count").values()) == 40
    assert service.read("concurrency.site.overflow")[frozenset()] == 60 - 6


def test_site_named_other_never_collides_with_the_rest():
    """Beyond a hundred thousand sites one site of this name stands for all further ones."""
    service = Service()
    service.site("_OTHER", 0, "", path="", created=2)
    service.site(created=1)
    service.scan()
    assert service.value("asyncio.task.count", "_OTHER") == 2


@pytest.mark.parametrize("ending", ["destroyed", "unretrieved"])
def test_dying_site_without_survivors_gets_a_series(ending):
    """681 failures within one scan are named, not hidden in ``_OTHER``; the room for survivors is taken."""
    service = Service(max_sites=8)
    for number in range(20):
        service.site(line=number + 1, created=9)
    service.scan()
    dying = service.site("shop.fail", created=681)
    service.end(dying)
    setattr(dying, ending, 681)
    service.scan()
    assert service.value(f"asyncio.task.{ending}", "shop.fail") == 681
    assert service.value("asyncio.task.created", "shop.fail") == 681
    assert service.value("asyncio.task.count", "shop.fail") == 0
    assert service.value(f"asyncio.task.{ending}", "_OTHER") == 0


def test_dying_sites_leave_room_for_leaks():
    service = Service(max_sites=16)
    for number in range(40):
        service.site(f"shop.fail_{number}").unretrieved = 1
    service.scan()
    leaking = service.site("shop.leak", created=1)
    leak(service, leaking, orphaned=1)
    service.scan()
    assert service.value("asyncio.task.orphan.count", "shop.leak") == 1
    failing = [key for key in service.read("asyncio.task.created") if "shop.fail" in dict(key)["code.function.name"]]
    assert len(failing) == 14


def test_refused_site_gets_a_series_once_it_leaks():
    service = Service(max_sites=8)
    sites = [service.site(line=number + 1, created=1) for number in range(20)]
    service.scan()
    refused = next(site for site in sites if not service.of("asyncio.task.count", code__line__number=site.line))
    leak(service, refused, orphaned=1)
    service.scan()
    assert service.of("asyncio.task.count", code__line__number=refused.line)


def test_leaks_get_series_before_failures_and_survivors():
    service = Service(max_sites=1)
    service.site("shop.alive", created=100)
    service.site("shop.fail").unretrieved = 5
    leak(service, service.site("shop.leak", created=1), orphaned=1)
    service.scan()
    assert service.of("asyncio.task.count", code__function__name="shop.leak")
    assert len(service.read("asyncio.task.count")) == 2


def test_counters_never_fall_when_a_site_leaves_other():
    """Exports at any moment: ``_OTHER`` keeps what it has exported, and the sum is the whole."""
    service = Service(max_sites=8)
    site = service.site(created=0)
    exported = Counter()
    for step in range(12):
        service.create(site, 5)
        site.destroyed += 2
        if step < 4:
            # Nothing survives a scan and nothing is known to have been destroyed yet.
            service.end(site)
            site.destroyed = 0
        service.scan()
        if step % 3 != 1:
            for metric, whole in (("created", site.created), ("destroyed", site.destroyed)):
                points = service.read(f"asyncio.task.{metric}")
                assert sum(points.values()) == whole
                for key, value in points.items():
                    assert value >= exported[metric, key], (metric, dict(key))
                    exported[metric, key] = value
    assert exported["created", frozenset({("code.function.name", "_OTHER")})] == 20


def test_reader_during_publication_gets_the_new_one(monkeypatch):
    """A reader that comes while a scan is published waits for it; else ``_OTHER`` would take back what it exported."""
    service = Service()
    site = service.site(created=5)
    service.end(site)
    service.scan()
    service.create(site, 1)
    inside, got = threading.Event(), []
    admit = SeriesAllocator._admit

    def reading_meanwhile(self, *arguments):
        reader = threading.Thread(target=lambda: (inside.set(), got.append(service.allocator.read())))
        reader.start()
        inside.wait(10)
        readers.append(reader)
        return admit(self, *arguments)

    readers = []
    monkeypatch.setattr(SeriesAllocator, "_admit", reading_meanwhile)
    service.scan()
    readers[0].join(10)
    (publication,) = got
    assert publication is service.allocator.read()


def test_site_exports_endings_from_its_first_export_on():
    """Without a first zero `increase()` misses the first destroyed task."""
    service = Service()
    service.site(created=1)
    service.scan()
    assert service.value("asyncio.task.destroyed", "shop.query") == 0
    assert service.value("asyncio.task.unretrieved", "shop.query") == 0
    assert service.value("asyncio.task.orphan.count", "shop.query", python__leak__verdict="orphaned") == 0


def test_unwakeable_series_begins_with_the_first_proof_and_stays():
    service = Service()
    site = service.site(created=3)
    service.scan()
    assert not service.of("asyncio.task.orphan.count", code__line__number=1, python__leak__verdict="unwakeable")
    leak(service, site, orphaned=1, unwakeable=2)
    service.scan()
    assert service.value("asyncio.task.orphan.count", "shop.query", python__leak__verdict="unwakeable") == 2
    service.diagnosed.orphans.clear()
    service.scan()
    assert service.value("asyncio.task.orphan.count", "shop.query", python__leak__verdict="unwakeable") == 0


def test_thread_series_only_for_daemon_values_that_occurred():
    service = Service()
    site = service.site(kind="thread")
    service.create(site, 2, daemons=2)
    service.scan()
    found = service.of("thread.count", code__function__name="shop.query")
    assert [dict(key)["python.thread.daemon"] for key in found] == [True]
    service.end(site)
    service.create(site, 1)
    service.scan()
    assert service.value("thread.count", "shop.query", python__thread__daemon=True) == 0
    assert service.value("thread.count", "shop.query", python__thread__daemon=False) == 1


def test_threads_have_no_unwakeable_series():
    service = Service()
    service.site(kind="thread", created=1)
    service.scan()
    assert not service.of("thread.orphan.count", python__leak__verdict="unwakeable")
    assert service.value("thread.orphan.count", "shop.query", python__leak__verdict="orphaned") == 0


@pytest.mark.parametrize("name", [OWN_SITE, SDK_SITE, MAIN_SITE])
def test_machinery_site_has_no_orphan_series(name):
    service = Service()
    service.site(name, 0, "", kind="thread", path="", created=1)
    service.scan()
    assert service.of("thread.count", code__function__name=name)
    assert not service.of("thread.orphan.count", code__function__name=name)


def test_other_is_always_there_with_every_value():
    service = Service()
    service.scan()
    of_tasks = (f"asyncio.task.{each}" for each in TASK_METRICS)
    for metric in (*of_tasks, "thread.created", "thread.age.max", "executor.thread.count", "executor.queue.size"):
        assert set(service.of(metric, code__function__name="_OTHER").values()) == {0}, metric
    assert len(service.read("asyncio.task.orphan.count")) == 2
    assert len(service.read("thread.count")) == 2


def test_memory_is_exported_per_verdict_once_measured():
    """Afterwards also as zero; what belongs to no series of its own is in ``_OTHER``, which always exports."""
    service = Service()
    site, other = service.site(created=2), service.site("shop.other", 9, created=1)
    leak(service, site, orphaned=2)
    service.scan()
    assert service.value("leak.memory.usage", "_OTHER", python__leak__verdict="orphaned") == 0
    assert not service.of("leak.memory.usage", code__function__name="shop.query")
    service.diagnosed.memory = {(site, "orphaned"): 5_000, (site, "growing"): 7, (other, "unwakeable"): 30}
    service.scan()
    assert service.value("leak.memory.usage", "shop.query") == 5_000
    assert service.value("leak.memory.usage", "shop.other", python__leak__verdict="unwakeable") == 30
    service.diagnosed.memory = {}
    service.scan()
    assert service.value("leak.memory.usage", "shop.query", python__leak__verdict="orphaned") == 0


def test_memory_is_not_exported_on_free_threaded_builds(monkeypatch):
    monkeypatch.setattr(series_module, "FREE_THREADED_BUILD", True)
    service = Service()
    service.site(created=2)
    service.scan()
    assert service.read("leak.memory.usage") == {}
