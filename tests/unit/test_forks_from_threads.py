"""A child forked from a thread ends when its last thread does, for nobody finalizes it; ours must not keep it."""

import os
import subprocess
import sys
import threading

import pytest

from opentelemetry.instrumentation.concurrency.record.fork import application_has_threads, only_own_threads_are_left
from opentelemetry.instrumentation.concurrency.serve import http
from opentelemetry.instrumentation.concurrency.settings import load_settings

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")

PROGRAM = """
import os, sys, threading, time
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

ConcurrencyInstrumentor().instrument()

def daemon():
    time.sleep(0.7)
    print("the last thread ends", flush=True)

def in_child():
    threading.Thread(target=int).start()
    threading.Thread(target=daemon, daemon=True).start()
    # The agent is there as well.
    while not any("Agent" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)

def fork():
    child = os.fork()
    if child:
        print("ended with", os.waitpid(child, 0)[1], flush=True)
    else:
        in_child()

thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("address", ["", "unix:{folder}/pages-{{pid}}"])
def test_child_of_a_thread_ends_with_the_last_own_thread(tmp_path, address):
    """Not before it either; with scan thread and agent, and with the debug endpoint's thread."""
    agents = tmp_path / "agents"
    settings = {"AGENT_DIR": str(agents), "DEBUG_ADDRESS": address.format(folder=tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, **{f"OTEL_PYTHON_CONCURRENCY_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stdout.splitlines() == ["the last thread ends", "ended with 0"], done.stderr
    assert list(agents.iterdir()) == []


def test_census_in_child_sees_the_forking_thread_ended():
    """Python >= 3.14 itself can't tell: there `is_alive` of that thread never returns."""
    program = """
import os, threading, time
from opentelemetry.instrumentation.concurrency.record.threads import thread_is_finished

def look():
    forking = threading.main_thread()
    print("at first", thread_is_finished(forking), flush=True)
    go.set()
    while forking in threading.enumerate():
        time.sleep(0.01)
    print("then", thread_is_finished(forking), flush=True)

def fork():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        threading.Thread(target=look, daemon=True).start()
        go.wait()

go = threading.Event()
thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.splitlines() == ["at first False", "then True"]


def test_endpoint_stays_closed_where_no_thread_can_be_started(tmp_path, monkeypatch, caplog):
    """So it is in a child that was forked while its parent was ending; nothing is raised into the fork."""

    monkeypatch.setattr(http, "start_own_thread", lambda *_: None)
    path = tmp_path / "pages"
    settings = load_settings({"debug_address": f"unix:{path}"}, {}, warn=print)
    http.DebugServer(settings, None).open()
    assert "stays closed: no thread could be started" in caplog.text
    assert not path.exists()


def test_application_has_threads_besides_the_calling_one():
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert application_has_threads() is True
        assert only_own_threads_are_left() is False
    finally:
        release.set()
        thread.join()


def test_application_has_no_threads_besides_those_of_this_package(monkeypatch):
    current = threading.current_thread()
    monkeypatch.setattr(threading, "enumerate", lambda: [current])
    assert application_has_threads() is False
    monkeypatch.setattr(threading, "enumerate", list)
    assert only_own_threads_are_left() is True
