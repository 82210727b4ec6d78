"""The architecture shows in the folders, and stays there: one test per rule, and each rule fails on a planted case."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import house_rules
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "opentelemetry" / "instrumentation" / "concurrency"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

lints_imports = pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None,
    reason="import-linter is in the extra dev alone; the imports are the same on every Python",
)
HALF = "    x = 1\n" * 20
NESTED = "    def inner():\n" + HALF.replace("    x", "        x")
PLANTED = {
    "missing_docstring": "x = 1\n",
    "too_many_lines": "\n" * 401,
    "long_functions": f"def outer():\n{NESTED}{HALF}",
}
KEPT = {
    "missing_docstring": '"""A module."""\n',
    "too_many_lines": "\n" * 400,
    "long_functions": f'def outer():\n    """Say{chr(10) * 9}much."""\n{HALF}{HALF}',
}


def broken(rule, modules):
    """Return what breaks a rule in which module."""
    found = {path.relative_to(ROOT): getattr(house_rules, rule)(path.read_text()) for path in modules}
    return {str(path): faults for path, faults in found.items() if faults}


@pytest.mark.parametrize("rule", ["missing_docstring", "too_many_lines", "long_functions"])
def test_every_module_of_the_package_keeps_the_rule(rule):
    """Each says what it decides, and stays small enough to be read at once."""
    assert broken(rule, MODULES) == {}


def test_every_test_module_has_at_most_400_lines():
    assert broken("too_many_lines", TESTS) == {}


@pytest.mark.parametrize("rule", PLANTED)
def test_rule_finds_a_planted_fault_alone(rule):
    check = getattr(house_rules, rule)
    assert len(check(PLANTED[rule])) == 1
    assert check(KEPT[rule]) == []


def test_no_module_has_a_name_that_says_nothing():
    assert [found for path in MODULES for found in house_rules.forbidden_name(path.stem)] == []


@pytest.mark.parametrize("name", ["utils", "time_helpers", "common", "loop_manager", "misc"])
def test_name_that_says_nothing_is_found(name):
    assert house_rules.forbidden_name(name) == [name]


def test_no_modules_import_each_other():
    """No cycle of any size, imports within functions included."""
    assert house_rules.cycles(house_rules.imports_of(PACKAGE)) == []


def test_planted_cycle_is_found_also_within_functions(tmp_path):
    """But not through what only the type checker reads."""
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "low" / "a.py").write_text("def later():\n    from ..high.b import c\n")
    (tmp_path / "high" / "b.py").write_text("from . import d\n")
    (tmp_path / "high" / "d.py").write_text("from ..low.a import later\n")
    (tmp_path / "low" / "e.py").write_text("if TYPE_CHECKING:\n    from .f import g\n")
    (tmp_path / "low" / "f.py").write_text("from .e import h\n")
    assert house_rules.cycles(house_rules.imports_of(tmp_path)) == [["high.b", "high.d", "low.a"]]


def linted(folder):
    """Return the exit code and output of the check of imports for a copy of the package."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()"]
    command += ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("record/site.py", "from ..installation import Installation", "each module imports only from those below it"),
        ("render/folded.py", "from ..live_process import LiveProcess", "each module imports only from those below it"),
        ("diagnose/proof/closure.py", "from ..verdict.group import Group", "within diagnose/"),
        ("serve/wsgi.py", "from ..snapshot.picture import iter_pictures", "live_process is the only way"),
        ("serve/wsgi.py", "from ..agent.peer import Peer", "each module imports only from those below it"),
    ],
)
@lints_imports
def test_planted_upward_import_within_a_function_fails_lint(tmp_path, module, planted, contract):
    copy = tmp_path / "src" / PACKAGE.relative_to(ROOT / "src")
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / module).open("a") as file:
        file.write(f"\n\ndef later():\n    {planted}\n")
    code, output = linted(tmp_path)
    assert code == 1, output
    assert any(line.startswith(contract) and " BROKEN" in line for line in output.splitlines()), output


@lints_imports
def test_imports_of_the_package_follow_the_layers():
    code, output = linted(ROOT)
    assert code == 0, output


def test_namespace_packages_have_no_init():
    """OpenTelemetry's namespaces are shared by many distributions."""
    assert house_rules.namespace_inits(PACKAGE) == []


def test_init_in_a_namespace_package_is_found(tmp_path):
    package = tmp_path / "opentelemetry" / "instrumentation" / "concurrency"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    assert house_rules.namespace_inits(package) == [package.parent / "__init__.py"]


IMPORTS_OF_INSTRUMENTING = """
import sys
import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, wrapt
import opentelemetry.instrumentation.instrumentor
before = set(sys.modules)
from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
ConcurrencyInstrumentor().instrument()
%s
print(sorted({"asyncio", "http.server", "google.protobuf"} & (set(sys.modules) - before)))
"""


@pytest.mark.parametrize(("planted", "imported"), [("", []), ("import http.server", ["http.server"])])
def test_instrument_imports_no_asyncio_server_or_protobuf(planted, imported):
    """A process that uses none of them pays for none of them."""
    program = IMPORTS_OF_INSTRUMENTING % planted
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(imported)
