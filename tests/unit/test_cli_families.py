"""Targets of several processes: what has no agent is named, and children are found."""

import os

import pytest

from opentelemetry.instrumentation.concurrency.cli import families, sources
from opentelemetry.instrumentation.concurrency.cli.failures import NotInstrumentedError, UsageError
from opentelemetry.instrumentation.concurrency.cli.processes import Process


@pytest.fixture
def machine(monkeypatch):
    """A machine with these processes and agents."""

    def make(processes, agents):
        known = [
            Process(number, parent_id=parent, start=number, python="3.11", command=command)
            for number, parent, command in processes
        ]
        for module in (families, sources):
            monkeypatch.setattr(module, "python_processes", lambda: iter(known))
            monkeypatch.setattr(module, "has_agent", lambda process: process.process_id in agents)
        monkeypatch.setattr(sources, "process_of", lambda number: next(p for p in known if p.process_id == number))
        monkeypatch.setattr(sources, "has_proc", lambda: True)

    return make


WORKERS = [(10, 1, "uvicorn shop:app"), (11, 10, "python -c spawn"), (12, 10, "python -c spawn")]


def numbers(target):
    return [process.process_id for process in sources.named_processes(target)]


def test_family_without_some_agents_names_them(machine, capsys):
    """On standard error: the others are shown."""
    machine(WORKERS, {11})
    assert numbers("10+") == [11]
    said = capsys.readouterr().err
    assert "processes 10, 12 have no agent and are not shown" in said and "doctor 10" in said


def test_pattern_without_some_agents_names_them(machine, capsys):
    """One in the singular; ``all`` stands for those with an agent."""
    machine(WORKERS, {11})
    assert numbers("spawn") == [11]
    assert "process 12 has no agent and is not shown" in capsys.readouterr().err
    assert numbers("all") == [11]
    assert capsys.readouterr().err == ""


def test_family_does_not_name_the_machinery(machine, capsys):
    """The resource tracker is never instrumented."""
    tracker = (13, 10, "python -c from multiprocessing.resource_tracker import main;main(5)")
    machine([*WORKERS, tracker], {10, 11, 12})
    assert numbers("10+") == [10, 11, 12]
    assert capsys.readouterr().err == ""


def test_parent_without_agent_points_to_children(machine):
    """As with ``uvicorn --workers``; by its number and by a pattern."""
    machine(WORKERS, {11, 12})
    usual = NotInstrumentedError("no agent")
    pointed = families.pointing_to_children(usual, Process(10))
    assert "its children have: processes 11, 12. Give 10+" in str(pointed)
    assert families.pointing_to_children(usual, Process(11)) is usual
    with pytest.raises(NotInstrumentedError, match=r"Give 10\+"):
        numbers("shop:app")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("nothing", "No Python process matches 'nothing'"),
        ("shop:app", "1 Python process matches 'shop:app': 10. It has no agent. .* doctor 10 gives"),
        ("spawn", "2 Python processes match 'spawn', but none of them has an agent"),
    ],
    ids=["none", "one", "two"],
)
def test_pattern_without_any_agent_is_an_error(machine, pattern, said):
    """It counts the matches."""
    machine(WORKERS, set())
    with pytest.raises(NotInstrumentedError, match=said):
        numbers(pattern)


def test_pattern_does_not_match_own_ancestors(machine):
    """Their command lines contain the pattern as an argument."""
    machine([(os.getppid(), 1, "python watch.py otel-concurrency leaks tea")], {os.getppid()})
    with pytest.raises(NotInstrumentedError, match="No Python process"):
        numbers("tea")


def test_one_process_by_pattern_is_the_only_match(machine):
    """For doctor, with or without an agent; not for commands that change the process."""
    machine(WORKERS, set())
    assert sources.one_process("shop:app", "doctor", by_pattern=True).process_id == 10
    with pytest.raises(UsageError, match=r"doctor: expected one PID, got 'spawn', which matches 2 .* \(11, 12\)"):
        sources.one_process("spawn", "doctor", by_pattern=True)
    with pytest.raises(UsageError, match="which matches no Python process"):
        sources.one_process("nothing", "doctor", by_pattern=True)
    with pytest.raises(UsageError, match=r"attach: expected one PID, got 'shop:app'\.$"):
        sources.one_process("shop:app", "attach")


def test_named_processes_are_limited():
    """The rest is counted."""
    many = families._named([Process(number) for number in range(1, 12)])
    assert many == "processes 1, 2, 3, 4, 5, 6, 7, 8 and 3 more"
