"""The same forty tests under our plugin, pyleak and pytest-threadleak: found, missed, falsely accused, time.

``leaktest/leaking.py`` has twenty tests that leak in different ways, ``leaktest/clean.py`` twenty that leave nothing
behind, each tricky in another way. A leak is found when its own test fails; a clean test that fails is accused falsely.
All tools look at tasks and threads, daemons included; each gets its own settings otherwise. The time is that of an
empty test beyond what it takes with no tool, least of several rounds that take turns.

Needs: pip install pyleak pytest-threadleak pytest-asyncio
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
OURS = "opentelemetry.instrumentation.concurrency.testing.pytest.plugin"
PYLEAK = (
    'import pytest\npytestmark = pytest.mark.no_leaks("tasks", "threads", task_action="raise", thread_action="raise", '
    "exclude_daemon_threads=False)\n"
)
# Name, module that has to be there, plugin, options, what is written into each test module.
TOOLS = {
    "none": ("pytest", None, [], ""),
    "ours": ("opentelemetry", OURS, ["--leaks=error", "--leaks-timeout=1"], ""),
    "pyleak": ("pyleak", "pyleak.pytest_plugin", [], PYLEAK),
    "pytest-threadleak": ("pytest_threadleak", "pytest_threadleak", ["--threadleak"], ""),
}
ROUNDS = 7
EMPTY = 300
PROBE = """
import json, time

outcomes = {}

def pytest_runtest_logreport(report):
    if report.failed:
        outcomes[report.nodeid] = False
    elif report.when == "call":
        outcomes.setdefault(report.nodeid, report.passed)

def pytest_runtestloop(session):
    session.began = time.perf_counter()

def pytest_sessionfinish(session):
    took = time.perf_counter() - session.began
    with open("probe.json", "w") as probe:
        json.dump({"outcomes": outcomes, "took": took}, probe)
"""


def run(tool, tests):
    """Run test modules in a process and a directory of their own; return outcomes by test and seconds."""
    _, plugin, options, head = TOOLS[tool]
    with tempfile.TemporaryDirectory() as directory:
        for name, text in tests.items():
            Path(directory, f"test_{name}.py").write_text(head + text)
        Path(directory, "conftest.py").write_text(PROBE)
        Path(directory, "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
        if plugin is not None:
            command += ["-p", plugin]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            [*command, *options],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{tool}: {done.stdout}{done.stderr}")
        probe = json.loads(Path(directory, "probe.json").read_text())
    return {name.partition("::")[2]: passed for name, passed in probe["outcomes"].items()}, probe["took"]


def empty_tests(prefix):
    """Return a module of tests that do nothing."""
    return "\n".join(f"{prefix}def test_{number}(): pass" for number in range(EMPTY))


def time_empty_tests(tools):
    """Return the least seconds that an empty test takes under each tool: plain, coroutine."""
    least = {}
    for _ in range(ROUNDS):
        for tool in tools:
            # One that waits in every test needs no rounds to show it.
            if least.get((tool, ""), 0) > 0.01:
                continue
            for prefix in ("", "async "):
                took = run(tool, {"empty": empty_tests(prefix)})[1] / EMPTY
                least[tool, prefix] = min(took, least.get((tool, prefix), took))
    return least


def main():
    """Print the table, and what each tool missed or accused falsely."""
    tools = [tool for tool, (module, *_) in TOOLS.items() if find_spec(module) is not None]
    leaking = {"leaking": (HERE / "leaktest" / "leaking.py").read_text()}
    clean = {"clean": (HERE / "leaktest" / "clean.py").read_text()}
    least = time_empty_tests(tools)
    print(f"Python {sys.version.split()[0]}; {ROUNDS} rounds of {EMPTY} empty tests\n")
    print("| tool | found of 20 | missed | falsely accused of 20 | an empty test pays | an empty coroutine test pays |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    details = []
    for tool in tools:
        outcomes = run(tool, leaking)[0]
        found = [test for test, passed in outcomes.items() if not passed]
        missed = [test for test, passed in outcomes.items() if passed]
        accused = [test for test, passed in run(tool, clean)[0].items() if not passed]
        paid = [(least[tool, prefix] - least["none", prefix]) * 1e6 for prefix in ("", "async ")]
        print(
            f"| {tool} | {len(found)} | {len(missed)} | {len(accused)} | "
            f"{' | '.join('-' if tool == 'none' else f'{each:,.0f} µs' for each in paid)} |"
        )
        if tool != "none":
            details += [f"{tool} missed: {', '.join(missed) or 'nothing'}"]
            details += [f"{tool} accused falsely: {', '.join(accused) or 'nobody'}"]
    print("\n" + "\n".join(details))


if __name__ == "__main__":
    main()
