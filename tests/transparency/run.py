"""Runs the test suites of others bare and instrumented, and prints what differs: nothing should.

``python tests/transparency/run.py [--python PYTHON] [--only NAME]... [--quick] [--recorder compiled] [--write]``

Each suite runs bare and then instrumented, in the same environment: a file in its site-packages instruments every
interpreter in it. Both runs have an SDK that exports all signals over OTLP/HTTP to this process, so that only the
package under test differs. A test that fails bare would hide a difference, and many fail because of the SDK's own
threads: such tests run again with an SDK without threads, then without SDK, and are compared where they pass. A test
that ended worse with us runs alone three times more in both ways. It counts as a difference if it did so each time;
as wavering otherwise. Worse is: badly, not at all, skipped though it can run, or well after three times as long and
twenty seconds more. With ``--write`` the rows go to benchmarks/results/transparency-VERSION.txt, or
transparency-compiled-VERSION.txt for that recorder; those of suites that did not run are kept.
How each test ended, what it said and how long it took stays in build/transparency.
"""

import argparse
import contextlib
import datetime as dt
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from bench import Bench
from foreign_suites import SUITES, Suite
from known import APART, KNOWN, WITHOUT_THREADS
from receiver import Receiver

ROOT = HERE.parents[1]
GOOD = ("ok", "skipped")
SDKS = ("threads", "no threads", "none")
REPEATS = 3
MUCH_LONGER = 3
HANGS_S = 20.0
LIMIT_S = 1200
ALONE_LIMIT_S = 300
NONE = ("missing", "", 0.0)
WHOLE = " (as a whole)"
COLUMNS = f"{'SDK':>12}{'tests':>8}{'bare bad':>10}{'ours bad':>10}{'wavering':>10}{'known':>7}{'difference':>12}"
HEADER = f"{'suite':<36}{'version':>9}{COLUMNS}"
QUICK = (
    "CPython test_fork1 and others",
    "CPython test_contextlib_async",
    "upstream asyncio instrumentation",
    "upstream threading instrumentation",
)


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


class Way(NamedTuple):
    """How a suite runs.

    Attributes:
        how: ``bare`` or ``instrumented``.
        sdk: ``threads``, ``no threads`` or ``none``.
        endpoint: Where the SDK exports to.
    """

    how: str
    sdk: str
    endpoint: str = ""

    def environment(self) -> dict[str, str]:
        """Return this process's environment with the settings of this way instead of its own."""
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("OTEL_")},
            **{f"OTEL_{name}_EXPORTER": "none" for name in ("TRACES", "METRICS", "LOGS")},
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "TRANSPARENCY_HOW": self.how,
            "TRANSPARENCY_SDK": self.sdk,
        }


def in_modules(names: Iterable[str], modules: list[str]) -> list[str]:
    """Return the tests, of some, that are in one of the modules."""
    return [name for name in names if any(name.startswith(f"{module}.") for module in modules)]


def run_unittest(interpreter: Path, modules: list[str], way: Way, path: dict[str, str], only: list[str] | None) -> dict:
    ended: dict = {}
    apart, waiting = (in_modules(names, modules) for names in (APART, WITHOUT_THREADS if way.sdk == "threads" else ()))
    for module in only or (*modules, *apart):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "outcomes.json"
            left_out = [f"-{name}" for name in in_modules((*apart, *waiting), [module])]
            code, said = run([interpreter, HERE / "outcomes.py", file, module, *left_out], folder, way, path, only)
            ended.update(noted(file))
            if code != 0:
                ended[module + WHOLE] = ("error", said[-4000:], 0.0)
    return ended


def run_pytest(interpreter: Path, source: Path, suite: Suite, way: Way, only: list[str] | None = None) -> dict:
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
        code, said = run(command, str(source), way, settings, only)
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


def run(command: list, folder: str, way: Way, settings: dict, only: list[str] | None) -> tuple[int, str]:
    """Run a command and return its exit code and output."""
    limit_s = ALONE_LIMIT_S if only else LIMIT_S
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**way.environment(), **settings},
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


class Runs:
    """Runs of one suite: bare and instrumented, with an SDK or without.

    Args:
        suite: What runs.
        bench: Where.
        receiver: What the SDK exports to.
        sdk: ``threads`` by default, see `Way`.
    """

    def __init__(self, suite: Suite, bench: Bench, receiver: Receiver, sdk: str = "threads") -> None:
        needs = () if suite.modules else (suite.package, "pytest", *suite.needs)
        self._interpreter = bench.environment(suite.name if suite.package else "cpython", needs)
        self._suite, self._bench, self._receiver, self.sdk = suite, bench, receiver, sdk
        self.simpler = SDKS[SDKS.index(sdk) + 1 :]
        self.name, self.source, self.version = suite.name, bench.folder, bench.version
        self._modules: list[str] = []
        self.without_threads: list[str] = []
        if suite.modules:
            self._modules = [
                module for name in suite.modules for module in modules_of(self._interpreter, name, bench.path)
            ]
            self.without_threads = in_modules(WITHOUT_THREADS if sdk == "threads" else (), self._modules)
        else:
            self.source, self.version = bench.tests_of(suite, self._interpreter)

    def once(self, how: str, only: list[str] | None = None, sdk: str = "") -> dict:
        """Return how each test ended in one run."""
        way = Way(how, sdk or self.sdk, self._receiver.address(how))
        if self._modules:
            return run_unittest(self._interpreter, self._modules, way, self._bench.path, only)
        return run_pytest(self._interpreter, self.source, self._suite, way, only)

    def whole(self, how: str) -> dict:
        """Return how each test ended in a run of all; keep it in a file, and check that the run exported."""
        self._receiver.forget()
        ended = self.once(how)
        if not ended:
            raise RuntimeError("no tests were found")
        if self.sdk != "none":
            self._receiver.check(how, with_ours=how == "instrumented")
        (self._bench.folder / f"{self._suite.name} {self._bench.version} {how}.json").write_text(
            json.dumps(ended, indent=1)
        )
        return ended

    def differs_always(self, name: str) -> bool:
        """Return whether a test ends worse each time that it runs alone, bare and instrumented."""
        only = alone(name)
        return all(
            name in differences(self.once("bare", only), self.once("instrumented", only)) for _ in range(REPEATS)
        )


def hidden_differences(once: Callable[[str, list[str], str], dict], bad: list[str], sdks: tuple[str, ...]) -> list[str]:
    """Return the tests that fail bare because of the SDK, and end worse with us where they pass bare.

    Args:
        once: Runs some tests, bare or instrumented, with one of the SDKs, and returns how each ended.
        bad: Tests that fail bare.
        sdks: What to try, most like a user's first.
    """
    found = []
    for sdk in sdks:
        only = [part for name in bad if not name.endswith(WHOLE) for part in alone(name)]
        bare = once("bare", only, sdk) if only else {}
        passed = [name for name in bad if bare.get(name, NONE)[0] == "ok"]
        worse = passed and differences({name: bare[name] for name in passed}, once("instrumented", passed, sdk))
        found += [
            name
            for name in worse
            if name in differences(once("bare", alone(name), sdk), once("instrumented", alone(name), sdk))
        ]
        bad = [name for name in bad if name not in passed]
    return found


def examine(runs: Runs) -> tuple[str, dict[str, str], dict[str, str]]:
    """Run one suite and return its row, the tests that differ with what they said, and those that waver."""
    bare, ours = runs.whole("bare"), runs.whole("instrumented")
    differed = differences(bare, ours)
    known = [name for name in differed if name in KNOWN]
    still = [name for name in differed if name not in KNOWN and runs.differs_always(name)]
    wavering = [name for name in differed if name not in still and name not in known]
    failed = [name for name, (how, *_) in bare.items() if how not in GOOD]
    hidden = hidden_differences(runs.once, [*failed, *runs.without_threads], runs.simpler)
    known += [name for name in hidden if name in KNOWN]
    still += [name for name in hidden if name not in KNOWN]
    bad = [sum(how not in GOOD for how, *_ in each.values()) for each in (bare, ours)]
    counts = f"{bad[0]:>10}{bad[1]:>10}{len(wavering):>10}{len(known):>7}{len(still):>12}"
    return (
        f"{runs.name:<36}{runs.version:>9}{runs.sdk:>12}{len(ours):>8}{counts}",
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
    kind = "compiled-" if bench.recorder == "compiled" else ""
    file = ROOT / "benchmarks" / "results" / f"transparency-{kind}{'.'.join(bench.version.split('.')[:2])}.txt"
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
            f"tests/transparency/run.py, Python {' and '.join(versions)}, {bench.recorder} recorder, "
            f"{dt.datetime.now(tz=dt.timezone.utc).date()}",
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
    parser.add_argument("--sdk", choices=SDKS, default=SDKS[0], help="of both runs; 'threads' is the default")
    parser.add_argument("--recorder", choices=("python", "compiled"), default="python", help="of the package")
    options = parser.parse_args()
    # Jobs in the background inherit an ignored SIGINT, for which tests would wait forever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    receiver = Receiver()
    bench = Bench(options.python, options.folder.resolve(), options.tests and options.tests.resolve(), options.recorder)
    wanted = options.only or (QUICK if options.quick else [suite.name for suite in SUITES])
    print(f"Python {bench.version}, {bench.recorder} recorder; known and explained: {len(KNOWN)}")
    print(HEADER, flush=True)
    failed = False
    for suite in SUITES:
        if suite.name not in wanted:
            continue
        try:
            row, differ, wavering = examine(Runs(suite, bench, receiver, options.sdk))
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
