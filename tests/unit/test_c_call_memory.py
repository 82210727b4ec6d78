"""What is remembered of the calls in which threads stand."""

from opentelemetry.instrumentation.concurrency.diagnose.introspection import c_calls


def one(call):
    return call()


def other(call):
    return call()


def test_calls_remembered_are_limited(monkeypatch):
    monkeypatch.setattr(c_calls, "_known", {})
    monkeypatch.setattr(c_calls, "_MAX_KNOWN", 2)
    for lasti in (0, 2, 4):
        for function in (one, other):
            c_calls.stands_in_call(function.__code__, lasti)
            assert 0 < len(c_calls._known) <= 2


def test_call_is_remembered_by_code_and_instruction(monkeypatch):
    monkeypatch.setattr(c_calls, "_known", {})
    first = c_calls._read(one.__code__, 0)
    assert c_calls._read(one.__code__, 0) is first
    assert c_calls._read(other.__code__, 0) is not first
    assert c_calls._read(one.__code__, 2) is not first
