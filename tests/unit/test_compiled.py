"""Choice between the compiled recorder and the one in Python, and where it is shown."""

import logging
import sys
import types

import pytest

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.agent.status import status
from opentelemetry.instrumentation.concurrency.cli.checks import of_agent
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import compiled
from opentelemetry.instrumentation.concurrency.record.compiled import EXTENSION, INTERFACE, choose_recorder
from opentelemetry.instrumentation.concurrency.record.tasks import create_task_hook
from opentelemetry.instrumentation.concurrency.report import metrics


def extension(**attributes):
    module = types.ModuleType(EXTENSION)
    vars(module).update(attributes)
    return module


@pytest.fixture(autouse=True)
def with_global_lock(monkeypatch):
    monkeypatch.setattr(compiled, "FREE_THREADED_BUILD", False)


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def absent(monkeypatch):
    """Let the import of the extension find nothing, as in an installation of the pure wheel."""

    def find(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(compiled.importlib, "import_module", find)


@pytest.mark.parametrize("wanted", ["auto", "compiled"])
def test_choose_recorder_matching_extension_is_used(monkeypatch, warnings, wanted):
    made = extension(INTERFACE=INTERFACE, create_task_hook=object())
    monkeypatch.setitem(sys.modules, EXTENSION, made)
    chosen = choose_recorder(wanted)
    assert (chosen.name, chosen.reason) == ("compiled", "")
    assert chosen.make_hook is not create_task_hook
    assert warnings() == []


def test_choose_recorder_python_ignores_extension(monkeypatch, warnings):
    monkeypatch.setitem(sys.modules, EXTENSION, extension(INTERFACE=INTERFACE, create_task_hook=object()))
    chosen = choose_recorder("python")
    assert (chosen.name, chosen.make_hook) == ("python", create_task_hook)
    assert warnings() == []


def test_choose_recorder_auto_without_extension_is_silent(monkeypatch, warnings):
    absent(monkeypatch)
    assert choose_recorder("auto").name == "python"
    assert warnings() == []


def test_choose_recorder_compiled_without_extension_warns(monkeypatch, warnings):
    absent(monkeypatch)
    chosen = choose_recorder("compiled")
    assert (chosen.name, chosen.make_hook) == ("python", create_task_hook)
    (warning,) = warnings()
    assert chosen.reason in warning and "no compiled recorder for this Python" in warning


@pytest.mark.parametrize("wanted", ["auto", "compiled"])
@pytest.mark.parametrize("attributes", [{}, {"INTERFACE": "0.0.1/0", "create_task_hook": object()}])
def test_choose_recorder_stale_extension_warns_once(monkeypatch, warnings, wanted, attributes):
    """It was built from other sources: an editable installation was updated without a build."""
    monkeypatch.setitem(sys.modules, EXTENSION, extension(**attributes))
    assert choose_recorder(wanted).name == "python"
    (warning,) = warnings()
    assert INTERFACE in warning and attributes.get("INTERFACE", "unknown") in warning and "reinstall" in warning


@pytest.mark.parametrize(
    "error", [ImportError("file too short"), SystemError("init"), ModuleNotFoundError("no", name="x")]
)
def test_choose_recorder_broken_extension_warns_once(monkeypatch, warnings, error):
    def fail(_name):
        raise error

    monkeypatch.setattr(compiled.importlib, "import_module", fail)
    assert choose_recorder("auto").name == "python"
    (warning,) = warnings()
    assert str(error) in warning


def test_choose_recorder_truncated_file_warns_once(monkeypatch, warnings, tmp_path):
    """The interpreter itself refuses the file."""
    import importlib.machinery

    (tmp_path / f"_compiled{importlib.machinery.EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF\x02")
    monkeypatch.setattr(sys.modules[EXTENSION.rpartition(".")[0]], "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, EXTENSION, raising=False)
    assert choose_recorder("auto").name == "python"
    (warning,) = warnings()
    assert "cannot be loaded" in warning


@pytest.mark.parametrize(("wanted", "count"), [("auto", 0), ("compiled", 1)])
def test_choose_recorder_free_threaded_imports_nothing(monkeypatch, warnings, wanted, count):
    """The import would enable the global lock again."""
    monkeypatch.setattr(compiled, "FREE_THREADED_BUILD", True)
    monkeypatch.setattr(compiled.importlib, "import_module", lambda _name: pytest.fail("imported"))
    assert choose_recorder(wanted).name == "python"
    assert len(warnings()) == count


@pytest.fixture
def installation(monkeypatch):
    absent(monkeypatch)
    ConcurrencyInstrumentor().instrument(reports="none", recorder="compiled")
    yield current_installation()
    ConcurrencyInstrumentor().uninstrument()


def test_instrument_impossible_recorder_is_shown(installation, warnings):
    """In `doctor` with the reason, and as an attribute of the uptime."""
    (finding,) = [each for each in of_agent(status(installation)) if "recorder" in each.what]
    assert finding.state == "ok"
    assert finding.what.startswith("The python recorder records the tasks: ")
    read = next(observed[-1] for observed in metrics.OBSERVED if observed[1] == "python.concurrency.uptime")
    (point,) = read(installation)
    assert point.attributes == {"python.concurrency.recorder": "python"}


def test_doctor_earlier_version_shows_no_recorder(installation):
    facts = {name: value for name, value in status(installation).items() if name != "recorder"}
    assert not [each for each in of_agent(facts) if "recorder" in each.what]
