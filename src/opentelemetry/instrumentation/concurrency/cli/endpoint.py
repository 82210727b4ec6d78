"""Access to a process through its debug endpoint (``--url``)."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from .connection import MAX_ANSWER_BYTES, Answer, too_large
from .failures import CommandError, UsageError
from .overview_facts import stats_from_overview
from .taken import Counted, Taken, counted, taken_from

_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A process that is reached through its debug endpoint.

    Attributes:
        url: URL of the endpoint.
        timeout_s: Limit for the whole answer, in seconds.
        max_bytes: Maximum size of an answer.
    """

    url: str
    timeout_s: float
    max_bytes: int = MAX_ANSWER_BYTES

    @property
    def label(self) -> str:
        """The heading of the source's column."""
        return self.url.partition("://")[2].partition("/")[0]

    def ask(self, request: str, **_options: Any) -> Answer:
        """Answer ``hello`` and ``stats`` with the data of the live page; other requests need an agent.

        Raises:
            UsageError: If the request needs an agent.
            CommandError: If the data can't be fetched.
        """
        if request not in ("hello", "stats"):
            message = f"A debug endpoint does not support {request!r}: run the command on the machine, with a PID."
            raise UsageError(message)
        url = f"{self._mount_point()}/debug/concurrency/overview.json"
        body = self._get(url)
        try:
            return Answer(stats_from_overview(body), b"")
        except (ValueError, RecursionError) as error:
            message = f"{url}: {error}. Is it the debug endpoint of this version of the package?"
            raise CommandError(message) from None

    def count(self, kind: str, *, split_loops: bool = False) -> Counted:
        """Count tasks or threads with equal properties.

        Raises:
            CommandError: If the snapshot can't be fetched.
        """
        return counted(self.take(), kind, split_loops=split_loops)

    def take(self) -> Taken:
        """Fetch the snapshot.

        Raises:
            CommandError: If it can't be fetched.
        """
        url = self.url if self.url.endswith(".json") else f"{self._mount_point()}/debug/concurrency/snapshot.json"
        return taken_from(self._get(url), url)

    def _mount_point(self) -> str:
        """Return the URL without the path of a page."""
        url = self.url.rstrip("/").removesuffix("/snapshot.json").removesuffix("/overview.json")
        return url.removesuffix("/debug/pprof").removesuffix("/debug/concurrency")

    def _get(self, url: str) -> bytes:
        try:
            return self._fetch(url)
        except urllib.error.HTTPError as error:
            # The error holds the connection; Python 3.15 warns if it is not closed.
            error.close()
            hint = " Set OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN to the token." if error.code in (401, 403) else ""
            message = f"{url} answered {error.code} {error.reason}.{hint} Is it the debug endpoint of this package?"
            raise CommandError(message) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            # ValueError: a port that is not a number, a host name that cannot be encoded.
            reason = getattr(error, "reason", error)
            message = (
                f"{url} can't be reached ({reason or type(error).__name__}). The debug endpoint is only open if the "
                "process was started with OTEL_PYTHON_CONCURRENCY_DEBUG_ADDRESS."
            )
            raise CommandError(message) from None

    def _fetch(self, url: str) -> bytes:
        deadline = time.monotonic() + self.timeout_s
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 (checked before)
        token = os.environ.get("OTEL_PYTHON_CONCURRENCY_DEBUG_TOKEN")
        if token:
            # Redirections do not receive the token.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        body = bytearray()
        with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310 (as above)
            while piece := response.read1(_CHUNK):
                body += piece
                if len(body) > self.max_bytes:
                    raise CommandError(too_large(f"The answer of {url}", self.max_bytes))
                if time.monotonic() > deadline:
                    message = f"{url} did not answer within {self.timeout_s:g} s: try a longer --timeout."
                    raise CommandError(message)
        return bytes(body)
