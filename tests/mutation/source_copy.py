"""A copy of the package in which one file at a time is changed, and test runs against it."""

from __future__ import annotations

import compileall
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
PACKAGE = Path("opentelemetry") / "instrumentation" / "concurrency"
Outcome = Literal["passed", "failed", "error", "timeout"]

_SECONDS_TO_END = 10.0
# Each run takes a second less without the plugins of all installed packages.
_PLUGINS = ("pytest_timeout", "opentelemetry.instrumentation.concurrency.testing.pytest_plugin")


class SourceCopy:
    """The package below another directory, imported by the tests instead of the one that is installed.

    Args:
        directory: Where the copy is made.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._source = directory, directory / "src"
        # The tests as well: what is edited meanwhile changes no result.
        for name in ("src", "tests", "examples", "benchmarks", "docs"):
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", directory)
        compileall.compile_dir(str(self._source), quiet=1)
        # The changed file must not leave compiled code behind that looks current.
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(self._source),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        self.last_output = ""
        self._now_changed: tuple[str, str, str] | None = None
        self._check_that_it_is_imported()

    @contextlib.contextmanager
    def changed(self, module: str, text: str) -> Iterator[None]:
        """Replace the text of one module, given by its path in the package, for as long as the block lasts."""
        before = self.text(module)
        self._replace(module, text)
        self._now_changed = module, before, text
        try:
            yield
        finally:
            self._now_changed = None
            self._replace(module, before)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Within a change, take it back for as long as the block lasts."""
        if self._now_changed is None:
            yield
            return
        module, before, after = self._now_changed
        self._replace(module, before)
        try:
            yield
        finally:
            self._replace(module, after)

    def _replace(self, module: str, text: str) -> None:
        path = self._source / PACKAGE / module
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        path.write_text(text)

    def text(self, module: str) -> str:
        """Return the text of a module, given by its path in the package."""
        return (self._source / PACKAGE / module).read_text()

    def run(self, tests: Sequence[str], timeout_s: float) -> Outcome:
        """Run some tests until the first that fails.

        Args:
            tests: Node identifiers below ``tests/unit``.
            timeout_s: Seconds after which they count as hanging.
        """
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        command += (part for plugin in _PLUGINS for part in ("-p", plugin))
        process = subprocess.Popen(
            [*command, *(f"tests/unit/{test}" for test in tests)],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self.last_output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.last_output, _ = process.communicate(timeout=_SECONDS_TO_END)
            return "timeout"
        if process.returncode == 0:
            return "passed"
        return "failed" if process.returncode == 1 and " failed" in self.last_output else "error"

    def _check_that_it_is_imported(self) -> None:
        program = "import opentelemetry.instrumentation.concurrency as package; print(package.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", program], env=self._environment, capture_output=True, text=True, check=True
        )
        if not done.stdout.startswith(str(self._source)):
            raise RuntimeError(f"the tests would import {done.stdout.strip()}, expected the copy in {self._source}")
