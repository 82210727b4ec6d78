"""Which leaks are known for now: a file that lets an old suite adopt leak tests today and fail on new leaks alone.

Each entry names a creation site, why it is tolerated and until when. An entry that has expired tolerates nothing; one
whose leak is gone is pointed out, so that the file only shrinks. It is JSON, because it is written by a tool and read
in reviews::

    {"version": 1, "leaks": [
      {"kind": "task", "site": "shop.search.query", "reason": "SHOP-12", "expires": "2027-02-01",
       "test": "tests/test_search.py::test_query"}
    ]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

from .leak import Leak

DAYS_TO_MEND: Final = 90
"""For how many days an entry that is written by the tool holds, unless a date is given."""
_VERSION: Final = 1
_FIELDS: Final = {"kind", "site", "reason", "expires", "waits", "test"}


@dataclass(frozen=True, slots=True)
class KnownLeak:
    """One tolerated leak.

    Attributes:
        kind: ``task`` or ``thread``.
        site: Function of the creation site, ``module.function``.
        reason: Why it is tolerated, for people; a ticket is best.
        expires: The last day on which it is tolerated.
        waits: Wait reason that it has to have; empty for any.
        test: The test that showed it; empty if none did.
    """

    kind: str
    site: str
    reason: str
    expires: date
    waits: str = ""
    test: str = ""

    def is_of(self, leak: Leak) -> bool:
        """Tell whether ``leak`` is this one, whatever the date."""
        return (leak.kind, leak.site.function) == (self.kind, self.site) and self.waits in ("", leak.wait_reason)


class Baseline:
    """The known leaks of a suite.

    Args:
        known: The entries.
        today: The day by which entries expire; the present one by default.
    """

    def __init__(self, known: Iterable[KnownLeak] = (), *, today: date | None = None) -> None:
        self.known = tuple(known)
        self._today = today or datetime.now(timezone.utc).date()

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, today: date | None = None) -> Baseline:
        """Read a baseline file.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is no baseline; the text says which entry is wrong and what was expected.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{os.fspath(path)} is no JSON: {error}") from None
        if not isinstance(content, dict) or content.get("version") != _VERSION or "leaks" not in content:
            raise ValueError(f'{os.fspath(path)}: expected {{"version": {_VERSION}, "leaks": [...]}}')
        entries = enumerate(content["leaks"], 1)
        return cls([_entry(entry, f"{os.fspath(path)}, entry {number}") for number, entry in entries], today=today)

    def entry_of(self, leak: Leak) -> KnownLeak | None:
        """Return the entry that tolerates ``leak`` today, or None."""
        return next((one for one in self.known if one.is_of(leak) and one.expires >= self._today), None)

    def expired_entry_of(self, leak: Leak) -> KnownLeak | None:
        """Return an entry that tolerated ``leak`` until it expired, or None."""
        return next((one for one in self.known if one.is_of(leak) and one.expires < self._today), None)

    def vanished(self, seen: Iterable[tuple[str, str]], tests_run: Iterable[str] | None = None) -> list[KnownLeak]:
        """Return the entries whose leak is gone, so that they can be deleted.

        Args:
            seen: Kind and site of every leak of the run.
            tests_run: Names of the tests that ran; an entry with a test that did not run says nothing. None: all ran.
        """
        found = set(seen)
        ran = None if tests_run is None else set(tests_run)
        return [
            one
            for one in self.known
            if (one.kind, one.site) not in found and (ran is None or not one.test or one.test in ran)
        ]

    def adopting(
        self, leaks: Iterable[tuple[str, str, str]], *, reason: str = "", expires: date | None = None
    ) -> Baseline:
        """Return this baseline with further leaks: those it knows keep their reason and date.

        Args:
            leaks: Kind, site and test of each.
            reason: Why they are tolerated; by default the day of their adoption.
            expires: The last day; in 90 days by default.
        """
        known = {(one.kind, one.site): one for one in self.known}
        for kind, site, test in leaks:
            known.setdefault(
                (kind, site),
                KnownLeak(
                    kind,
                    site,
                    reason or f"adopted on {self._today}: say why, or mend it",
                    expires or self._today + timedelta(days=DAYS_TO_MEND),
                    test=test,
                ),
            )
        return Baseline(sorted(known.values(), key=lambda one: (one.kind, one.site)), today=self._today)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, one entry a line, whole or not at all."""
        lines = ",\n".join("  " + json.dumps(_fields(one), ensure_ascii=False) for one in self.known)
        text = f'{{"version": {_VERSION}, "leaks": [\n{lines}\n]}}\n'
        half = Path(f"{os.fspath(path)}.{os.getpid()}.tmp")
        half.write_text(text, encoding="utf-8")
        half.replace(path)


def _fields(one: KnownLeak) -> dict[str, str]:
    fields = {
        "kind": one.kind,
        "site": one.site,
        "reason": one.reason,
        "expires": one.expires.isoformat(),
        "waits": one.waits,
        "test": one.test,
    }
    return {name: value for name, value in fields.items() if value}


def _entry(entry: Any, where: str) -> KnownLeak:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"{where}: expected an object of texts, got {entry!r}")
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_FIELDS))}")
    for name in ("kind", "site", "reason", "expires"):
        if not entry.get(name, "").strip():
            raise ValueError(f"{where}: {name!r} is missing; a known leak needs kind, site, reason and expires")
    if entry["kind"] not in ("task", "thread"):
        raise ValueError(f"{where}: kind is {entry['kind']!r}, expected 'task' or 'thread'")
    try:
        expires = date.fromisoformat(entry["expires"])
    except ValueError:
        raise ValueError(f"{where}: expires is {entry['expires']!r}, expected a date such as '2027-02-01'") from None
    return KnownLeak(
        entry["kind"], entry["site"], entry["reason"], expires, entry.get("waits", ""), entry.get("test", "")
    )
