"""Two snapshots, and which lines have more alive than before."""

import io

from pictured import QUERY, healthy, leaked, snapshot, spawned, thread

from opentelemetry.instrumentation.concurrency.render.difference import changes_by_site, changes_text
from opentelemetry.instrumentation.concurrency.snapshot.as_json import read_snapshot, write_snapshot

TWIN = [healthy(number) for number in (3, 4)]
BEFORE = snapshot([*TWIN, leaked(20), healthy(30, site=QUERY.__class__("shop.cache.warm", "/app/c.py", 9))], [thread()])
AFTER = snapshot([*TWIN, *(leaked(number) for number in range(20, 45))], [thread()])


def test_growth_names_the_leak_and_not_its_twin():
    """Most growth first, then what shrank."""
    found = changes_by_site(BEFORE, AFTER)
    assert [(each.site.function, each.change, each.orphans_before, each.orphans_after) for each in found] == [
        ("shop.search.query", 24, 1, 25),
        ("shop.cache.warm", -1, 0, 0),
    ]


def test_a_site_where_only_orphans_became_more_is_a_change():
    """As many as before, but now without a creator."""
    (found,) = changes_by_site(snapshot([leaked(1, verdict=None)]), snapshot([leaked(1)]))
    assert (found.change, found.orphans_after) == (0, 1)


def test_snapshots_that_were_files_differ_as_the_living_do():
    """Sites are compared by value."""

    def through_json(shown):
        stream = io.StringIO()
        write_snapshot(shown, stream)
        return read_snapshot(stream.getvalue())

    assert changes_by_site(through_json(BEFORE), through_json(AFTER)) == changes_by_site(BEFORE, AFTER)


def test_the_table_is_aligned_and_names_the_line():
    """As a person sees it."""
    assert "".join(changes_text(changes_by_site(BEFORE, AFTER))) == (
        "KIND  CHANGE  BEFORE  AFTER  ORPHANS  CREATED BY\n"
        "task     +24       1     25  1 -> 25  shop.search.query (/app/shop/search.py:31)\n"
        "task      -1       1      0           shop.cache.warm (/app/c.py:9)\n"
    )


def test_started_function_distinguishes_sites_of_one_line():
    """A line that starts two functions grows in the one that leaks."""
    before = snapshot([leaked(1), spawned(2)])
    (found,) = changes_by_site(before, snapshot([leaked(1), spawned(2), spawned(3)]))
    assert (found.site.runs, found.change) == ("shop.search.ask", 1)
    assert "".join(changes_text([found])).endswith(
        "shop.search.query (/app/shop/search.py:31), runs shop.search.ask, through shop.util.spawn\n"
    )


def test_snapshot_without_function_is_compared_by_line():
    """One of an earlier version; no line has grown only because more is known of it."""
    before, after = snapshot([leaked(1), leaked(2)]), snapshot([spawned(1), spawned(2, site=QUERY), spawned(3)])
    assert [(each.before, each.after) for each in changes_by_site(before, after)] == [(2, 3)]


def test_no_change_is_one_sentence():
    """An empty table would look like a failure."""
    assert list(changes_text(changes_by_site(AFTER, AFTER))) == [
        "No creation site has more or fewer live tasks or threads.\n"
    ]
