"""What is never an orphan nor a suspect because somebody said so: the setting ``IGNORE``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from ..record.naming import relative_path
from ..record.site import Site
from .await_chain import walk_await_chain
from .fingerprint import fingerprint, named_chain
from .known_waits import coroutine_of
from .wait_reason import wait_reason

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
        """Whether single await chains are ignored, so that each has to be looked at."""
        return bool(self._fingerprints)

    def holds_site(self, site: Site) -> bool:
        """Tell whether everything created at ``site`` is ignored."""
        return any(
            fnmatchcase(site.function, glob)
            or fnmatchcase(site.path, glob)
            or fnmatchcase(relative_path(site.path), glob)
            for glob in self._globs
        )

    def holds_fingerprint(self, text: str) -> bool:
        """Tell whether a fingerprint is ignored."""
        return text in self._fingerprints

    def holds_task(self, site: Site, task: Any) -> bool:
        """Tell whether the fingerprint of a task is ignored. Cost: one await chain."""
        if task is None or not self._fingerprints:
            return False
        chain = walk_await_chain(coroutine_of(task))
        return self.holds_fingerprint(fingerprint(site, named_chain(chain), wait_reason(task, chain)))
