"""Test sessions, one per supported Python: ``nox -s tests-3.12``.

Arguments after ``--`` replace the default selection: ``nox -s tests-3.12 -- tests/unit/test_durations.py``. A Python
that is not installed is skipped; with uv, nox downloads it on request (``--download-python auto``).
"""

import sys
from collections.abc import Iterator

import nox
from nox.command import CommandFailed

nox.needs_version = ">= 2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests"]
nox.options.envdir = "build/nox"

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
NEWEST = "3.14"
"""The newest final one, with the coverage, and the integration tests that are marked for every Python."""
BETWEEN = ("3.12", "3.13")
"""What these could show alone is in how creations and waits are read: no simulated services, no corpus."""
HALVES = {"3.10": "tests/corpus/test_leaking.py", "3.15": "tests/corpus/test_healthy.py"}
"""The oldest Python and the next one have half of the corpus each; the newest final one and the main one have all."""
ONCE = ("--ignore=tests/corpus/test_more_leaks.py", "--ignore=tests/corpus/test_advice_of_programs.py")
"""Second runs of the corpus, with growing counts and for the advice; `make test-rest` has them."""


def parts(version: str) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of Python for each part of the suite of one version."""
    pytest = ("-m", "pytest", "-q", "-o", f"cache_dir=build/pytest/{version}")
    unit = ("-m", "not large", "tests/unit")
    if version == NEWEST:
        yield ("-m", "coverage", "run", *pytest, *unit)
        yield ("-m", "coverage", "report")
    elif version in BETWEEN:
        yield (*pytest, "-n", "3", "--ignore-glob=tests/unit/test_verdicts*", *unit)
        return
    else:
        yield (*pytest, "-n", "3", *unit)
    # Both loops and growing counts of the corpus run with `make test-rest`. Programs mostly wait.
    yield (*pytest, "-n", "4", "-k", "not uvloop", *ONCE, HALVES.get(version, "tests/corpus"))
    if version == NEWEST:
        yield (*pytest, "-n", "2", "--dist", "loadfile", "-m", "every_python", "tests/integration")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the unit tests and the corpus; on the newest final Python also the quick integration tests."""
    version = session.python if isinstance(session.python, str) else "{}.{}".format(*sys.version_info)
    if session.virtualenv.venv_backend == "none":
        # .ci/run makes the environments itself, also in roots that this Python cannot enter.
        python = sys.executable
    else:
        python = "python"
        session.install("-e", ".[test]")
    if session.posargs:
        session.run(python, "-m", "pytest", *session.posargs)
        return
    failed = 0
    for part in parts(version):
        try:
            # Python itself counts the lines, which changes nothing that the tests see and costs next to nothing.
            session.run(python, *part, env={"COVERAGE_CORE": "sysmon"} if version == NEWEST else None)
        except CommandFailed:
            failed += 1
    if failed:
        session.error(f"{failed} of the parts failed")


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Install the built wheel into an empty environment and check what it promises on every platform."""
    session.install("build")
    directory = session.create_tmp()
    session.run("python", "-m", "build", "--wheel", "--outdir", directory, ".", silent=True)
    session.run("python", ".ci/install_wheel.py", directory)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)
