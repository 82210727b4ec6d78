"""A baseline tolerates known leaks until their date, and says which of its entries are stale."""

import asyncio
import json
import sys
from datetime import date, timedelta

import pytest
from leaking import kept, stuck

from opentelemetry.instrumentation.concurrency import LeakError, check_leaks
from opentelemetry.instrumentation.concurrency.testing import Baseline, KnownLeak
from opentelemetry.instrumentation.concurrency.testing.baseline import SeenLeak

TODAY = date(2026, 11, 23)
SITE = "leaking.Kept.leak_task"


@pytest.fixture
def held():
    with kept() as found:
        yield found


def left(held, **options):
    """Return the names of what a check reports of one leaked task."""

    async def main():
        async with check_leaks(0, **options):
            held.leak_task("poller-1")
            await asyncio.sleep(0)

    try:
        asyncio.run(main())
    except LeakError as error:
        return [leak.name for leak in error.leaks]
    return []


def spawn(coro):
    """See the one line that starts every task of a suite."""
    return asyncio.create_task(coro)


def search():
    return spawn(stuck())


def index():
    return spawn(stuck())


def errors_of(*starts, baseline):
    """Return the text of the error of a check in which functions each leak one task; empty without one."""

    async def main():
        kept_alive = []
        async with check_leaks(0, baseline=baseline):
            kept_alive += [start() for start in starts]
            await asyncio.sleep(0)

    try:
        asyncio.run(main())
    except LeakError as error:
        return str(error)
    return ""


def spawn_traced(coro):
    """See the same, met under a trace function alone: what is known of a line stays known."""
    return asyncio.create_task(coro)


def search_traced():
    return spawn_traced(stuck())


def index_traced():
    return spawn_traced(stuck())


HERE = __name__


class TestBaseline:
    """Known leaks by site, with reason and date."""

    def known(self, **changes):
        fields = {"kind": "task", "site": SITE, "reason": "SHOP-12", "expires": TODAY, **changes}
        return KnownLeak(**fields)

    def test_a_known_leak(self, held):
        """It is tolerated up to its last day, and listed as such."""
        baseline = Baseline([self.known()], today=TODAY)

        async def main():
            async with check_leaks(0, baseline=baseline) as check:
                held.leak_task()
            return check

        assert [leak.site.function for leak in asyncio.run(main()).tolerated] == [SITE]

    def test_an_expired_one(self, held):
        """The next day it fails, and the error says why it was tolerated."""
        baseline = Baseline([self.known()], today=TODAY + timedelta(days=1))
        with pytest.raises(LeakError, match="was tolerated until 2026-11-23: SHOP-12"):

            async def main():
                async with check_leaks(0, baseline=baseline):
                    held.leak_task()

            asyncio.run(main())

    def test_a_new_one(self, held):
        """Another site, kind or wait reason fails."""
        for change in ({"site": "leaking.Kept.other"}, {"kind": "thread"}, {"waits": "queue.get"}):
            assert left(held, baseline=Baseline([self.known(**change)], today=TODAY)) == ["poller-1"]

    def test_vanished_ones(self):
        """They are pointed out, unless their test did not run."""
        gone = self.known(site="shop.gone", test="tests/test_a.py::test_a")
        baseline = Baseline([self.known(), gone], today=TODAY)
        assert baseline.vanished([("task", SITE)]) == [gone]
        assert baseline.vanished([("task", SITE)], ["tests/test_b.py::test_b"]) == []
        assert baseline.vanished([("task", SITE)], ["tests/test_a.py::test_a"]) == [gone]

    def test_adopting(self, tmp_path):
        """New ones get a date and a reason to fill in; known ones keep theirs; the file can be read back."""
        grown = Baseline([self.known()], today=TODAY).adopting([("task", SITE, "t"), ("thread", "shop.pool", "t")])
        grown.write(tmp_path / "known.json")
        first, second = Baseline.load(tmp_path / "known.json", today=TODAY).known
        assert first == self.known()
        assert (second.site, second.expires, second.test) == ("shop.pool", TODAY + timedelta(days=90), "t")
        assert "give a reason" in second.reason

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("{", "is not JSON"),
            ("[]", "expected"),
            ('{"version": 3, "leaks": []}', "expected"),
            ([{"kind": "task", "site": "a.b", "expires": "2027-01-01"}], "entry 1: 'reason' is missing"),
            ([{"kind": "task", "site": "a.b", "reason": "x", "expires": "soon"}], "expected a date"),
            (
                [{"kind": "job", "site": "a.b", "reason": "x", "expires": "2027-01-01"}],
                "expected 'task', 'thread', 'timer', 'session'",
            ),
            ([{"kind": "task", "sites": "a.b"}], "unknown sites; known are"),
            ([3], "expected an object of strings"),
        ],
    )
    def test_wrong_files(self, tmp_path, content, text):
        """They are refused with the entry and what was expected."""
        path = tmp_path / "known.json"
        path.write_text(content if isinstance(content, str) else json.dumps({"version": 1, "leaks": content}))
        with pytest.raises(ValueError, match=text):
            check_leaks(baseline=path)


class TestSitesAndWhatTheyRun:
    """Creating line and what runs, and entries that were written when a site was the line of a spawner."""

    def entry(self, site, **changes):
        return KnownLeak("task", f"{HERE}.{site}", "SHOP-12", TODAY, **changes)

    def test_entry_without_runs_matches_every_leak_of_its_line(self):
        """Version 1 did not know what runs."""
        assert errors_of(search, baseline=Baseline([self.entry("search")], today=TODAY)) == ""

    def test_entry_with_runs_matches_that_alone(self):
        known = Baseline([self.entry("search", runs="leaking.stuck")], today=TODAY)
        other = Baseline([self.entry("search", runs="shop.poll")], today=TODAY)
        assert errors_of(search, baseline=known) == ""
        assert "1 task left behind" in errors_of(search, baseline=other)

    def test_entry_of_one_caller_does_not_tolerate_another(self):
        text = errors_of(search, index, baseline=Baseline([self.entry("search")], today=TODAY))
        assert "1 task left behind" in text
        assert f"created by {HERE}.index " in text

    def test_entry_that_names_a_spawner_is_reported_as_moved(self):
        """The leak is new, and the error says why the entry does not tolerate it any more."""
        text = errors_of(search, baseline=Baseline([self.entry("spawn")], today=TODAY))
        assert f"the baseline's task {HERE}.spawn no longer matches" in text
        assert f"here {HERE}.search;" in text

    def test_moved_entries_are_not_gone(self):
        seen = [
            SeenLeak("task", f"{HERE}.{caller}", "t", "leaking.stuck", (f"{HERE}.spawn",))
            for caller in ("search", "index", "search")
        ]
        spawning, gone = self.entry("spawn"), self.entry("gone")
        baseline = Baseline([spawning, gone], today=TODAY)
        assert baseline.vanished(seen) == [gone]
        assert baseline.moved(seen) == {spawning: [f"{HERE}.search", f"{HERE}.index"]}

    def test_adopting_moves_an_entry_with_reason_and_date(self):
        seen = [
            SeenLeak("task", f"{HERE}.{caller}", "t", "leaking.stuck", (f"{HERE}.spawn",))
            for caller in ("search", "index")
        ]
        grown = Baseline([self.entry("spawn")], today=TODAY).adopting(seen)
        assert [(entry.site, entry.runs, entry.reason, entry.expires) for entry in grown.known] == [
            (f"{HERE}.{caller}", "leaking.stuck", "SHOP-12", TODAY) for caller in ("index", "search")
        ]

    def test_adopt_two_functions_at_one_line_are_two_entries(self):
        seen = [SeenLeak("task", "shop.start", "t", runs) for runs in ("shop.poll", "shop.send", "shop.poll")]
        grown = Baseline(today=TODAY).adopting(seen)
        assert [entry.runs for entry in grown.known] == ["shop.poll", "shop.send"]

    def test_file_of_version_1_is_read_and_written_as_version_2(self, tmp_path):
        path = tmp_path / "known.json"
        leak = {"kind": "task", "site": "shop.search", "reason": "SHOP-12", "expires": "2026-11-23"}
        path.write_text(json.dumps({"version": 1, "leaks": [leak]}))
        Baseline.load(path).adopting([SeenLeak("task", "shop.index", "t", "shop.poll")]).write(path)
        written = json.loads(path.read_text())
        assert written["version"] == 2
        assert written["leaks"][1] == leak
        assert written["leaks"][0]["runs"] == "shop.poll"
        assert [entry.runs for entry in Baseline.load(path).known] == ["shop.poll", ""]

    def test_entry_matches_under_a_trace_function_too(self):
        """There the site is the spawner's line on Python ≤ 3.12, but the creation stack has the caller."""
        known = Baseline([self.entry("search_traced", runs="leaking.stuck")], today=TODAY)
        earlier = sys.gettrace()
        sys.settrace(lambda *_: None)
        try:
            text = errors_of(search_traced, index_traced, baseline=known)
        finally:
            sys.settrace(earlier)
        assert "1 task left behind" in text
        assert f"in {HERE}.index_traced" in text
        assert f"in {HERE}.search_traced" not in text
