"""The OpenTelemetry packages that are installed in an environment, also in that of another process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_LAUNCHER: Final = ("opentelemetry", "instrumentation", "auto_instrumentation")
_PREFIX: Final = "opentelemetry"


class InstalledPackages:
    """The installed packages whose names begin with ``opentelemetry``.

    Args:
        directory: The directory of the packages; None for the environment of this command.
    """

    def __init__(self, directory: Path | None = None) -> None:
        found = distributions() if directory is None else distributions(path=[str(directory)])
        # The first one of a name is the one that is imported.
        self._found: dict[str, Any] = {}
        for each in found:
            name = _canonical(each.metadata["Name"] or "")
            if name.startswith(_PREFIX):
                self._found.setdefault(name, each)

    def version(self, name: str) -> str:
        """Return the version of a package; empty if it is not installed."""
        found = self._found.get(name)
        return found.version if found is not None else ""

    def mismatches(self) -> Iterator[tuple[str, str, Requirement, str]]:
        """Yield each requirement among these packages that is not met.

        Yields:
            The package, its version, its requirement, and the installed version of the required package.
        """
        from packaging.requirements import InvalidRequirement, Requirement

        for name, each in sorted(self._found.items()):
            for text in each.requires or ():
                try:
                    requirement = Requirement(text)
                except InvalidRequirement:
                    continue
                other = self.version(_canonical(requirement.name))
                applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
                if other and applies and not requirement.specifier.contains(other, prereleases=True):
                    yield name, each.version, requirement, other


def launched_from(environment: Mapping[str, str]) -> Path | None:
    """Return the package directory from which ``opentelemetry-instrument`` started a process; None if it did not.

    Args:
        environment: The initial environment of the process.
    """
    for text in environment.get("PYTHONPATH", "").split(":"):
        path = Path(text)
        if path.is_absolute() and path.parts[-3:] == _LAUNCHER:
            return path.parents[2]
    return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
