"""Test sessions, one per supported Python: ``nox -s tests-3.12``.

Arguments after ``--`` replace the default selection: ``nox -s tests-3.12 -- tests/unit/test_durations.py``. A Python
that is not installed is skipped; with uv, nox downloads it on request (``--download-python auto``).
"""

import nox

nox.needs_version = ">= 2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests"]
nox.options.envdir = "build/nox"

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
NEWEST_FINAL = "3.14"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the unit tests and the corpus; on the newest final Python also the quick integration tests."""
    session.install("-e", ".[test]")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    parallel = ("pytest", "-q", "-n", "2")
    session.run(*parallel, "-m", "not large", "tests/unit")
    session.run(*parallel, "-k", "not uvloop", "--ignore=tests/corpus/test_more_leaks.py", "tests/corpus")
    if session.python == NEWEST_FINAL:
        session.run(*parallel, "--dist", "loadfile", "-m", "every_python", "tests/integration")


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
