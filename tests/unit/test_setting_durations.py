"""Settings that are durations: units, bare numbers, bounds."""

from dataclasses import replace
from datetime import timedelta

import pytest
from settings_loading import load, load_file

from opentelemetry.instrumentation.concurrency.settings import SETTING_SPECS, Settings

DURATIONS = [spec.name for spec in SETTING_SPECS if spec.unit == "s"]


MEANT_IN_SECONDS = [name for name in DURATIONS if name != "scan_interval"]


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("500ms", 0.5), ("1.5s", 1.5), ("10m", 600), ("2h", 7200), ("1d", 86400), ("30000", 30), (" 10 s ", 10)],
    )
    def test_in_environment_and_file(self, text, seconds):
        """Units as people write them; a bare number is milliseconds."""
        assert load(TASK_AGE=text) == (Settings(task_age=seconds), [])
        assert load_file({"task_age": text}) == (Settings(task_age=seconds), [])

    @pytest.mark.parametrize(
        ("value", "seconds"), [(30, 30.0), (0.25, 0.25), (timedelta(minutes=1), 60.0), ("1.5s", 1.5), ("500ms", 0.5)]
    )
    def test_keyword_is_seconds_or_timedelta_or_a_text_with_unit(self, value, seconds):
        """In code a bare number is seconds, and small ones are meant."""
        settings, warnings = load({"task_age": value}, TASK_AGE="5s")
        assert (settings.task_age, warnings) == (seconds, [])
        assert type(settings.task_age) is float

    def test_keyword_text_without_unit_is_refused(self):
        """``task_age="60"`` may be either, so it is neither."""
        settings, (warning,) = load({"task_age": "60"})
        assert settings == Settings()
        assert "write 60s" in warning

    @pytest.mark.parametrize("name", MEANT_IN_SECONDS)
    @pytest.mark.parametrize(("text", "number"), [("60", 60), ("999", 999), ("0.5", 0.5)])
    def test_small_bare_number_is_refused_with_a_hint(self, name, text, number):
        """TASK_AGE=60 was meant in seconds, in the environment as in a file."""
        variable = name.upper()
        settings, (warning,) = load(**{variable: text})
        assert settings == Settings()
        assert f"{variable}={text} would be {text} ms; write {text}s" in warning
        settings, (warning,) = load_file({name: number})
        assert settings == Settings()
        assert f"{name}={text} would be {text} ms; write {text}s" in warning

    def test_small_bare_number_with_a_unit_or_from_code_is_meant(self):
        """Who writes a unit, or seconds in code, gets what they wrote."""
        assert load(TASK_AGE="60ms") == (Settings(task_age=0.06), [])
        assert load({"task_age": 0.06}) == (Settings(task_age=0.06), [])

    def test_scan_interval_may_be_short(self):
        """It is no age: 200 ms is a sensible bare number."""
        assert load(SCAN_INTERVAL="200") == (Settings(scan_interval=0.2), [])
        assert load_file({"scan_interval": 200}) == (Settings(scan_interval=0.2), [])

    @pytest.mark.parametrize("name", ["blocked_age", "proof_interval"])
    @pytest.mark.parametrize("zero", [0, 0.0, "0", "0s", timedelta()])
    def test_zero_where_it_means_something(self, name, zero):
        """Never blocked, never proven unless asked."""
        assert load({name: zero}) == (replace(Settings(), **{name: 0.0}), [])

    @pytest.mark.parametrize("name", ["blocked_age", "proof_interval"])
    def test_bare_zero_in_environment_and_file(self, name):
        """0 is no small number that was meant in seconds."""
        assert load(**{name.upper(): "0"}) == load_file({name: 0}) == (replace(Settings(), **{name: 0.0}), [])

    @pytest.mark.parametrize("name", [name for name in DURATIONS if name not in ("blocked_age", "proof_interval")])
    def test_zero_is_refused_elsewhere(self, name):
        """An age of nothing would make everything an orphan."""
        for settings, warnings in (load({name: 0}), load(**{name.upper(): "0"}), load_file({name: 0})):
            assert settings == Settings()
            assert len(warnings) == 1

    @pytest.mark.parametrize("name", DURATIONS)
    @pytest.mark.parametrize(
        "value",
        [
            -1,
            -0.5,
            float("nan"),
            float("inf"),
            -float("inf"),
            10**400,
            1e300,
            timedelta(seconds=-1),
            timedelta.max,
            True,
            "soon",
            "-5s",
            "nan",
            "inf",
            "1e3",
            "5 weeks",
            "5S",
            "s",
            "9" * 500 + "s",
            "٣s",
            [],
            b"5s",
        ],
    )
    def test_senseless_duration_is_one_warning(self, name, value):
        """Negative, endless or no duration at all: the default stands."""
        settings, (warning,) = load({name: value})
        assert settings == Settings()
        assert warning.startswith(f"{name}=") and "expected a duration such as 500ms, 1.5s, 10m, 2h or 1d" in warning

    def test_every_duration_can_be_waited_for(self):
        """The longest scan interval does not overflow the wait of any platform."""
        windows_limit_s = 4_294_967
        assert load({"scan_interval": 30 * 86400})[1] == []
        settings, (warning,) = load({"scan_interval": windows_limit_s})
        assert settings == Settings() and "up to 30d" in warning
