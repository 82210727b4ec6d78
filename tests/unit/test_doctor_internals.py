"""The self-test's result in ``doctor``: one sentence if all is well, one finding per difference."""

import pytest

from opentelemetry.instrumentation.concurrency import live_counts
from opentelemetry.instrumentation.concurrency.agent.answer_shapes import check_facts
from opentelemetry.instrumentation.concurrency.agent.status import status
from opentelemetry.instrumentation.concurrency.cli.checks import of_agent
from opentelemetry.instrumentation.concurrency.diagnose.introspection import known_waits
from opentelemetry.instrumentation.concurrency.diagnose.self_test import of_asyncio, of_libraries


def findings(facts):
    check_facts("status", facts)
    return [each for each in of_agent(facts) if "as this version expects" in each.what]


def test_doctor_expected_internals_are_one_ok_line(instrumented):
    before = live_counts()
    (found,) = findings(status(instrumented))
    assert (found.state, found.remedy) == ("ok", "")
    assert found.what.startswith("The internals of ") and found.what.endswith(" are as this version expects.")
    assert all(name in found.what for name in ("asyncio", "concurrent.futures", "opentelemetry", "Python", "threading"))
    assert live_counts() == before


@pytest.mark.parametrize(
    ("libraries", "sentence"),
    [
        (["asyncio"], "The internals of asyncio are as this version expects."),
        (["asyncio", "threading"], "The internals of asyncio and threading are as this version expects."),
        (
            ["asyncio", "threading", "uvloop"],
            "The internals of asyncio, threading and uvloop are as this version expects.",
        ),
    ],
)
def test_doctor_names_the_libraries(instrumented, libraries, sentence):
    facts = status(instrumented) | {"internals": {"libraries": libraries, "differing": []}}
    assert [each.what for each in findings(facts)] == [sentence]


def test_doctor_renamed_field_of_asyncio_is_bad(instrumented, monkeypatch):
    """Every verdict depends on it, and asyncio is not among the libraries that are as expected."""
    read = known_waits._read
    monkeypatch.setattr(known_waits, "_read", lambda kind, *field: None if field[0] == "_coro" else read(kind, *field))
    if known_waits.known_asyncio().c_task is known_waits.known_asyncio().py_task:
        pytest.skip("this interpreter has no tasks in C")
    well, found = findings(status(instrumented))
    assert "asyncio" not in well.what
    assert found.state == "bad"
    assert found.what == (
        "In asyncio, Task._coro is not as this version expects: the place where tasks wait is not shown."
    )
    assert "Upgrade" in found.remedy and "versions of Python and asyncio" in found.remedy


def test_doctor_other_library_is_a_note(instrumented, monkeypatch):
    monkeypatch.setattr(of_libraries, "raw_context", lambda: (dict, "span"))
    (found,) = [each for each in findings(status(instrumented)) if each.state != "ok"]
    assert found.state == "note" and "opentelemetry" in found.what and "takes longer" in found.what


def test_doctor_all_libraries_differ_has_no_ok_line(instrumented):
    differing = [{"library": "asyncio", "what": "Task._coro", "lost": "x is lost"}]
    facts = status(instrumented) | {"internals": {"libraries": [], "differing": differing}}
    assert [each.state for each in findings(facts)] == ["bad"]


@pytest.mark.parametrize("answer", [{}, {"internals": None}])
def test_doctor_earlier_version_has_no_line(instrumented, answer):
    facts = {name: value for name, value in status(instrumented).items() if name != "internals"}
    assert findings(facts | answer) == []


def test_status_while_a_scan_holds_the_lock_omits_the_result(instrumented, monkeypatch):
    def too_long(**_):
        raise TimeoutError

    monkeypatch.setattr(instrumented.live, "check_internals", too_long)
    assert status(instrumented)["internals"] is None


@pytest.mark.parametrize("internals", [[], {"libraries": []}, {"libraries": [1], "differing": []}])
def test_invalid_result_is_refused(instrumented, internals):
    with pytest.raises(ValueError, match=r"at \.?internals"):
        check_facts("status", status(instrumented) | {"internals": internals})


def test_self_test_runs_while_the_census_is_locked(instrumented, monkeypatch):
    """Its task is then never counted, also on Pythons whose registry has it for a moment."""
    held = []
    monkeypatch.setattr(of_asyncio, "coroutine_of", lambda _: held.append(instrumented.live.census._lock._is_owned()))
    status(instrumented)
    assert held == [True]
