"""Print the changelog of the version that a tag names: ``python .ci/release_notes.py v0.1.0``.

Fails if the tag, the version of the package and the newest dated section of CHANGELOG.md do not agree: such a tag must
not be published.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SECTION = re.compile(r"^## (?P<version>\S+) \((?P<date>[^)]*)\)\n(?P<notes>.*?)(?=^## |\Z)", re.M | re.S)


def notes(tag: str, version: str, changelog: str) -> str:
    """Return the notes of the release.

    Raises:
        ValueError: The tag cannot be released.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but the package has version {version}: expected the tag v{version}")
    newest = _SECTION.search(changelog)
    if newest is None or newest["version"] != version:
        raise ValueError(
            f"the newest section of CHANGELOG.md is not {version}: run `towncrier build --version {version}`"
        )
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", newest["date"]):
        raise ValueError(f"CHANGELOG.md gives no date for {version}, but ({newest['date']})")
    return newest["notes"].strip() + "\n"


def main() -> int:
    """Print the notes of the tag that the command line names."""
    source = (ROOT / "src/opentelemetry/instrumentation/concurrency/version.py").read_text("utf-8")
    version = re.search(r'^__version__ = "([^"]+)"', source, re.M)
    assert version is not None, source
    try:
        sys.stdout.write(notes(sys.argv[1], version[1], (ROOT / "CHANGELOG.md").read_text("utf-8")))
    except ValueError as error:
        sys.stderr.write(f"cannot release: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
