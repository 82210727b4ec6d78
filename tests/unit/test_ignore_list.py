"""What the setting ``IGNORE`` matches: functions, what they run, absolute and relative paths, and fingerprints."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.ownership.ignored import IgnoreList
from opentelemetry.instrumentation.concurrency.record.naming import CodeLine
from opentelemetry.instrumentation.concurrency.record.site import Site

FINGERPRINT = "0123456789abcdef"


@pytest.fixture
def site(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    own = CodeLine("shop.search.query", str(tmp_path / "shop" / "search.py"), 31)
    return Site("task", 0, None, -2, "shop.search", own=own, runs="shop.search.ask")


@pytest.mark.parametrize(
    "glob", ["shop.search.query", "shop.*.query", "shop.search.ask", "shop/search.py", "shop/*.py", "*/shop/search.py"]
)
def test_holds_site_by_function_coroutine_or_path(site, glob):
    assert IgnoreList([glob]).holds_site(site)
    assert IgnoreList(["nothing", glob]).holds_site(site)


@pytest.mark.parametrize("glob", ["query", "shop.search", "search.py", "SHOP.SEARCH.QUERY", FINGERPRINT])
def test_holds_site_only_by_the_whole_text(site, glob):
    assert not IgnoreList([glob]).holds_site(site)


def test_holds_fingerprint_in_either_case():
    ignored = IgnoreList([FINGERPRINT.upper()])
    assert ignored.has_fingerprints
    assert ignored.holds_fingerprint(FINGERPRINT)
    assert not ignored.holds_fingerprint(FINGERPRINT[::-1])


def test_holds_nothing_when_empty(site):
    ignored = IgnoreList(())
    assert not ignored.holds_site(site)
    assert not ignored.has_fingerprints
    assert not ignored.holds_task(site, object())
