"""Settings that are booleans, numbers, words, lists, signals, texts; and what a warning says."""

import enum
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from settings_loading import load, load_file

from opentelemetry.instrumentation.concurrency.settings import PREFIX, SETTING_SPECS, DeclarativeOptions, Settings

INTEGERS = [spec.name for spec in SETTING_SPECS if spec.kind.name == "whole number"]


BOOLEANS = [spec.name for spec in SETTING_SPECS if spec.kind.name == "boolean"]


class TestOtherKinds:
    @pytest.mark.parametrize("name", BOOLEANS)
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("true", True),
            ("1", True),
            ("Yes", True),
            ("ON", True),
            (" TRUE ", True),
            ("tRuE", True),
            ("false", False),
            ("0", False),
            ("no", False),
            ("Off", False),
        ],
    )
    def test_boolean_in_any_case(self, name, text, value):
        """Every spelling of the contract, for every boolean."""
        assert load(**{name.upper(): text}) == (replace(Settings(), **{name: value}), [])

    @pytest.mark.parametrize(("given", "value"), [(True, True), (False, False), (1, True), (0, False), ("on", True)])
    def test_boolean_in_code_and_file(self, given, value):
        """Python's and YAML's own booleans, and 1 and 0."""
        assert load({"report_source": given}) == (Settings(report_source=value), [])
        assert load_file({"report_source": given}) == (Settings(report_source=value), [])

    @pytest.mark.parametrize("given", [2, -1, 1.0, "y", "t", "enabled", [], 10**400])
    def test_boolean_of_another_word_is_invalid(self, given):
        """Truth is not guessed."""
        settings, (warning,) = load({"report_source": given})
        assert settings == Settings()
        assert "true or false" in warning

    @pytest.mark.parametrize("name", INTEGERS)
    def test_whole_number_in_its_range(self, name):
        """Both ends are taken; beyond them the warning names the range."""
        (spec,) = [spec for spec in SETTING_SPECS if spec.name == name]
        low, high = map(int, re.search(r"from (\d+) to (\d+)", spec.kind.expected).groups())
        for number in (low, high):
            expected = (replace(Settings(), **{name: number}), [])
            assert load({name: number}) == load(**{name.upper(): str(number)}) == load_file({name: number}) == expected
        for bad in (low - 1, high + 1, 1.5, 5.0, True, "five", "1_0", "0x10", "9" * 5000, 10**5000, float("nan")):
            settings, (warning,) = load({name: bad})
            assert settings == Settings()
            assert f"a whole number from {low} to {high}" in warning

    def test_zero_is_taken_where_the_contract_gives_it_a_meaning(self):
        """No residents, no whole stacks, no series of their own, no reports."""
        zeros = dict.fromkeys(["resident_limit", "stack_sampling", "max_sites", "report_limit"], 0)
        assert load(zeros) == (Settings(**zeros), [])

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("metrics", ["full", "totals", "none"]),
            ("site_granularity", ["line", "function"]),
            ("reports", ["auto", "span", "log", "none"]),
        ],
    )
    def test_choice_of_words(self, name, words):
        """One of the words in any case; the warning lists them."""
        for word in words:
            assert load({name: word.upper()}) == (replace(Settings(), **{name: word}), [])
        for bad in ("email", 3, None.__class__, ["full"]):
            settings, (warning,) = load({name: bad})
            assert settings == Settings()
            assert "one of " + ", ".join(words) in warning

    @pytest.mark.parametrize(
        ("given", "globs"),
        [
            ("shop.*, */vendor/*.py ,0123456789abcdef", ("shop.*", "*/vendor/*.py", "0123456789abcdef")),
            (["shop.*", " a.b "], ("shop.*", "a.b")),
            (("shop.*",), ("shop.*",)),
            ({"shop.*"}, ("shop.*",)),
            (",", ()),
        ],
    )
    def test_ignore_is_a_tuple_of_globs(self, given, globs):
        """A comma list everywhere; in code and file a list, too."""
        assert load({"ignore": given}) == load_file({"ignore": given}) == (Settings(ignore=globs), [])

    @pytest.mark.parametrize("given", [5, [5], ["a", None], {"a": 1}, b"a"])
    def test_ignore_of_anything_else_is_one_warning(self, given):
        """Nothing is ignored by half a list."""
        settings, (warning,) = load({"ignore": given})
        assert settings == Settings() and "globs" in warning

    @pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="a signal of POSIX")
    @pytest.mark.parametrize("given", ["USR2", "usr2", "SIGUSR2", getattr(signal, "SIGUSR2", None)])
    def test_signal_by_name(self, given):
        """With and without SIG, and as Python's own constant."""
        assert load({"dump_signal": given}) == (Settings(dump_signal="USR2"), [])

    @pytest.mark.parametrize("given", ["KILL", "STOP", "USR9", "_IGN", "_DFL", "12", 12, "SIG"])
    def test_signal_that_cannot_be_handled_is_refused(self, given):
        """A name that `signal` knows but that is no signal does not pass either."""
        settings, (warning,) = load({"dump_signal": given})
        assert settings == Settings() and "USR2" in warning

    def test_text_of_a_subclass_is_kept_as_plain_text(self):
        """Enum members and a YAML reader's own texts are texts; what is kept holds nothing of theirs."""

        class Word(str, enum.Enum):
            NONE = "none"
            PATH = "/var/run/otel"

        settings, warnings = load({"reports": Word.NONE, "agent_dir": Word.PATH, "ignore": [Word.NONE]})
        assert warnings == []
        assert [type(found) for found in (settings.reports, *settings.ignore)] == [str, str]

    def test_path_objects_are_paths(self):
        """In code a path is often a Path."""
        options = {"agent_dir": Path("/var/run/otel"), "debug_token_file": Path("token")}
        settings, warnings = load(options)
        assert (settings.agent_dir, settings.debug_token_file, warnings) == ("/var/run/otel", "token", [])


class TestWarnings:
    @pytest.mark.parametrize(
        ("name", "value", "default"),
        [
            ("TASK_AGE", "soon", "60s"),
            ("TASK_AGE", "-5s", "60s"),
            ("TASK_AGE", "0", "60s"),
            ("MAX_SITES", "many", "100"),
            ("STACK_DEPTH", "0", "32"),
            ("REPORTS", "email", "auto"),
            ("DISABLED", "perhaps", "false"),
            ("METRICS", "all", "full"),
            ("DUMP_SIGNAL", "HELP", "unset"),
        ],
    )
    def test_bad_value_is_one_warning_and_the_default(self, name, value, default):
        """The warning names the variable, the value, the expected form and what is used instead."""
        settings, (warning,) = load(**{name: value})
        assert settings == Settings()
        assert f"{PREFIX}{name}={value!r}" in warning and "expected" in warning
        assert warning.endswith(f"Using the default, {default}.")

    def test_bad_keyword_is_called_by_its_own_name(self):
        """Who wrote ``task_age=`` does not look for a variable."""
        for options in ({"task_age": "soon"}, DeclarativeOptions(task_age="soon").declarative):
            _, (warning,) = load(options)
            assert warning.startswith("task_age='soon' ") and PREFIX not in warning

    def test_one_bad_value_costs_nothing_else(self):
        """All other settings hold."""
        settings, warnings = load({"task_age": "soon", "max_sites": 7}, REPORTS="log", STACK_DEPTH="deep")
        assert settings == Settings(max_sites=7, reports="log")
        assert len(warnings) == 2

    def test_long_value_is_cut(self):
        """A warning stays readable whatever was pasted."""
        _, (warning,) = load(REPORTS="x" * 10_000)
        assert len(warning) < 400
