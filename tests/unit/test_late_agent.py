"""The agent is imported by the scan thread; a fork must not fall into that."""

import threading
from types import SimpleNamespace

from opentelemetry.instrumentation.concurrency.agent import late_agent as late_agent_module
from opentelemetry.instrumentation.concurrency.agent.late_agent import LateAgent

TARGET = SimpleNamespace(live=SimpleNamespace(load=lambda: None))


def test_fork_waits_until_the_agent_has_started(tmp_path):
    """The child would wait for ever for the lock of a module that no thread releases."""
    late = LateAgent(TARGET, str(tmp_path / "agents"), is_off=False)
    late._starting.add(-1)
    threading.Timer(0.05, late._starting.clear).start()
    late.suspend()
    assert not late._starting
    late.resume()
    late.ensure_running()
    assert late._agent is not None
    late.close()


def test_agent_while_a_thread_forks_is_not_started(tmp_path, monkeypatch):
    late = LateAgent(TARGET, str(tmp_path / "agents"), is_off=False)
    monkeypatch.setattr(late_agent_module, "is_fork_under_way", lambda: True)
    late.ensure_running()
    assert late._agent is None
    monkeypatch.undo()
    late.ensure_running()
    assert late._agent is not None
    late.close()


def test_child_of_a_fork_that_could_not_wait_stays_without(tmp_path, monkeypatch):
    """Harmless first: it scans and reports as ever."""
    monkeypatch.setattr(late_agent_module, "_START_LIMIT_S", 0.01)
    late = LateAgent(TARGET, str(tmp_path / "agents"), is_off=False)
    late._starting.add(-1)
    late.suspend()
    late.forget()
    late.ensure_running()
    assert late._agent is None and not (tmp_path / "agents").exists()


def test_forks_of_two_threads_at_once_leave_nothing_held(tmp_path, monkeypatch):
    """One that could not wait once wrote over what the other had to release, and every later fork waited."""
    monkeypatch.setattr(late_agent_module, "_START_LIMIT_S", 0.05, raising=False)
    monkeypatch.setattr(late_agent_module, "_IMPORT_LIMIT_S", 0.05, raising=False)
    late = LateAgent(TARGET, str(tmp_path / "agents"), is_off=False)
    late.suspend()
    other = threading.Thread(target=late.suspend)
    other.start()
    other.join()
    late.resume()
    late.resume()
    late.ensure_running()
    assert late._agent is not None
    late.close()
