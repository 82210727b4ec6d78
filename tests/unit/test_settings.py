"""What can be set, and what a bad value does."""

import ast
import inspect
import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict
from pathlib import Path

import pytest
from settings_loading import load, load_file

from opentelemetry.instrumentation.concurrency import environment_variables
from opentelemetry.instrumentation.concurrency.settings import PREFIX, SETTING_SPECS, Settings, load_settings

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
    "spawners": ("", ()),
    "application": ("", ()),
    "recorder": ("auto", "auto"),
    "ignore": ("", ()),
    "reports": ("auto", "auto"),
    "report_limit": ("10", 10),
    "report_repeat": ("10m", 600.0),
    "report_source": ("false", False),
    "report_names": ("true", True),
    "report_to_creator": ("false", False),
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


class TestTable:
    def test_every_default_is_the_one_of_the_contract(self):
        """The table, the dataclass and the contract agree; besides there are a folder and a counter that is off."""
        specs = {spec.name: spec for spec in SETTING_SPECS}
        assert {name: (specs[name].default_text, getattr(Settings(), name)) for name in CONTRACT} == CONTRACT
        assert specs.keys() - CONTRACT.keys() == {"agent_dir", "count_unawaited"}
        assert specs["count_unawaited"].default_text == "false" and Settings().count_unawaited is False

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

    def test_every_setting_has_a_description_of_one_line(self):
        """A row of the documentation can be made of every spec."""
        for spec in SETTING_SPECS:
            assert spec.variable == PREFIX + spec.name.upper()
            assert spec.meaning and "\n" not in spec.meaning and "|" not in spec.meaning
            assert spec.kind.expected

    def test_settings_cannot_change(self):
        """What was read at the start holds for the life of the installation."""
        with pytest.raises(FrozenInstanceError):
            Settings().task_age = 1.0
        assert not hasattr(Settings(), "__dict__")

    def test_every_variable_has_a_constant(self):
        """The module of variables and the table name the same."""
        constants = {name: value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")}
        assert set(constants) == set(constants.values()) == {spec.variable for spec in SETTING_SPECS}

    def test_module_of_variables_has_only_documented_strings(self):
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

    def test_bad_keyword_uses_the_default_not_the_environment(self):
        """One bad value, one warning, one place to look."""
        settings, (warning,) = load({"max_sites": "many"}, MAX_SITES="8")
        assert settings == Settings()
        assert warning.startswith("max_sites='many'")

    def test_overridden_bad_variable_is_not_read(self):
        """What has no effect deserves no warning."""
        assert load({"max_sites": 7}, MAX_SITES="many") == (Settings(max_sites=7), [])


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
