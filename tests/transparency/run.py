"""Runs the test suites of others bare and instrumented, and prints what differs: nothing should.

``python tests/transparency/run.py [--python PYTHON] [--only NAME]... [--quick]``

Each suite runs twice bare, to know what fails or wavers without us, and then instrumented. A test that ended well in
both bare runs and badly with us runs again in both ways, up to three times, before it counts as a difference.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from known import KNOWN
from suites import SUITES, Suite

ROOT = HERE.parents[1]
CONFIGURATIONS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py", "README.md", "README.rst")
GOOD = ("ok", "skipped")
QUICK = (
    "CPython test_contextlib_async",
    "upstream asyncio instrumentation",
    "upstream threading instrumentation",
    "Starlette",
)


class Bench:
    """Environments and working folders of one Python.

    Args:
        python: The interpreter.
        folder: Where everything is made.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self.python, self.folder = python, folder
        ask = "import platform; print(platform.python_version())"
        self.version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()

    def environment(self, name: str, packages: tuple[str, ...]) -> Path:
        """Return the interpreter of an environment with ourselves and some packages; None of them is pinned."""
        place = self.folder / f"{name.replace(' ', '-')}-{self.version}"
        interpreter = place / "bin" / "python"
        if not (place / ".made").exists():
            subprocess.run([self.python, "-m", "venv", place], check=True)
            pip = [interpreter, "-m", "pip", "-q", "install"]
            subprocess.run([*pip, "--upgrade", "pip"], check=True)
            subprocess.run([*pip, "-e", ROOT, *packages], check=True)
            (place / ".made").touch()
        return interpreter

    def tests_of(self, suite: Suite, interpreter: Path) -> tuple[Path, str]:
        """Return the unpacked source archive of the very version that is installed, and that version."""
        ask = f"from importlib.metadata import version; print(version({suite.package!r}))"
        version = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
        place = self.folder / "sources" / f"{suite.package}-{version}"
        if not place.exists():
            with tempfile.TemporaryDirectory() as got:
                wanted = f"{suite.package}=={version}"
                download = ["pip", "-q", "download", "--no-deps", "--no-binary", suite.package]
                subprocess.run([interpreter, "-m", *download, "-d", got, wanted], check=False, capture_output=True)
                archives = list(Path(got).glob("*.tar.gz"))
                if not archives:
                    raise RuntimeError(f"no source archive of {wanted}")
                with tarfile.open(archives[0]) as archive:
                    archive.extractall(got, filter="data")
                source = next(path for path in Path(got).iterdir() if path.is_dir())
                # The tests alone: a package beside them would be imported instead of the one that is installed.
                shutil.copytree(source / suite.tests, place / suite.tests)
                for name in CONFIGURATIONS:
                    if (source / name).exists():
                        shutil.copy(source / name, place)
        return place, version


def modules_of(interpreter: Path, name: str) -> list[str]:
    ask = (
        "import importlib, pkgutil, sys; m = importlib.import_module(sys.argv[1]);"
        "print(*([m.__name__ + '.' + each.name for each in pkgutil.iter_modules(m.__path__)"
        " if each.name.startswith('test_')] if hasattr(m, '__path__') else [m.__name__]))"
    )
    return subprocess.run([interpreter, "-c", ask, name], capture_output=True, text=True, check=True).stdout.split()


def run_unittest(interpreter: Path, modules: list[str], how: str) -> dict:
    ended: dict = {}
    for module in modules:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "outcomes.json"
            command = [interpreter, HERE / "outcomes.py", file, how, module]
            result = run(command, folder, {})
            found = json.loads(file.read_text()) if file.exists() else {"ended": {}, "texts": {}}
            if not file.exists() or result:
                found["ended"][f"{module} (the whole module)"] = "error" if result else "ok"
                found["texts"][f"{module} (the whole module)"] = result
            ended.update({name: (how_, found["texts"].get(name, "")) for name, how_ in found["ended"].items()})
    return ended


def run_pytest(interpreter: Path, source: Path, suite: Suite, how: str, only: list[str] | None = None) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes.json"
        left_out = [f"--ignore-glob=*{name}*" for name in suite.skipped]
        tests = only or [str(source / suite.tests)]
        command = [
            interpreter,
            "-m",
            "pytest",
            "-q",
            "-p",
            "plugin",
            "--continue-on-collection-errors",
            *suite.arguments,
            *left_out,
            *tests,
        ]
        settings = {"OUTCOMES_FILE": str(file), "OUTCOMES_HOW": how, "PYTHONPATH": str(HERE)}
        said = run(command, str(source), settings)
        if not file.exists():
            raise RuntimeError(f"{suite.name} did not run: {said[-2000:]}")
        found = json.loads(file.read_text())
    return {name: (outcome, found["texts"].get(name, "")) for name, outcome in found["ended"].items()}


def run(command: list, folder: str, settings: dict) -> str:
    """Run and return what it said, if it failed by itself and not by its tests."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    offline = {f"OTEL_{name}_EXPORTER": "none" for name in ("TRACES", "METRICS", "LOGS")}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**clean, **offline, **settings},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=1200,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "timed out after 20 minutes"
    return "" if done.returncode == 0 or (settings and done.returncode == 1) else done.stdout + done.stderr


def differences(bare: list[dict], ours: dict) -> list[str]:
    first, second = bare
    steady = [name for name, (how, _) in first.items() if how in GOOD and second.get(name, ("", ""))[0] in GOOD]
    return [name for name in steady if ours.get(name, ("missing", ""))[0] not in GOOD and name not in KNOWN]


def examine(suite: Suite, bench: Bench) -> tuple[str, list[str], dict]:
    """Run one suite and return its row, the tests that differ, and what they said."""
    needs = () if suite.modules else (suite.package, "pytest", *suite.needs)
    interpreter = bench.environment(suite.name if suite.package else "cpython", needs)
    if suite.modules:
        version = bench.version
        modules = [module for name in suite.modules for module in modules_of(interpreter, name)]
        once = lambda how: run_unittest(interpreter, modules, how)
    else:
        source, version = bench.tests_of(suite, interpreter)
        once = lambda how: run_pytest(interpreter, source, suite, how)
    bare, ours = [once("bare"), once("bare")], once("instrumented")
    first = bare[0]
    differ = differences(bare, ours)
    texts = {name: ours.get(name, ("missing", "it did not run"))[1] for name in differ}
    for _ in range(3):
        if not differ:
            break
        if suite.modules:
            again = sorted({module for module in modules for name in differ if name.startswith(module)})
            bare, repeated = (
                [run_unittest(interpreter, again, "bare")] * 2,
                run_unittest(interpreter, again, "instrumented"),
            )
        else:
            bare = [run_pytest(interpreter, source, suite, "bare", differ)] * 2
            repeated = run_pytest(interpreter, source, suite, "instrumented", differ)
        still = set(differences(bare, repeated))
        differ = [name for name in differ if name in still]
    bad_bare = sum(how not in GOOD for how, _ in first.values())
    bad_ours = sum(how not in GOOD for how, _ in ours.values())
    row = f"{suite.name:<36}{version:>9}{len(ours):>8}{bad_bare:>10}{bad_ours:>14}{len(differ):>12}"
    return row, differ, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter under test")
    parser.add_argument("--only", action="append", default=[], help="a suite by name; can be given again")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "transparency")
    parser.add_argument("--verbose", action="store_true", help="print what the differing tests said")
    options = parser.parse_args()
    bench = Bench(options.python, options.folder.resolve())
    wanted = options.only or (QUICK if options.quick else [suite.name for suite in SUITES])
    print(f"Python {bench.version}; known and explained: {len(KNOWN)}")
    print(f"{'suite':<36}{'version':>9}{'tests':>8}{'bare bad':>10}{'ours bad':>14}{'difference':>12}", flush=True)
    differ_all: list[str] = []
    for suite in SUITES:
        if suite.name not in wanted:
            continue
        try:
            row, differ, texts = examine(suite, bench)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{suite.name:<36} could not run: {str(error)[-300:]}", flush=True)
            continue
        print(row, flush=True)
        for name in differ:
            print(f"    {name}")
            if options.verbose:
                print(texts[name])
        differ_all += differ
    sys.exit(1 if differ_all else 0)


if __name__ == "__main__":
    main()
