"""Durations are read and written by one module, for settings, command line and reports."""

import pytest

from opentelemetry.instrumentation.concurrency.cli.failures import UsageError
from opentelemetry.instrumentation.concurrency.cli.quantities import seconds, size
from opentelemetry.instrumentation.concurrency.durations import duration_text, read_duration, short_duration


@pytest.mark.parametrize(
    ("length_s", "text", "short"),
    [
        (0.9, "0 seconds", "0s"),
        (1, "1 second", "1s"),
        (119.9, "119 seconds", "119s"),
        (120, "2 minutes", "2m"),
        (7199, "119 minutes", "119m"),
        (7200, "2 hours", "2h"),
        (86400, "24 hours", "24h"),
        (172800, "2 days", "2d"),
    ],
)
def test_duration_is_in_the_largest_unit_of_which_there_are_two(length_s, text, short):
    assert (duration_text(length_s), short_duration(length_s)) == (text, short)


@pytest.mark.parametrize(("text", "found"), [("1.5s", (1.5, "s")), (" 500 ms ", (500.0, "ms")), ("2", (2.0, ""))])
def test_read_duration_gives_number_and_unit(text, found):
    assert read_duration(text) == found


@pytest.mark.parametrize("text", ["", "s", "-1s", "1e3s", "1 week", "٣s", "nan", "1s2"])
def test_read_duration_of_another_text_returns_none(text):
    assert read_duration(text) is None


@pytest.mark.parametrize(
    ("text", "length_s"), [("500ms", 0.5), ("2s", 2.0), ("1m", 60.0), ("1h", 3600.0), ("1d", 86400.0)]
)
def test_command_line_seconds_takes_the_units_of_settings(text, length_s):
    assert seconds(text) == length_s


def test_command_line_seconds_without_a_unit_is_refused():
    """In a setting it would be milliseconds."""
    with pytest.raises(UsageError, match="'2' has no unit: write 2s for seconds or 2ms for milliseconds"):
        seconds("2")
    assert seconds("2", bare=True) == 2.0
    with pytest.raises(UsageError, match="'0' is not a duration"):
        seconds("0")


def test_command_line_bad_quantity_names_its_option():
    """A command has several."""
    with pytest.raises(UsageError, match=r"^--timeout '2' has no unit"):
        seconds("2", "--timeout")
    with pytest.raises(UsageError, match=r"^--max-answer 'x' is not a size"):
        size("x", "--max-answer")


@pytest.mark.parametrize("text", ["", "x", "-1s", "0s", "nan", "inf", "ms", "1 s s", "999999d"])
def test_command_line_bad_duration_names_the_expected_form(text):
    with pytest.raises(UsageError, match="is not a duration: expected for example 500ms, 2s, 1m or 1h"):
        seconds(text)


@pytest.mark.parametrize(("text", "count"), [("64MB", 64e6), ("1gb", 1e9), ("1.5kB", 1500), ("10b", 10), ("7", 7)])
def test_command_line_size_is_in_bytes(text, count):
    assert size(text) == count


@pytest.mark.parametrize("text", ["0", "MB", "x", "-1kb"])
def test_command_line_size_of_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is not a size"):
        size(text)
