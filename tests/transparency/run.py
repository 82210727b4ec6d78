"""Runs the test suites of others bare and instrumented, and prints what differs: nothing should.

``python tests/transparency/run.py [--python PYTHON] [--only NAME]... [--quick] [--write]``

Each suite runs bare and then instrumented, in the same environment: a file in its site-packages instruments every
interpreter in it. A test that ended worse with us runs alone three times more in both ways. It counts as a difference
if it did so each time; as wavering otherwise. Worse is: badly, not at all, skipped though it can run, or well after
three times as long and twenty seconds more. With ``--write`` the rows go to
benchmarks/results/transparency-VERSION.txt, those of suites that did not run are kept.
How each test ended, what it said and how long it took stays in build/transparency.
"""

import argparse
import contextlib
import datetime as dt
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from foreign_suites import SUITES, Suite
from known import APART, KNOWN

ROOT = HERE.parents[1]
CONFIGURATIONS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py", "README.md", "README.rst")
GOOD = ("ok", "skipped")
REPEATS = 3
MUCH_LONGER = 3
HANGS_S = 20.0
LIMIT_S = 1200
ALONE_LIMIT_S = 300
NONE = ("missing", "", 0.0)
WHOLE = " (as a whole)"
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
        tests: Where tests of it lie that its own package ``test`` lacks.
    """

    def __init__(self, python: str, folder: Path, tests: Path | None = None) -> None:
        self.python, self.folder = python, folder
        self.path = {} if tests is None else {"PYTHONPATH": str(self._with(tests))}
        ask = "import platform; print(platform.python_version())"
        self.version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()

    def _with(self, tests: Path) -> Path:
        """Return a folder with a package ``test`` of links: the interpreter's own and what it lacks."""
        ask = "import test; print(*test.__path__)"
        own = Path(subprocess.run([self.python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
        package = self.folder / "tests-of" / str(own).strip("/").replace("/", "-") / "test"
        shutil.rmtree(package, ignore_errors=True)
        package.mkdir(parents=True)
        for each in (*own.iterdir(), *tests.iterdir()):
            link = package / each.name
            if each.name != "__pycache__" and not link.exists():
                link.symlink_to(each)
        return package.parent

    def environment(self, name: str, packages: tuple[str, ...]) -> Path:
        """Return the interpreter of an environment with ourselves and some packages; None of them is pinned."""
        place = self.folder / f"{name.replace(' ', '-')}-{self.version}"
        interpreter = place / "bin" / "python"
        made, wanted = place / ".made", " ".join(packages)
        pip = [interpreter, "-m", "pip", "-q", "install"]
        if not made.exists() or made.read_text() != wanted:
            subprocess.run([self.python, "-m", "venv", place], check=True)
            subprocess.run([*pip, "--upgrade", "pip"], check=True)
            subprocess.run([*pip, ROOT, *packages], check=True)
            made.write_text(wanted)
        # As users have it: pytest treats what is installed to be edited otherwise.
        subprocess.run([*pip, "--no-deps", "--force-reinstall", ROOT], check=True)
        hook = next(place.glob("lib/python*/site-packages")) / "transparency_hook.py"
        shutil.copy(HERE / "hook.py", hook)
        # Of these files the last in the alphabet is the last to be read: all that is installed is found by then.
        hook.with_name("zz_transparency_hook.pth").write_text("import transparency_hook\n")
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


def modules_of(interpreter: Path, name: str, path: dict[str, str]) -> list[str]:
    ask = (
        "import importlib, pkgutil, sys; m = importlib.import_module(sys.argv[1]);"
        "print(*([m.__name__ + '.' + each.name for each in pkgutil.iter_modules(m.__path__)"
        " if each.name.startswith('test_')] if hasattr(m, '__path__') else [m.__name__]))"
    )
    found = subprocess.run(
        [interpreter, "-c", ask, name], env={**os.environ, **path}, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(f"this Python comes without {name}; Debian has it in libpython3.X-testsuite, see --tests")
    return found.stdout.split()


def run_unittest(interpreter: Path, modules: list[str], how: str, path: dict[str, str], only: list[str] | None) -> dict:
    ended: dict = {}
    apart = [name for name in APART if any(name.startswith(f"{module}.") for module in modules)]
    for module in only or (*modules, *apart):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "outcomes.json"
            left_out = [f"-{name}" for name in apart if name.startswith(f"{module}.")]
            code, said = run([interpreter, HERE / "outcomes.py", file, module, *left_out], folder, how, path, only)
            ended.update(noted(file))
            if code != 0:
                ended[module + WHOLE] = ("error", said[-4000:], 0.0)
    return ended


def run_pytest(interpreter: Path, source: Path, suite: Suite, how: str, only: list[str] | None = None) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes.json"
        command = [
            interpreter,
            "-m",
            "pytest",
            "-q",
            "-p",
            "plugin",
            "--continue-on-collection-errors",
            *suite.arguments,
            *(f"--ignore-glob=*{name}*" for name in suite.skipped),
            *(only or [str(source / suite.tests)]),
        ]
        settings = {"OUTCOMES_FILE": str(file), "PYTHONPATH": str(HERE)}
        code, said = run(command, str(source), how, settings, only)
        ended = noted(file)
        if not ended and not only:
            raise RuntimeError(f"{suite.name} did not run: {said[-2000:]}")
        # Tests that fail end it with 1. Anything else is an end that pytest did not choose, or does so bare, too.
        if code not in (0, 1) and not only:
            ended[suite.name + WHOLE] = ("error", said[-4000:], 0.0)
    return ended


def noted(file: Path) -> dict[str, tuple]:
    """Return how each test ended, what it said and the seconds it took."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text())
    return {
        name: (outcome, found["texts"].get(name, ""), found["seconds"].get(name, 0.0))
        for name, outcome in found["ended"].items()
    }


def run(command: list, folder: str, how: str, settings: dict, only: list[str] | None) -> tuple[int, str]:
    """Run, bare or instrumented, and return how it ended and what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    offline = {f"OTEL_{name}_EXPORTER": "none" for name in ("TRACES", "METRICS", "LOGS")}
    limit_s = ALONE_LIMIT_S if only else LIMIT_S
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**clean, **offline, **settings, "TRANSPARENCY_HOW": how},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        ended = ""
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            ended = f"\nended after {limit_s / 60:.0f} minutes"
        # Whatever it has started and left goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        said = output.read().decode(errors="replace")
    return process.returncode, said + ended


def differences(bare: dict, ours: dict) -> list[str]:
    """Return the tests that ended worse with us: not at all, badly, skipped though they can run, or after ages."""

    def rank(ended: dict, name: str, otherwise: str) -> int:
        return GOOD.index(how) if (how := ended.get(name, (otherwise,))[0]) in GOOD else len(GOOD)

    def hung(name: str) -> bool:
        # What waits in vain for a process or thread may go on in the end, and pass.
        return name in bare and name in ours and ours[name][2] > MUCH_LONGER * bare[name][2] + HANGS_S

    return [
        name for name in {**bare, **ours} if rank(ours, name, "missing") > rank(bare, name, "skipped") or hung(name)
    ]


def examine(suite: Suite, bench: Bench) -> tuple[str, dict[str, str], dict[str, str]]:
    """Run one suite and return its row, the tests that differ with what they said, and those that waver."""
    needs = () if suite.modules else (suite.package, "pytest", *suite.needs)
    interpreter = bench.environment(suite.name if suite.package else "cpython", needs)
    if suite.modules:
        version = bench.version
        modules = [module for name in suite.modules for module in modules_of(interpreter, name, bench.path)]
        once = lambda how, only=None: run_unittest(interpreter, modules, how, bench.path, only)
    else:
        source, version = bench.tests_of(suite, interpreter)
        once = lambda how, only=None: run_pytest(interpreter, source, suite, how, only)
    bare, ours = once("bare"), once("instrumented")
    if not bare or not ours:
        raise RuntimeError("no tests were found")
    for how, ended in (("bare", bare), ("instrumented", ours)):
        (bench.folder / f"{suite.name} {bench.version} {how}.json").write_text(json.dumps(ended, indent=1))
    differed = differences(bare, ours)
    still = [name for name in differed if name not in KNOWN]
    for _ in range(REPEATS):
        still = [
            name for name in still if name in differences(once("bare", alone(name)), once("instrumented", alone(name)))
        ]
    known = [name for name in differed if name in KNOWN]
    wavering = [name for name in differed if name not in still and name not in known]
    bad = [sum(how not in GOOD for how, *_ in each.values()) for each in (bare, ours)]
    counts = f"{bad[0]:>10}{bad[1]:>10}{len(wavering):>10}{len(known):>7}{len(still):>12}"
    return (
        f"{suite.name:<36}{version:>9}{len(ours):>8}{counts}",
        {name: told(name, bare, ours) for name in still},
        {name: told(name, bare, ours) for name in wavering},
    )


def told(name: str, bare: dict, ours: dict) -> str:
    how, text, seconds = ours.get(name, NONE)
    return f"{name}: {how} after {seconds:.1f} s, bare {bare.get(name, NONE)[2]:.1f} s\n{text}"


def alone(name: str) -> list[str]:
    """Return what to run to run a test again: the class or module if it was its set-up, nothing if it was the suite."""
    if name.endswith(WHOLE):
        return [] if name.removesuffix(WHOLE) in {suite.name for suite in SUITES} else [name.removesuffix(WHOLE)]
    fixture = re.fullmatch(r"(?:setUp|tearDown)(?:Class|Module) \((\S+)\)", name)
    return [fixture[1] if fixture else name]


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
        # Of some suites the row may be another patch version's; those of CPython say so.
        versions = sorted({bench.version, *re.findall(r"\d+\.\d+\.\d+", "".join(lines[:1]))})
        stream.seek(0)
        stream.truncate()
        print(
            f"tests/transparency/run.py, Python {' and '.join(versions)}, {dt.datetime.now(tz=dt.timezone.utc).date()}",
            file=stream,
        )
        print(HEADER, *(rows[suite.name] for suite in SUITES if suite.name in rows), sep="\n", file=stream)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter under test")
    parser.add_argument(
        "--tests",
        type=Path,
        help="its package test, if that lies elsewhere: usr/lib/python3.X/test of a package of Debian",
    )
    parser.add_argument("--only", action="append", default=[], help="a suite by name; can be given again")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "transparency")
    parser.add_argument("--write", action="store_true", help="put the rows into benchmarks/results")
    parser.add_argument("--verbose", action="store_true", help="print what the differing tests said")
    options = parser.parse_args()
    bench = Bench(options.python, options.folder.resolve(), options.tests and options.tests.resolve())
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
            row = f"{suite.name:<36} could not run: {' '.join(str(error).split())[-300:]}"
            if options.write:
                write(bench, {suite.name: row})
            print(row, flush=True)
            failed = True
            continue
        if options.write:
            write(bench, {suite.name: row})
        print(
            row, *(f"    wavers: {name}" for name in wavering), *(f"    DIFFERS: {name}" for name in differ), sep="\n"
        )
        if options.verbose:
            print(*differ.values(), *wavering.values(), sep="\n")
        sys.stdout.flush()
        failed = failed or bool(differ)
    sys.exit(failed)


if __name__ == "__main__":
    main()
