"""Fresh environments without the package index: links to files of the packages that are installed here."""

import re
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = "opentelemetry-instrumentation-concurrency"
SRC = Path(__file__).parents[1] / "src"
_LAUNCH = "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; sys.exit(run())"
_COMMAND = "import sys; from opentelemetry.instrumentation.concurrency.cli.main import main; sys.exit(main())"


class Environment:
    """A virtual environment with a package, its dependencies and nothing else.

    Args:
        path: A directory for it.
        extra: The extra of the package.
        further: Further packages.
    """

    def __init__(self, path: Path, extra: str, further: tuple[str, ...] = ()) -> None:
        venv.create(path, symlinks=True)
        self.python = path / "bin/python"
        self.packages = path / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        # As pip does it for a checkout: the code is linked, the metadata are a copy.
        (self.packages / "checkout.pth").write_text(f"{SRC}\n")
        seen: set[str] = set()
        self._add(PACKAGE, {extra}, seen)
        for name in further:
            self._add(name, {""}, seen)

    def launched(self, program: Path) -> list[str]:
        """Return the arguments of ``opentelemetry-instrument python program``."""
        return [str(self.python), "-c", _LAUNCH, str(self.python), str(program)]

    def command(self, *arguments: str) -> list[str]:
        """Return the arguments of ``otel-concurrency``."""
        return [str(self.python), "-c", _COMMAND, *arguments]

    def set_version(self, name: str, version: str) -> None:
        """Pretend that another version of a package is installed."""
        (directory,) = self.packages.glob(f"{name.replace('-', '_')}-*.dist-info")
        metadata = directory / "METADATA"
        text = metadata.read_text()
        metadata.unlink()
        metadata.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", text, count=1))

    def _add(self, name: str, extras: set[str], seen: set[str]) -> None:
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in seen:
            return
        seen.add(name)
        found = distribution(name)
        self._link(found)
        for text in found.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                self._add(requirement.name, {"", *requirement.extras}, seen)

    def _link(self, found: Distribution) -> None:
        for file in found.files or ():
            if ".." in file.parts or file.suffix in (".pyc", ".pth"):
                continue
            target = self.packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(file.locate())
