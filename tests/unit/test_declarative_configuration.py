"""Settings from OpenTelemetry's declarative configuration file."""

import importlib.metadata
import json

import pytest
from programs import run_program
from settings_loading import load

from opentelemetry.instrumentation.concurrency.settings import Declarative, DeclarativeOptions, Settings


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

    def test_entry_point_has_the_attribute_of_the_loader(self):
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
