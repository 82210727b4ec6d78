"""The facts of ``stats``, from the data of the live page: a debug endpoint has these, and no agent."""

from __future__ import annotations

import json
from typing import Any, Final

from ..agent.answer_shapes import check, check_facts
from ..record.threads import OWN_SITE
from ..serve.overview import OVERVIEW_VERSION

_LINE: Final = (str, str, int)
_ROW: Final = {
    "kind": str,
    "function": str,
    "path": str,
    "line": int,
    "runs": str,
    "via": [_LINE],
    "live": int,
    "orphaned": int,
    "unwakeable": int,
    "growing": bool,
    "created": int,
    "oldest_s": float,
}
_OVERVIEW: Final = {
    "process": {
        "process_id": int,
        "python_version?": str,
        "service_name?": str,
        "instrumentation_version?": str,
        "uptime_s": float,
        "scan_age_s?": float,
        "scan_duration_s?": float,
    },
    "totals": {
        "tasks": int,
        "threads": int,
        "orphaned": int,
        "unwakeable": int,
        "growing": int,
        "tasks_created": int,
        "threads_created": int,
    },
    "sites": [_ROW],
}
_KEPT: Final = ("kind", "function", "path", "line", "runs", "live", "unwakeable", "created", "oldest_s")
_OPTIONAL: Final = ("memory", "impact", "destroyed", "unretrieved")


def stats_from_overview(body: bytes) -> dict[str, Any]:
    """Return the facts that an agent would send for ``stats``.

    Event loops, the recorder, dropped reports and rates of leaks are missing, because the page does not have them.

    Args:
        body: The page's data, as JSON.

    Raises:
        ValueError: If it is not the data of this version's page.
    """
    found = json.loads(body)
    version = found.get("overview_version") if isinstance(found, dict) else None
    if version != OVERVIEW_VERSION:
        message = f"expected overview_version {OVERVIEW_VERSION}, got {version!r}"
        raise ValueError(message)
    check(found, _OVERVIEW)
    process, totals = found["process"], found["totals"]
    sites = [_site(row) for row in found["sites"] if not _is_own(row)]
    facts = {
        "pid": process["process_id"],
        "python": process.get("python_version") or "?",
        "service": process.get("service_name"),
        "version": process.get("instrumentation_version") or "?",
        "tasks": totals["tasks"],
        "threads": totals["threads"],
        "orphans": totals["orphaned"] + totals["unwakeable"],
        "unwakeable": totals["unwakeable"],
        "suspects": totals["growing"],
        "verdicts": {f"{kind}s": _verdicts(sites, kind) for kind in ("task", "thread")},
        "uptime_s": process["uptime_s"],
        "sites": sites,
        "executors": found.get("executors"),
        "created": {"tasks": totals["tasks_created"], "threads": totals["threads_created"]},
        "delays": found.get("delays_s"),
        "silent_loops": found.get("silent_loops"),
        "scan_age_s": process.get("scan_age_s"),
        "scan_duration_s": process.get("scan_duration_s"),
    }
    check_facts("stats", facts)
    return facts


def _is_own(row: dict[str, Any]) -> bool:
    """Return whether a row is that of this package's own threads, which an agent omits."""
    prefix = f"{OWN_SITE}."
    return any(name == OWN_SITE or name.startswith(prefix) for name in (row["function"], row["runs"]))


def _site(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _KEPT},
        **{name: row[name] for name in _OPTIONAL if row.get(name) is not None},
        "via": [{"function": function, "path": path, "line": line} for function, path, line in row["via"]],
        "orphans": row["orphaned"] + row["unwakeable"],
        "suspect": row["growing"],
    }


def _verdicts(sites: list[dict[str, Any]], kind: str) -> dict[str, int]:
    """Return the leaks of one kind."""
    chosen = [site for site in sites if site["kind"] == kind]
    return {
        "orphans": sum(site["orphans"] for site in chosen),
        "unwakeable": sum(site["unwakeable"] for site in chosen),
        "suspects": sum(site["suspect"] for site in chosen),
    }
