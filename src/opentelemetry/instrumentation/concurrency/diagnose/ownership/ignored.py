"""The setting ``IGNORE``: sites and fingerprints excluded from all verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from ...record.naming import relative_path
from ...record.site import Site
from ..introspection.fingerprint import fingerprint, named_chain
from ..introspection.readable import chain_of
from ..introspection.wait_reason import wait_reason

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)


class IgnoreList:
    """Globs on ``module.function`` or a file path, and fingerprints.

    Args:
        patterns: The items of the setting.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        items = list(patterns)
        self._fingerprints = {item.lower() for item in items if _FINGERPRINT.fullmatch(item)}
        self._globs = [item for item in items if not _FINGERPRINT.fullmatch(item)]

    @property
    def has_fingerprints(self) -> bool:
        """Whether fingerprints are ignored, so that each task's await chain must be inspected."""
        return bool(self._fingerprints)

    def holds_site(self, site: Site) -> bool:
        """Return whether the setting names a site, by its creating line or by the function that runs."""
        return any(
            fnmatchcase(site.function, glob)
            or fnmatchcase(site.runs, glob)
            or fnmatchcase(site.path, glob)
            or fnmatchcase(relative_path(site.path), glob)
            for glob in self._globs
        )

    def holds_fingerprint(self, text: str) -> bool:
        """Return whether a fingerprint is ignored."""
        return text in self._fingerprints

    def holds_task(self, site: Site, task: Any) -> bool:
        """Return whether the fingerprint of a task is ignored. Cost: one await chain."""
        if task is None or not self._fingerprints:
            return False
        chain = chain_of(task)
        return self.holds_fingerprint(fingerprint(site, named_chain(chain), wait_reason(task, chain)))
