"""The debug pages, independent of the server: maps requests to answers.

Paths, headers, status codes and error texts are those of Go's ``net/http/pprof`` if it has them, so that Go's tools
work. All pages are read-only.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Protocol
from urllib.parse import parse_qsl

from ..record.site import Kind
from ..render.profile_names import PROFILES
from .chunks import ChunkStream, chunks_of
from .overview import Selection

MAX_SECONDS: Final = 300
"""Maximum duration of a difference profile, in seconds."""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_JSON: Final = "application/json; charset=utf-8"
_ASSETS: Final[Mapping[str, tuple[str, str]]] = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        f"{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in (
            "page",
            "detail",
            "executors",
            "flame",
            "functions",
            "graph",
            "leaks",
            "sites",
            "sparklines",
            "show",
        )
    },
}


class Source(Protocol):
    """The source of the pages' data."""

    def counts(self) -> Mapping[str, int]:
        """Return the number of entries per profile; -1 if counting would be expensive."""

    def write_profile(self, name: str, stream: ChunkStream, debug: int) -> None:
        """Write a profile, as the public ``write_profile`` does."""

    def write_difference(self, name: str, stream: ChunkStream, seconds: float) -> None:
        """Write the difference of a profile over some seconds, as gzip protobuf."""

    def write_snapshot(self, stream: ChunkStream) -> None:
        """Write the JSON snapshot."""

    def write_overview(self, stream: ChunkStream) -> None:
        """Write the data of the live page as JSON."""

    def write_selection(self, stream: ChunkStream, selection: Selection) -> None:
        """Write the JSON snapshot of the selected tasks or threads."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: The HTTP method, in upper case.
        path: The path below the mount point, with its leading slash.
        query: The query string.
        headers: The headers by lower-case name.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class Answer:
    """One answer. ``body`` is an iterator of chunks that may take long; closing it stops the work."""

    status: int
    headers: list[tuple[str, str]]
    body: Iterator[bytes]


class DebugPages:
    """The pages of one process.

    Args:
        source: The source of their data.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def answer(self, request: Request) -> Answer:
        """Return the answer to an admitted request. Never raises because of the content of the request."""
        if request.method not in ("GET", "HEAD"):
            answer = _plain(405, "This page is read-only: use GET or HEAD.\n")
            answer.headers.append(("Allow", "GET, HEAD"))
            return answer
        answer = self._route(request)
        if request.method == "HEAD":
            close = getattr(answer.body, "close", None)
            if close is not None:
                close()
            answer.body = iter(())
        return answer

    def _route(self, request: Request) -> Answer:
        path = request.path
        if path in ("/debug/pprof", "/debug/concurrency"):
            return _moved(path.rpartition("/")[2] + "/")
        if path == "/debug/pprof/":
            return self._index()
        if path.startswith("/debug/pprof/"):
            return self._profile(path.removeprefix("/debug/pprof/"), request.query)
        if path == "/debug/concurrency/snapshot.json":
            return self._snapshot(request.query)
        if path == "/debug/concurrency/overview.json":
            return _streamed(self._source.write_overview, _JSON)
        if path.startswith("/debug/concurrency/"):
            return _asset(path.removeprefix("/debug/concurrency/"))
        return _plain(404, "404 page not found: try /debug/pprof/ or /debug/concurrency/\n")

    def _snapshot(self, query: str) -> Answer:
        try:
            asked = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return _plain(400, "too many parameters\n")
        if not asked.keys() & {"kind", "function", "around", "deadlocked"}:
            return _streamed(self._source.write_snapshot, _JSON)
        kind: Kind = "thread" if asked.get("kind") == "thread" else "task"
        numbers = {name: _whole_number(asked.get(name, "0")) for name in ("line", "around", "limit")}
        wrong = [name for name, number in numbers.items() if number is None or number < 0]
        if wrong or asked.get("kind", "task") not in ("task", "thread"):
            named = ", ".join(wrong) or "kind"
            return _plain(400, f"wrong value for {named}: expected kind=task or thread, and whole numbers\n")
        selection = Selection(
            kind=kind,
            function=asked.get("function", ""),
            path=asked.get("path", ""),
            line=numbers["line"] or 0,
            runs=asked.get("runs"),
            around=numbers["around"] if "around" in asked else None,
            deadlocked="deadlocked" in asked,
            limit=min(numbers["limit"] or 200, 1000),
        )
        return _streamed(lambda stream: self._source.write_selection(stream, selection), _JSON)

    def _profile(self, name: str, query: str) -> Answer:
        if name not in PROFILES:
            return _refused(404, "Unknown profile")
        try:
            asked = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return _refused(400, "too many parameters")
        debug = _whole_number(asked.get("debug", "0"))
        if debug is None:
            debug = 0
        if "seconds" not in asked:
            return self._whole_profile(name, min(max(debug, 0), 2))
        seconds = _whole_number(asked["seconds"])
        if seconds is None or seconds <= 0:
            return _refused(400, 'invalid value for "seconds" - must be a positive integer')
        if debug:
            return _refused(400, "seconds and debug params are incompatible")
        if name == "taskleak":
            return _refused(400, '"seconds" parameter is not supported for this profile type')
        if seconds > MAX_SECONDS:
            return _refused(400, f"profile duration exceeds the limit of {MAX_SECONDS} seconds")
        answer = _streamed(
            lambda stream: self._source.write_difference(name, stream, seconds), "application/octet-stream"
        )
        answer.headers.append(("Content-Disposition", f'attachment; filename="{name}-delta"'))
        return answer

    def _whole_profile(self, name: str, debug: int) -> Answer:
        content_type = "text/plain; charset=utf-8" if debug else "application/octet-stream"
        answer = _streamed(lambda stream: self._source.write_profile(name, stream, debug), content_type)
        if not debug:
            answer.headers.append(("Content-Disposition", f'attachment; filename="{name}"'))
        return answer

    def _index(self) -> Answer:
        counts = self._source.counts()
        rows = "".join(
            f"<tr><td>{counts[name] if counts.get(name, -1) >= 0 else ''}</td>"
            f'<td><a href="{name}?debug=1">{name}</a></td>'
            f'<td><a href="{name}?debug=2">each one in full</a></td><td>{html.escape(meaning)}</td></tr>'
            for name, meaning in PROFILES.items()
        )
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>/debug/pprof/</title></head><body>'
            "<h1>/debug/pprof/</h1><p>Profiles of this process. Without <code>debug</code> they are for "
            "<code>go tool pprof</code>; <code>seconds=N</code> gives the difference over N seconds. "
            'There is also a <a href="../concurrency/">live page</a>.</p>'
            "<table><thead><tr><th>Count</th><th>Profile</th><th></th><th></th></tr></thead>"
            f"<tbody>{rows}</tbody></table></body></html>"
        )
        return _whole(200, page.encode(), "text/html; charset=utf-8")


def _asset(name: str) -> Answer:
    asset = _ASSETS.get(name)
    if asset is None:
        return _plain(404, "404 page not found\n")
    file, content_type = asset
    return _whole(200, files(f"{__package__}.page").joinpath(file).read_bytes(), content_type)


def _whole_number(text: str) -> int | None:
    # int() would accept underscores, digits of other scripts and numbers of a million digits.
    if not text.isascii() or not text.lstrip("-").isdigit() or len(text) > 9:
        return None
    return int(text)


def _headers(content_type: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", content_type),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", _POLICY),
        ("Referrer-Policy", "no-referrer"),
    ]


def _whole(status: int, body: bytes, content_type: str) -> Answer:
    headers = [*_headers(content_type), ("Content-Length", str(len(body)))]
    return Answer(status, headers, iter((body,)))


def _plain(status: int, text: str) -> Answer:
    return _whole(status, text.encode(), "text/plain; charset=utf-8")


def _refused(status: int, text: str) -> Answer:
    answer = _plain(status, f"{text}\n")
    answer.headers.append(("X-Go-Pprof", "1"))
    return answer


def _moved(where: str) -> Answer:
    answer = _plain(301, f"Moved: {where}\n")
    answer.headers.append(("Location", where))
    return answer


def _streamed(write: Callable[[ChunkStream], None], content_type: str) -> Answer:
    return Answer(200, _headers(content_type), chunks_of(write))
