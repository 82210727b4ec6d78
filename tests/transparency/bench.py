"""Environments of the suites of others, and where their tests lie."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from foreign_suites import Suite

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONFIGURATIONS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py", "README.md", "README.rst")
WHICH_RECORDER = """
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
print(current_installation().recorder.task_recorder.name)
"""
SDK = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


class Bench:
    """Environments and working folders of one Python.

    Args:
        python: The interpreter.
        folder: Where everything is made.
        tests: Where tests of it lie that its own package ``test`` lacks.
        recorder: The recorder of the package, ``python`` or ``compiled``.
    """

    def __init__(self, python: str, folder: Path, tests: Path | None = None, recorder: str = "python") -> None:
        self.python, self.folder, self.recorder = python, folder, recorder
        self._built: Path | None = None
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

    def _wheel(self, interpreter: Path) -> Path:
        """Return the wheel of this package, built once."""
        if self._built is None:
            folder = self.folder / f"wheel-{self.version}-{self.recorder}"
            shutil.rmtree(folder, ignore_errors=True)
            pip = [interpreter, "-m", "pip", "-q", "wheel", "--no-deps", "-w", folder]
            native = {"OTEL_CONCURRENCY_NATIVE": "yes" if self.recorder == "compiled" else "no"}
            subprocess.run([*pip, ROOT], env={**os.environ, **native}, check=True)
            (self._built,) = folder.glob("*.whl")
        return self._built

    def environment(self, name: str, packages: tuple[str, ...]) -> Path:
        """Return the interpreter of an environment with this package, the SDK and others, none of them pinned."""
        place = self.folder / f"{name.replace(' ', '-')}-{self.version}"
        interpreter = place / "bin" / "python"
        packages = (*SDK, *packages)
        made, wanted = place / ".made", " ".join(packages)
        pip = [interpreter, "-m", "pip", "-q", "install"]
        if not made.exists() or made.read_text() != wanted:
            subprocess.run([self.python, "-m", "venv", "--clear", place], check=True)
            subprocess.run([*pip, "--upgrade", "pip"], check=True)
            subprocess.run([*pip, self._wheel(interpreter), *packages], check=True)
            made.write_text(wanted)
        # As users have it: pytest treats what is installed to be edited otherwise.
        subprocess.run([*pip, "--no-deps", "--force-reinstall", self._wheel(interpreter)], check=True)
        hook = next(place.glob("lib/python*/site-packages")) / "transparency_hook.py"
        shutil.copy(HERE / "hook.py", hook)
        # Of these files the last in the alphabet is the last to be read: all that is installed is found by then.
        hook.with_name("zz_transparency_hook.pth").write_text("import transparency_hook\n")
        self._check_recorder(interpreter)
        return interpreter

    def _check_recorder(self, interpreter: Path) -> None:
        env = {**os.environ, "TRANSPARENCY_HOW": "instrumented"}
        runs = subprocess.run([interpreter, "-c", WHICH_RECORDER], env=env, capture_output=True, text=True, check=True)
        if runs.stdout.strip() != self.recorder:
            raise RuntimeError(f"the recorder is {runs.stdout.strip()}, wanted: {self.recorder}")

    def tests_of(self, suite: Suite, interpreter: Path) -> tuple[Path, str]:
        """Return the folder that holds the tests of the very version that is installed, and that version."""
        ask = f"from importlib.metadata import version; print(version({suite.package!r}))"
        version = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
        if suite.installed:
            place = next(interpreter.parents[1].glob("lib/python*/site-packages"))
            (place / "pytest.ini").write_text("[pytest]\n")
            return place, version
        place = self.folder / "sources" / f"{suite.package}-{version}"
        if not place.exists():
            with tempfile.TemporaryDirectory() as got:
                with tarfile.open(source_archive(suite, version, interpreter, Path(got))) as archive:
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


def source_archive(suite: Suite, version: str, interpreter: Path, folder: Path) -> Path:
    """Download the source archive of a suite's package into a folder and return its path."""
    address, digest = suite.archive
    if address:
        with urllib.request.urlopen(address, timeout=60) as answer:
            archive = answer.read()
        if version not in address or hashlib.sha256(archive).hexdigest() != digest:
            raise RuntimeError(f"{address} is not the archive of {suite.package} {version}")
        (folder / "source.tar.gz").write_bytes(archive)
        return folder / "source.tar.gz"
    wanted = f"{suite.package}=={version}"
    download = ["pip", "-q", "download", "--no-deps", "--no-binary", suite.package]
    subprocess.run([interpreter, "-m", *download, "-d", folder, wanted], check=False, capture_output=True)
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        raise RuntimeError(f"no source archive of {wanted}")
    return archives[0]


def texts(place: Path) -> list[str]:
    """Return the files in which pytest looks for its settings."""
    return [(place / name).read_text() for name in CONFIGURATIONS[:4] if (place / name).exists()]
