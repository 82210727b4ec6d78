"""What can be set, and what a bad value does."""

from dataclasses import asdict
from datetime import timedelta

import pytest

from opentelemetry.instrumentation.concurrency import environment_variables
from opentelemetry.instrumentation.concurrency.settings import (
    SETTING_SPECS,
    DeclarativeOptions,
    Settings,
    load_settings,
)


def load(options=None, **environ):
    warnings = []
    full = {f"OTEL_PYTHON_CONCURRENCY_{name}": value for name, value in environ.items()}
    return load_settings(options or {}, full, warn=warnings.append), warnings


def test_every_documented_default_is_the_real_one():
    """The table that the README shows is the one that is used."""
    environ = {spec.variable: spec.default_text for spec in SETTING_SPECS if spec.name != "agent_dir"}
    warnings = []
    assert load_settings({}, environ, warn=warnings.append) == Settings()
    assert warnings == []
    assert [spec.name for spec in SETTING_SPECS] == list(asdict(Settings()))


def test_every_variable_has_a_constant():
    """The module of variables and the table name the same."""
    constants = {value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")}
    assert constants == {spec.variable for spec in SETTING_SPECS}


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("1.5s", 1.5), ("10m", 600), ("2h", 7200), ("1d", 86400), ("30000", 30)]
)
def test_durations_in_the_environment(text, seconds):
    """Units as people write them; a bare number is milliseconds."""
    assert load(TASK_AGE=text) == (Settings(task_age=seconds), [])


def test_keyword_durations_are_seconds_or_timedelta():
    """In code a bare number is seconds, and a keyword beats the environment."""
    settings, warnings = load({"task_age": 30, "thread_age": timedelta(minutes=1)}, TASK_AGE="5s")
    assert (settings.task_age, settings.thread_age, warnings) == (30.0, 60.0, [])


def test_small_bare_number_for_an_age_is_refused_with_a_hint():
    """TASK_AGE=60 was meant in seconds."""
    settings, (warning,) = load(TASK_AGE="60")
    assert settings.task_age == 60.0
    assert "60 would be 60 ms; write 60s" in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_AGE", "soon"),
        ("TASK_AGE", "-5s"),
        ("TASK_AGE", "0"),
        ("MAX_SITES", "many"),
        ("STACK_DEPTH", "0"),
        ("REPORTS", "email"),
        ("DISABLED", "perhaps"),
        ("METRICS", "all"),
    ],
)
def test_bad_value_is_one_warning_and_the_default(name, value):
    """The warning names the variable, the value and the expected form."""
    settings, (warning,) = load(**{name: value})
    assert settings == Settings()
    assert f"OTEL_PYTHON_CONCURRENCY_{name}={value!r}" in warning and "expected" in warning


def test_bad_security_value_falls_to_the_closed_state_and_hides_the_token():
    """What guards a door stays shut when it can not be read."""
    settings, warnings = load({"debug_token": 42}, AGENT_DISABLED="maybe", ALLOW_CANCEL="si", DEBUG_ADDRESS="here")
    assert (settings.agent_disabled, settings.allow_cancel, settings.debug_address) == (True, False, "")
    assert len(warnings) == 4 and not any("42" in warning for warning in warnings)
    assert "secret" not in repr(Settings(debug_token="secret"))


def test_unknown_names_warn_once_with_the_nearest_name():
    """A typing error does not pass in silence, and costs nothing else."""
    settings, warnings = load({"task_aeg": 3, "max_sites": 7}, SCAN_INTERVALL="3s")
    assert settings == Settings(max_sites=7)
    assert ["task_age" in warnings[0], "SCAN_INTERVAL?" in warnings[1]] == [True, True]


def test_file_values_are_milliseconds_and_cannot_allow_cancel():
    """A configuration file is no place to open a door."""
    options = DeclarativeOptions(task_age=1500, allow_cancel=True).declarative
    settings, warnings = load(options)
    assert (settings.task_age, settings.allow_cancel, len(warnings)) == (1.5, False, 1)


def test_value_whose_repr_raises_is_a_warning():
    """Nothing that comes in can raise."""

    class Hostile:
        def __repr__(self):
            raise RuntimeError

    settings, (warning,) = load({"max_sites": Hostile()})
    assert settings == Settings() and "<Hostile>" in warning
