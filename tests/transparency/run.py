"""Runs the test suites of others bare and instrumented, and prints what differs: nothing should.

``python tests/transparency/run.py [--python PYTHON] [--only NAME]... [--quick] [--write]``

Each suite runs bare and then instrumented. A test that ended well bare and badly with us runs alone three times more in
both ways. It counts as a difference if it ended badly with us each time and well bare each time; as wavering otherwise.
With ``--write`` the rows go to benchmarks/results/transparency-VERSION.txt, those of suites that did not run are kept.
"""

import argparse
import datetime as dt
import fcntl
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
REPEATS = 3
WHOLE = " (the whole module)"
COLUMNS = f"{'tests':>8}{'bare bad':>10}{'ours bad':>10}{'wavering':>10}{'known':>7}{'difference':>12}"
HEADER = f"{'suite':<36}{'version':>9}{COLUMNS}"
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
                # Without settings of its own a suite would get those of the nearest folder above: ours.
                if not any(
                    "[pytest]" in text or "[tool:pytest]" in text or "[tool.pytest" in text for text in texts(place)
                ):
                    (place / "pytest.ini").write_text("[pytest]\n")
        return place, version


def texts(place: Path) -> list[str]:
    """Return the files in which pytest looks for its settings."""
    return [(place / name).read_text() for name in CONFIGURATIONS[:4] if (place / name).exists()]


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
                found["ended"][module + WHOLE] = "error" if result else "ok"
                found["texts"][module + WHOLE] = result[-4000:]
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


def differences(bare: dict, ours: dict) -> list[str]:
    """Return the tests that ended well bare and badly with us."""
    steady = [name for name, (how, _) in bare.items() if how in GOOD]
    return [name for name in steady if ours.get(name, ("missing", ""))[0] not in GOOD]


def examine(suite: Suite, bench: Bench) -> tuple[str, dict[str, str], list[str]]:
    """Run one suite and return its row, the tests that differ with what they said, and those that waver."""
    needs = () if suite.modules else (suite.package, "pytest", *suite.needs)
    interpreter = bench.environment(suite.name if suite.package else "cpython", needs)
    if suite.modules:
        version = bench.version
        modules = [module for name in suite.modules for module in modules_of(interpreter, name)]
        once = lambda how, only=modules: run_unittest(interpreter, only, how)
    else:
        source, version = bench.tests_of(suite, interpreter)
        once = lambda how, only=None: run_pytest(interpreter, source, suite, how, only)
    bare, ours = once("bare"), once("instrumented")
    if not bare or not ours:
        raise RuntimeError("no tests were found")
    differed = differences(bare, ours)
    still = [name for name in differed if name not in KNOWN]
    for _ in range(REPEATS):
        still = [
            name for name in still if name in differences(once("bare", alone(name)), once("instrumented", alone(name)))
        ]
    known = [name for name in differed if name in KNOWN]
    wavering = [name for name in differed if name not in still and name not in known]
    bad = [sum(how not in GOOD for how, _ in each.values()) for each in (bare, ours)]
    counts = f"{bad[0]:>10}{bad[1]:>10}{len(wavering):>10}{len(known):>7}{len(still):>12}"
    return (
        f"{suite.name:<36}{version:>9}{len(ours):>8}{counts}",
        {name: ours.get(name, ("", ""))[1] for name in still},
        wavering,
    )


def alone(name: str) -> list[str]:
    """Return what to run to run a test again: a module of unittest if it was the module that failed."""
    return [name.removesuffix(WHOLE)]


def write(bench: Bench, rows: dict[str, str]) -> None:
    """Put rows into the file of this Python, in the order of the suites."""
    file = ROOT / "benchmarks" / "results" / f"transparency-{'.'.join(bench.version.split('.')[:2])}.txt"
    file.touch()
    with file.open("r+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        lines = stream.read().splitlines()
        for suite in SUITES:
            old = next((line for line in lines if line.startswith(f"{suite.name:<36}")), None)
            if old:
                rows.setdefault(suite.name, old)
        stream.seek(0)
        stream.truncate()
        print(
            f"tests/transparency/run.py, Python {bench.version}, {dt.datetime.now(tz=dt.timezone.utc).date()}",
            file=stream,
        )
        print(HEADER, *(rows[suite.name] for suite in SUITES if suite.name in rows), sep="\n", file=stream)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter under test")
    parser.add_argument("--only", action="append", default=[], help="a suite by name; can be given again")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "transparency")
    parser.add_argument("--write", action="store_true", help="put the rows into benchmarks/results")
    parser.add_argument("--verbose", action="store_true", help="print what the differing tests said")
    options = parser.parse_args()
    bench = Bench(options.python, options.folder.resolve())
    wanted = options.only or (QUICK if options.quick else [suite.name for suite in SUITES])
    print(f"Python {bench.version}; known and explained: {len(KNOWN)}")
    print(HEADER, flush=True)
    failed = False
    for suite in SUITES:
        if suite.name not in wanted:
            continue
        try:
            row, differ, wavering = examine(suite, bench)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{suite.name:<36} could not run: {str(error)[-300:]}", flush=True)
            failed = True
            continue
        if options.write:
            write(bench, {suite.name: row})
        print(
            row, *(f"    wavers: {name}" for name in wavering), *(f"    DIFFERS: {name}" for name in differ), sep="\n"
        )
        if options.verbose:
            print(*differ.values(), sep="\n")
        sys.stdout.flush()
        failed = failed or bool(differ)
    sys.exit(failed)


if __name__ == "__main__":
    main()
