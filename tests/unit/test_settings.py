"""What can be set, and what a bad value does."""

import ast
import enum
import importlib.metadata
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from programs import run_program

from opentelemetry.instrumentation.concurrency import environment_variables
from opentelemetry.instrumentation.concurrency.settings import (
    PREFIX,
    RESERVED,
    SETTING_SPECS,
    Declarative,
    DeclarativeOptions,
    Settings,
    debug_address_refusal,
    load_settings,
)

CONTRACT = {
    "disabled": ("false", False),
    "task_age": ("60s", 60.0),
    "thread_age": ("5m", 300.0),
    "scan_interval": ("5s", 5.0),
    "growth_window": ("1m", 60.0),
    "growth_scans": ("5", 5),
    "growth_min": ("20", 20),
    "live_limit": ("10000", 10000),
    "resident_limit": ("20", 20),
    "resident_window": ("1m", 60.0),
    "blocked_age": ("1s", 1.0),
    "max_sites": ("100", 100),
    "metrics": ("full", "full"),
    "site_granularity": ("line", "line"),
    "stack_depth": ("32", 32),
    "stack_sampling": ("128", 128),
    "stack_text_limit": ("2000", 2000),
    "ignore": ("", ()),
    "reports": ("auto", "auto"),
    "report_limit": ("10", 10),
    "report_repeat": ("10m", 600.0),
    "report_source": ("false", False),
    "report_names": ("true", True),
    "proof_interval": ("10m", 600.0),
    "eventloop_delay_disabled": ("false", False),
    "debug_address": ("", ""),
    "debug_token": ("", ""),
    "debug_token_file": ("", ""),
    "debug_tls_cert": ("", ""),
    "debug_tls_key": ("", ""),
    "debug_insecure": ("false", False),
    "agent_disabled": ("false", False),
    "allow_cancel": ("false", False),
    "dump_signal": ("", ""),
}
DURATIONS = [spec.name for spec in SETTING_SPECS if spec.unit == "s"]
MEANT_IN_SECONDS = [name for name in DURATIONS if name != "scan_interval"]
INTEGERS = [spec.name for spec in SETTING_SPECS if spec.kind.name == "whole number"]
BOOLEANS = [spec.name for spec in SETTING_SPECS if spec.kind.name == "boolean"]


def load(options=None, **environ):
    warnings = []
    full = {f"{PREFIX}{name}": value for name, value in environ.items()}
    return load_settings(options or {}, full, warn=warnings.append), warnings


def load_file(file, **environ):
    return load(DeclarativeOptions(**file).declarative, **environ)


class TestTable:
    def test_every_default_is_the_one_of_the_contract(self):
        """The table, the dataclass and the contract agree, and there is no setting besides."""
        specs = {spec.name: spec for spec in SETTING_SPECS}
        assert {name: (specs[name].default_text, getattr(Settings(), name)) for name in CONTRACT} == CONTRACT
        assert specs.keys() - CONTRACT.keys() == {"agent_dir"}

    @pytest.mark.skipif(os.name == "nt", reason="there is no agent on Windows")
    def test_agent_dir_is_that_of_the_user(self):
        """Two users of one machine do not share a directory."""
        (spec,) = [spec for spec in SETTING_SPECS if spec.name == "agent_dir"]
        assert spec.default_text == "/tmp/otel-concurrency-<uid>"
        assert Settings().agent_dir == f"/tmp/otel-concurrency-{os.getuid()}"

    def test_every_documented_default_is_the_real_one(self):
        """The table that the README shows is the one that is used."""
        environ = {spec.variable: spec.default_text for spec in SETTING_SPECS if spec.name != "agent_dir"}
        warnings = []
        assert load_settings({}, environ, warn=warnings.append) == Settings()
        assert warnings == []
        assert [spec.name for spec in SETTING_SPECS] == list(asdict(Settings()))

    def test_every_setting_says_what_it_means_in_one_line(self):
        """A row of the documentation can be made of every spec."""
        for spec in SETTING_SPECS:
            assert spec.variable == PREFIX + spec.name.upper()
            assert spec.meaning and "\n" not in spec.meaning and "|" not in spec.meaning
            assert spec.kind.expected
        assert {spec.name for spec in SETTING_SPECS} >= RESERVED

    def test_settings_cannot_change(self):
        """What was read at the start holds for the life of the installation."""
        with pytest.raises(FrozenInstanceError):
            Settings().task_age = 1.0
        assert not hasattr(Settings(), "__dict__")

    def test_every_variable_has_a_constant(self):
        """The module of variables and the table name the same."""
        constants = {name: value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")}
        assert set(constants) == set(constants.values()) == {spec.variable for spec in SETTING_SPECS}

    def test_module_of_variables_holds_nothing_but_documented_strings(self):
        """It imports nothing, and each constant is documented with its default."""
        source = inspect.getsource(environment_variables)
        for node in ast.parse(source).body:
            assert isinstance(node, (ast.Assign, ast.Expr)) and isinstance(node.value, ast.Constant)
        for spec in SETTING_SPECS:
            default = f"``{re.escape(spec.default_text)}``" if spec.default_text else "unset"
            text = re.search(rf'^\.\. envvar:: {spec.variable}\n\n([^"]+)"""', source, re.M)[1]
            assert re.search(rf"Default:\s+{default}\.", text), spec.variable

    def test_reading_settings_imports_nothing_heavy(self):
        """Who only reads settings pays for neither event loop, SDK nor network modules."""
        program = (
            "import sys; import opentelemetry.instrumentation; before = set(sys.modules)\n"
            "import importlib.util as u, types\n"
            f"folder = {str(Path(environment_variables.__file__).parent)!r}\n"
            "package = types.ModuleType('house'); package.__path__ = [folder]; sys.modules['house'] = package\n"
            "import house.settings as s\n"
            "s.load_settings({}, {}, warn=print)\n"
            "heavy = {'asyncio', 'socket', 'ssl', 'tempfile', 'difflib', 'logging', 'opentelemetry.sdk'}\n"
            "print(sorted(heavy & (set(sys.modules) - before)))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestPrecedence:
    def test_keyword_beats_environment_beats_default(self):
        """Code knows best, then who runs it, then we."""
        assert load({"max_sites": 7}, MAX_SITES="8") == (Settings(max_sites=7), [])
        assert load(MAX_SITES="8") == (Settings(max_sites=8), [])
        assert load() == (Settings(), [])

    def test_file_beats_environment(self):
        """The configuration file stands where a keyword stands."""
        assert load_file({"max_sites": 7}, MAX_SITES="8") == (Settings(max_sites=7), [])

    @pytest.mark.parametrize("empty", ["", "  ", None])
    def test_empty_is_unset_wherever_it_stands(self, empty):
        """An empty value gives way to the next source, without a warning."""
        assert load({"task_age": empty}, TASK_AGE="30s") == (Settings(task_age=30.0), [])
        assert load_file({"task_age": empty}, TASK_AGE="30s") == (Settings(task_age=30.0), [])
        assert load(**{spec.name.upper(): empty or "" for spec in SETTING_SPECS}) == (Settings(), [])

    def test_falsy_value_is_not_empty(self):
        """Zero, false and an empty tuple were meant: they beat the environment."""
        options = {"blocked_age": 0, "report_names": False, "ignore": ()}
        settings, warnings = load(options, BLOCKED_AGE="3s", REPORT_NAMES="true", IGNORE="a")
        assert (settings, warnings) == (Settings(blocked_age=0.0, report_names=False), [])

    def test_bad_keyword_falls_to_the_default_and_not_to_the_environment(self):
        """One bad value, one warning, one place to look."""
        settings, (warning,) = load({"max_sites": "many"}, MAX_SITES="8")
        assert settings == Settings()
        assert warning.startswith("max_sites='many'")

    def test_overridden_bad_variable_is_not_read(self):
        """What has no effect deserves no warning."""
        assert load({"max_sites": 7}, MAX_SITES="many") == (Settings(max_sites=7), [])


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
    def test_anything_else_is_no_boolean(self, given):
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


class TestSecurity:
    @pytest.mark.parametrize(
        ("name", "value", "closed"),
        [
            ("agent_disabled", "maybe", {"agent_disabled": True}),
            ("agent_dir", "relative/dir", {"agent_disabled": True}),
            ("agent_dir", 5, {"agent_disabled": True}),
            ("allow_cancel", "si", {}),
            ("debug_insecure", "si", {}),
            ("debug_address", "here", {}),
        ],
    )
    def test_bad_value_falls_to_the_closed_state(self, name, value, closed):
        """What guards a door stays shut when it can not be read; the warning says so."""
        for options, environ in (({name: value}, {}), ({}, {name.upper(): value})):
            settings, (warning,) = load(options, **environ)
            assert settings == replace(Settings(), **closed)
            assert "Using the default" not in warning
        assert load_file({name: value})[0] == settings

    @pytest.mark.parametrize("name", ["debug_token", "debug_token_file", "debug_tls_cert", "debug_tls_key"])
    def test_bad_guard_of_the_endpoint_closes_the_endpoint(self, name):
        """A token that can not be read must not leave an endpoint that asks for none."""
        settings, (warning,) = load({name: 42, "debug_address": "127.0.0.1:6080"})
        assert settings == Settings()
        assert warning.endswith("Using debug_address=unset.")

    def test_bad_keyword_does_not_open_what_the_environment_would(self):
        """The closed state is final, whatever the other sources say."""
        settings, _ = load({"allow_cancel": "si", "agent_disabled": "maybe"}, ALLOW_CANCEL="1", AGENT_DISABLED="0")
        assert (settings.allow_cancel, settings.agent_disabled) == (False, True)

    @pytest.mark.parametrize("token", [424242, b"424242", ["424242"], 4242.42])
    def test_token_is_never_shown(self, token):
        """Neither a warning nor a repr carries it."""
        for _, warnings in (load({"debug_token": token}), load_file({"debug_token": token})):
            assert len(warnings) == 1 and "4242" not in warnings[0] and "<secret>" in warnings[0]
        settings, warnings = load(DEBUG_TOKEN="hunter2")
        assert (settings.debug_token, warnings) == ("hunter2", [])
        assert "hunter2" not in repr(settings) and "hunter2" not in str(settings)

    def test_misspelt_token_variable_does_not_show_its_value(self):
        """Unknown variables are called by name alone."""
        _, (warning,) = load(DEBUG_TOKNE="hunter2")
        assert "hunter2" not in warning and "DEBUG_TOKEN" in warning

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1:6080", "localhost:0", "0.0.0.0:65535", "[::1]:6080", "unix:/run/app-{pid}.sock", "app.local:80"],
    )
    def test_address_forms(self, address):
        """Host and port, IPv6 in brackets, or a unix socket."""
        assert load(DEBUG_ADDRESS=address) == (Settings(debug_address=address), [])

    @pytest.mark.parametrize(
        "address",
        [
            "6080",
            ":6080",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1:²",
            "::1:6080",
            "unix:",
            "unix:/",
            "unix:relative",
            "http://127.0.0.1:6080",
            "127.0.0.1:6080/",
            "a b:1",
            "h:" + "9" * 5000,
        ],
    )
    def test_other_addresses_are_refused(self, address):
        """A port alone would be every interface; nothing is guessed."""
        settings, (warning,) = load(DEBUG_ADDRESS=address)
        assert settings == Settings() and "host:port" in warning

    def test_allow_cancel_is_honoured_from_code_and_environment(self):
        """Both are in the hands of who runs the process."""
        assert load({"allow_cancel": True}) == load(ALLOW_CANCEL="on") == (Settings(allow_cancel=True), [])

    def test_file_cannot_allow_cancel(self):
        """A file does not open the door; what the environment says still holds."""
        settings, (warning,) = load_file({"allow_cancel": True})
        assert settings == Settings() and "environment or code only" in warning
        settings, (warning,) = load_file({"allow_cancel": "yes"}, ALLOW_CANCEL="true")
        assert settings.allow_cancel and "ignored" in warning

    def test_file_can_refuse_cancel(self):
        """Closing is allowed from everywhere, and a bad value closes."""
        assert load_file({"allow_cancel": False}, ALLOW_CANCEL="true") == (Settings(), [])
        assert load_file({"allow_cancel": "perhaps"}, ALLOW_CANCEL="true")[0] == Settings()


class TestDebugAddressRefusal:
    @pytest.mark.parametrize(
        "address", ["", "127.0.0.1:6080", "127.8.8.8:1", "localhost:6080", "LOCALHOST:1", "[::1]:6080", "unix:/a.sock"]
    )
    def test_own_machine_needs_nothing(self, address):
        """Loopback and unix sockets are as private as the machine."""
        assert debug_address_refusal(Settings(debug_address=address)) is None

    @pytest.mark.parametrize(
        "address", ["0.0.0.0:6080", "[::]:6080", "10.0.0.1:1", "app.local:80", "127.1:80", "localhost.example.org:80"]
    )
    def test_reachable_address_needs_token_and_tls(self, address):
        """Who can be reached from outside asks for a token and does not send it in clear."""
        open_to_all = Settings(debug_address=address)
        assert "DEBUG_TOKEN" in debug_address_refusal(open_to_all)
        assert "DEBUG_TOKEN" in debug_address_refusal(replace(open_to_all, debug_insecure=True))
        tls = {"debug_tls_cert": "c.pem", "debug_tls_key": "k.pem"}
        assert "DEBUG_TOKEN" in debug_address_refusal(replace(open_to_all, **tls))
        for token in ({"debug_token": "hunter2"}, {"debug_token_file": "/run/token"}):
            refusal = debug_address_refusal(replace(open_to_all, **token))
            assert "DEBUG_TLS_CERT" in refusal and "hunter2" not in refusal
            assert debug_address_refusal(replace(open_to_all, **token, **tls)) is None
            assert debug_address_refusal(replace(open_to_all, **token, debug_insecure=True)) is None

    @pytest.mark.parametrize("half", [{"debug_tls_cert": "c.pem"}, {"debug_tls_key": "k.pem"}])
    def test_half_of_a_key_pair_is_refused_everywhere(self, half):
        """Who set one of them expects TLS, on loopback too."""
        settings = Settings(debug_address="127.0.0.1:6080", debug_token="t", debug_insecure=True, **half)
        assert "go together" in debug_address_refusal(settings)


class TestUnknownNames:
    def test_they_warn_once_with_the_nearest_name(self):
        """A typing error does not pass in silence, and costs nothing else."""
        settings, warnings = load({"task_aeg": 3, "max_sites": 7}, SCAN_INTERVALL="3s")
        assert settings == Settings(max_sites=7)
        assert len(warnings) == 2
        assert "'task_aeg'" in warnings[0] and "Did you mean task_age" in warnings[0]
        assert f"Did you mean {PREFIX}SCAN_INTERVAL?" in warnings[1]

    @pytest.mark.parametrize("name", ["TASK_AGE", "task-age", "OTEL_PYTHON_CONCURRENCY_TASK_AGE"])
    def test_other_spellings_of_a_setting_find_it(self, name):
        """A variable's name as a keyword or key is recognized."""
        _, (warning,) = load_file({name: "30s"})
        assert "Did you mean task_age" in warning

    def test_strange_name_has_no_suggestion(self):
        """The prefix that all variables share is no likeness."""
        _, (warning,) = load(ZZZ="1")
        assert "Did you mean" not in warning

    def test_other_variables_are_not_ours(self):
        """Other packages' variables are left alone."""
        warnings = []
        load_settings({}, {"OTEL_PYTHON_CONCURRENC": "1", "OTEL_TASK_AGE": "1", "PATH": ""}, warn=warnings.append)
        assert warnings == []

    def test_providers_in_a_file_are_unknown_keys(self):
        """They are objects of code; a file has sections of its own for them."""
        _, (warning,) = load_file({"tracer_provider": {}})
        assert "'tracer_provider'" in warning


class Hostile:
    """Raises at whatever is asked of it."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def _refuse(self, *_):
        raise RuntimeError

    __repr__ = __str__ = __eq__ = __ne__ = __hash__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = _refuse
    __index__ = __fspath__ = __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _refuse


class HostileText(str):
    __slots__ = ()
    strip = lower = upper = split = __repr__ = __eq__ = __len__ = __hash__ = Hostile._refuse


class HostileInteger(int):
    __slots__ = ()
    __int__ = __float__ = __index__ = __repr__ = __eq__ = __le__ = __hash__ = Hostile._refuse


class HostileList(list):
    __iter__ = __len__ = __repr__ = __eq__ = Hostile._refuse


class HostileName(type):
    __name__ = property(Hostile._refuse)


class Nameless(metaclass=HostileName):
    __repr__ = Hostile._refuse


class TestNothingRaises:
    @pytest.mark.parametrize(
        "make",
        [
            Hostile,
            lambda: HostileText("30s"),
            lambda: HostileInteger(5),
            lambda: HostileList(["a"]),
            lambda: Nameless(),
            object,
            lambda: object,
            dict,
            lambda: b"\xff",
            lambda: "\0",
            lambda: "\udcff",
            lambda: 10**5000,
        ],
    )
    def test_whatever_comes_in(self, make):
        """A hostile value is at most one warning for each setting, from code as from a file."""
        for wrap in (lambda value: value, Declarative):
            settings, warnings = load({spec.name: wrap(make()) for spec in SETTING_SPECS})
            assert isinstance(settings, Settings)
            assert len(warnings) <= len(SETTING_SPECS)
            repr(settings)

    def test_value_whose_repr_raises_is_a_warning_with_its_type(self):
        """The warning still says what it was."""
        settings, (warning,) = load({"max_sites": Hostile()})
        assert settings == Settings() and "<Hostile>" in warning

    def test_names_that_are_no_texts(self):
        """A mapping of anything is read for what can be read."""
        warnings = []
        settings = load_settings({5: 1, None: 2, "max_sites": 7}, {7: "x", b"y": "z"}, warn=warnings.append)
        assert settings == Settings(max_sites=7)
        assert len(warnings) == 2

    def test_variable_that_is_no_unicode(self):
        """The operating system passes any bytes."""
        _, (warning,) = load(REPORTS="\udcff\udcfe")
        assert "udcff" in warning


class TestDeclarativeConfiguration:
    """OpenTelemetry's own loader, with a stub in the place of the instrumentor."""

    @pytest.fixture
    def received(self, monkeypatch):
        loader = pytest.importorskip("opentelemetry.configuration.instrumentation")
        models = pytest.importorskip("opentelemetry.configuration.models")
        calls = []

        class Stub:
            configuration = DeclarativeOptions

            def instrument(self, **kwargs):
                calls.append(kwargs)

        monkeypatch.setattr(loader, "load_entry_point", lambda group, name: Stub)

        def configure(file):
            loader.configure_instrumentation(models.ExperimentalInstrumentation(python={"concurrency": file}))
            return calls

        return configure

    def test_instrument_receives_one_marked_mapping(self, received):
        """The whole file arrives as ``declarative``, every value known to come from a file, unknown ones too."""
        (kwargs,) = received({"task_age": 1500, "tsak_age": "3s"})
        assert kwargs == {"declarative": {"task_age": Declarative(1500), "tsak_age": Declarative("3s")}}

    def test_file_is_read_with_the_rules_for_files(self, received):
        """Bare numbers are milliseconds, disabled is honoured, and unknown keys keep the rest."""
        file = {"task_age": 1500, "thread_age": "7s", "disabled": True, "ignore": ["a.*"], "tsak_age": 3}
        (kwargs,) = received(file)
        settings, (warning,) = load(kwargs["declarative"])
        assert settings == Settings(task_age=1.5, thread_age=7.0, disabled=True, ignore=("a.*",))
        assert "'tsak_age'" in warning and "task_age" in warning

    @pytest.mark.parametrize("file", [{}, {"task_age": None}])
    def test_empty_section_means_the_defaults(self, received, file):
        """Naming us is enough."""
        (kwargs,) = received(file)
        assert load(kwargs["declarative"]) == (Settings(), [])

    @pytest.mark.parametrize("key", ["self", "declarative", "task/age", "configuration", "options"])
    def test_no_key_stops_the_rest(self, received, key):
        """Not even one that is a name of Python's or ours."""
        (kwargs,) = received({key: {"a": 1}, "max_sites": 7})
        settings, (warning,) = load(kwargs["declarative"])
        assert settings == Settings(max_sites=7)
        assert repr(key) in warning

    def test_entry_point_carries_the_attribute_that_the_loader_looks_for(self):
        """Without it, a file's milliseconds would be taken for seconds."""
        (entry,) = importlib.metadata.entry_points(group="opentelemetry_instrumentor", name="concurrency")
        assert entry.load().configuration is DeclarativeOptions

    def test_disabled_in_a_real_file_patches_nothing(self, tmp_path):
        """Under opentelemetry-instrument, end to end; a key that is unknown warns and does not undo it."""
        file = tmp_path / "otel.json"
        section = {"disabled": True, "tsak_age": 3}
        file.write_text(
            json.dumps({"file_format": "1.0", "instrumentation/development": {"python": {"concurrency": section}}})
        )
        program = "import asyncio; print(hasattr(asyncio.BaseEventLoop.create_task, '__wrapped__'))"
        done = run_program(program, env={"OTEL_CONFIG_FILE": str(file)})
        assert done.stdout.strip() == "False", done.stderr
        assert done.stderr.count("tsak_age") == 1
