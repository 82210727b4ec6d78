"""Whether `threading.Thread` makes greenlets."""

import subprocess
import sys
from types import ModuleType

import pytest

from opentelemetry.instrumentation.concurrency.record.greenlets import threads_are_greenlets


def module(**functions):
    made = ModuleType("patcher")
    made.__dict__.update(functions)
    return made


@pytest.fixture(autouse=True)
def neither_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "gevent.monkey", raising=False)
    monkeypatch.delitem(sys.modules, "eventlet.patcher", raising=False)


def test_threads_are_greenlets_without_either_library_is_false():
    assert threads_are_greenlets() is False


@pytest.mark.parametrize("patched", [True, False])
def test_threads_are_greenlets_under_gevent_if_patched(monkeypatch, patched):
    monkeypatch.setitem(
        sys.modules, "gevent.monkey", module(is_module_patched=lambda name: patched and name == "threading")
    )
    assert threads_are_greenlets() is patched


@pytest.mark.parametrize("patched", [True, False])
def test_threads_are_greenlets_under_eventlet_if_patched(monkeypatch, patched):
    monkeypatch.setitem(
        sys.modules, "eventlet.patcher", module(is_monkey_patched=lambda name: patched and name == "thread")
    )
    assert threads_are_greenlets() is patched


def test_threads_are_greenlets_of_an_unknown_version_is_false(monkeypatch):
    monkeypatch.setitem(sys.modules, "gevent.monkey", module())
    assert threads_are_greenlets() is False


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import asyncio, concurrent.futures.thread, threading
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor, live_counts
ConcurrencyInstrumentor().instrument(reports="none")
from opentelemetry.instrumentation.concurrency.diagnose.self_test.self_test import check_internals
thread = threading.Thread(target=print, args=("started",)); thread.start(); thread.join()
print([each for each in check_internals() if not each.works], live_counts().threads > 0)
"""


def test_package_imported_after_the_patch_of_gevent_works():
    """The class of threads then only inherits its fields."""
    pytest.importorskip("gevent")
    done = subprocess.run([sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("started\n[] True\n", 0), done.stderr
