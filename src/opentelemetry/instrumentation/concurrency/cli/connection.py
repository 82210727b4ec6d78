"""Requests to the agent of a process.

Nothing is sent before the kernel has confirmed that the expected process and user listen.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, Final

from ..agent.answer_shapes import check_facts
from ..agent.peer import peer_of
from ..agent.protocol import MAX_LINE_BYTES, PROTOCOL_VERSION, request_line
from ..agent.socket_file import remove_stale
from ..agent.socket_paths import (
    SocketPathError,
    directories,
    open_directory,
    parse_socket_name,
    socket_address,
    socket_name,
)
from ..sanitize import sanitize
from ..version import __version__
from .failures import CommandError, NotInstrumentedError
from .processes import PROC, Process, allows_inspection, environment_of, has_proc, still_runs

DIRECTORY_VARIABLE: Final = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"
RUNTIME_VARIABLE: Final = "XDG_RUNTIME_DIR"
_CHUNK: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 64_000_000
"""Default of ``--max-answer``, uncompressed: a snapshot of 600,000 tasks."""
_MESSAGE_LIMIT: Final = 2000
_HEAD_LIMIT: Final = 64 * MAX_LINE_BYTES
_TICK_S: Final = 0.5
_FULL_PAUSE_S: Final = 0.02
_cleared: Final[set[str]] = set()
"""Directories from which this command has removed the sockets of processes that no longer run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an agent.

    Attributes:
        facts: The head of the answer.
        body: The body of the answer.
    """

    facts: dict[str, Any]
    body: bytes


def ask(
    process: Process,
    request: str,
    options: dict[str, Any] | None = None,
    *,
    timeout_s: float = 10.0,
    max_bytes: int = MAX_ANSWER_BYTES,
    on_wait: Callable[[float, int], None] = lambda _waited, _bytes: None,
) -> Answer:
    """Send a request to the agent of a process and return its answer.

    Args:
        process: The process.
        request: Name of the request.
        options: Options of the request.
        timeout_s: Limit for the whole answer, in seconds.
        max_bytes: Maximum size of the answer, uncompressed.
        on_wait: Called about twice per second with the seconds waited and the bytes received.

    Raises:
        NotInstrumentedError: If the process has no agent.
        CommandError: If the agent can't be reached, refuses, does not answer in time, or sends an invalid answer.
    """
    deadline = time.monotonic() + timeout_s
    with contextlib.closing(_connect(process, timeout_s)) as connection:
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # An agent with too many clients refuses before it reads: the reason can still be received.
                connection.sendall(request_line(request, options or {}))
            connection.settimeout(_TICK_S)
            answer = _received(connection, deadline, max_bytes, on_wait)
            check_facts(request, answer.facts)
            return answer
        except TimeoutError:
            raise CommandError(_silent(process, timeout_s)) from None
        except ValueError as error:
            message = (
                f"Process {process.process_id} sent an answer that this command can't read: {error}. It may have "
                f"another version of the package; this is {__version__}."
            )
            raise CommandError(message) from None
        except (OSError, zlib.error) as error:
            message = f"The answer of process {process.process_id} is incomplete or invalid ({error})."
            raise CommandError(message) from None


def has_agent(process: Process) -> bool:
    """Return whether the process has a trusted socket, without sending a request."""
    with contextlib.suppress(CommandError):
        for _address in _addresses(process):
            return True
    return False


def _connect(process: Process, timeout_s: float) -> socket.socket:
    problems: list[str] = []
    deadline = time.monotonic() + timeout_s
    for address in _addresses(process, problems):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            _connect_once_accepting(connection, address, deadline)
            _check_peer(connection, process)
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            continue
        except TimeoutError:
            connection.close()
            raise CommandError(_silent(process, timeout_s)) from None
        except OSError as error:
            connection.close()
            problems.append(f"its socket can't be opened ({error.strerror})")
            continue
        except BaseException:  # raised again after the cleanup
            connection.close()
            raise
        return connection
    raise _no_agent(process, problems)


def _connect_once_accepting(connection: socket.socket, address: str, deadline: float) -> None:
    """Connect, again and again while more clients wait than the system keeps for the process."""
    while True:
        try:
            connection.connect(address)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError from None
            sleep(_FULL_PAUSE_S)


def _check_peer(connection: socket.socket, process: Process) -> None:
    peer = peer_of(connection)
    if peer is not None and (peer.process_id, peer.uid) != (process.process_id, process.uid):
        message = (
            f"The socket of process {process.process_id} belongs to process {peer.process_id} of user {peer.uid}; "
            "nothing was sent. Remove the file if the process in its name no longer runs."
        )
        raise CommandError(message)


def _addresses(process: Process, problems: list[str] | None = None) -> Iterator[str]:
    """Yield the addresses of sockets named after the process number and start time, in directories of its user."""
    inner_id = process.inner_id or process.process_id
    for path in _directories(process):
        try:
            directory = _open(path, process.uid)
        except SocketPathError as error:
            if problems is not None and os.path.lexists(path):
                problems.append(str(error))
            continue
        try:
            if path not in _cleared and process.uid == os.geteuid():
                _cleared.add(path)
                remove_stale(directory, path)
            for name in _names(directory, inner_id, process.start):
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISSOCK(status.st_mode) and status.st_uid == process.uid:
                    yield socket_address(directory, path, name)
        except (OSError, SocketPathError):
            continue
        finally:
            os.close(directory)


def _names(directory: int, inner_id: int, start: int) -> list[str]:
    if start:
        return [socket_name(inner_id, start)]
    named = ((name, parse_socket_name(name)) for name in os.listdir(directory))
    return [name for name, parsed in named if parsed is not None and parsed[0] == inner_id]


def _directories(process: Process) -> Iterator[str]:
    """Yield the directories that may hold the agent's socket, as paths in this mount namespace."""
    theirs, inner_uid = environment_of(process.process_id), _inner_uid(process)
    # Their owner is checked when they are opened. The last one is for processes without their user's environment.
    runtime = [each.get(RUNTIME_VARIABLE, "") for each in (theirs, os.environ)]
    runtime.append(f"/run/user/{inner_uid}")
    configured = [each.get(DIRECTORY_VARIABLE, "") for each in (theirs, os.environ)]
    paths = dict.fromkeys(path for each in configured for path in directories(inner_uid, each, *runtime))
    root = _root_of(process)
    for path in paths:
        if path.startswith("/"):
            yield f"{root}{path}" if root else path


def _root_of(process: Process) -> str:
    """Return the path to the root directory of a process; empty if it is the same as here."""
    directory = PROC / str(process.process_id)
    try:
        same_mounts = (directory / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
        same_root = os.readlink(directory / "root") == "/"  # noqa: PTH115 (a text)
    except OSError:
        # The namespaces of the process are not readable: assume the same root.
        return ""
    return "" if same_mounts and same_root else f"{directory}/root"


def _inner_uid(process: Process) -> int:
    """Return the user of a process as seen in its own user namespace."""
    try:
        lines = (PROC / str(process.process_id) / "uid_map").read_text().splitlines()
        for inside, outside, count in (map(int, line.split()) for line in lines):
            if outside <= process.uid < outside + count:
                return inside + process.uid - outside
    except (OSError, ValueError):
        # The map is not readable: assume that there is no user namespace.
        pass
    return process.uid


def _open(path: str, uid: int) -> int:
    """Open a directory; in another root no link in the path is followed, because it would lead into this root."""
    prefix = path.partition("/root/")[0] + "/root" if path.startswith("/proc/") and "/root/" in path else ""
    at = prefix or "/"
    for part in Path(path.removeprefix(prefix)).parts[1:-1] if prefix else ():
        at = f"{at}/{part}"
        if os.path.islink(at):  # noqa: PTH114 (a text)
            message = f"{at} is a link, which is not followed into another root."
            raise SocketPathError(message)
    return open_directory(path, uid, create=False)


def _received(
    connection: socket.socket, deadline: float, max_bytes: int, on_wait: Callable[[float, int], None]
) -> Answer:
    began = time.monotonic()
    head, received = b"", 0
    chunks = _chunks(connection, deadline, lambda: on_wait(time.monotonic() - began, received))
    for chunk in chunks:
        head += chunk
        received += len(chunk)
        if b"\n" in head or len(head) > _HEAD_LIMIT:
            break
    line, newline, rest = head.partition(b"\n")
    if not newline:
        raise OSError("no complete line received")
    facts = _facts(line)
    body = _Body(max_bytes)
    body.add(rest)
    while not body.is_whole and (more := next(chunks, None)) is not None:
        received += len(more)
        body.add(more)
    if not body.is_whole:
        raise OSError("the body ends early")
    return Answer(facts, body.text())


class _Body:
    """The body of an answer while it is received; its uncompressed size never exceeds the limit.

    Args:
        max_bytes: The limit.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._decompressor = zlib.decompressobj()
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def is_whole(self) -> bool:
        """Whether the compressed stream has ended; bytes after it are ignored."""
        return self._decompressor.eof

    def add(self, compressed: bytes) -> None:
        """Add received bytes.

        Raises:
            CommandError: If the body exceeds the limit.
        """
        while True:
            # One byte above the limit shows that the limit is exceeded.
            room = min(_CHUNK, self._max_bytes - self._size + 1)
            piece = self._decompressor.decompress(compressed, room)
            self._size += len(piece)
            if self._size > self._max_bytes:
                raise CommandError(too_large("The answer", self._max_bytes))
            if piece:
                self._pieces.append(piece)
            compressed = self._decompressor.unconsumed_tail
            if not compressed and len(piece) < room:
                return

    def text(self) -> bytes:
        """Return the body."""
        return b"".join(self._pieces)


def too_large(what: str, max_bytes: int) -> str:
    """Return the message for an answer that exceeds the limit.

    Args:
        what: The answer, as the subject of the sentence.
        max_bytes: The limit.
    """
    return (
        f"{what} is larger than {max_bytes / 1e6:.0f} MB and was not read. For a process with very many tasks raise "
        "the limit with --max-answer 1GB, or use stack, stats or profile --format text, whose answers are smaller."
    )


def _chunks(connection: socket.socket, deadline: float, on_wait: Callable[[], None]) -> Iterator[bytes]:
    while True:
        try:
            chunk = connection.recv(_CHUNK)
        except TimeoutError:
            chunk = None
        if chunk == b"":
            return
        if chunk:
            yield chunk
        else:
            on_wait()
        if time.monotonic() > deadline:
            raise TimeoutError


def _facts(line: bytes) -> dict[str, Any]:
    """Return the facts of a reply's head.

    Raises:
        CommandError: If the agent refused.
    """
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise OSError("the head is not that of an agent")
    if head.get("ok") is not True:
        raise CommandError(sanitize(head.get("message", "The process refused without a reason."), _MESSAGE_LIMIT))
    if head.get("protocol") != PROTOCOL_VERSION:
        raise CommandError(
            f"The process uses protocol version {sanitize(head.get('protocol'), 20)}, this command version "
            f"{PROTOCOL_VERSION}: use the otel-concurrency that is installed with the package of the process."
        )
    facts = head.get("facts")
    return facts if isinstance(facts, dict) else {}


def _silent(process: Process, timeout_s: float) -> str:
    if has_proc() and not still_runs(process):
        return f"Process {process.process_id} ended before it answered."
    why = {
        "T": "It is stopped (SIGSTOP or a debugger): kill -CONT continues it.",
        "D": "It waits for a disk or network file system that does not answer.",
    }.get(process.state, "A call may be holding the interpreter: try a longer --timeout.")
    return f"Process {process.process_id} did not answer within {timeout_s:g} s. {why}"


def _no_agent(process: Process, problems: list[str]) -> NotInstrumentedError:
    if has_proc() and not still_runs(process):
        return NotInstrumentedError(f"Process {process.process_id} has ended.")
    if process.uid not in (os.geteuid(), -1) and os.geteuid() != 0:
        return NotInstrumentedError(
            f"Process {process.process_id} belongs to user {process.uid}, you are user {os.geteuid()}: run the command "
            "as that user or as root (sudo)."
        )
    found = f" Found instead: {'; '.join(problems)}." if problems else ""
    attach = f" To turn it on without a restart: otel-concurrency attach {process.process_id}."
    return NotInstrumentedError(
        f"Process {process.process_id} has no agent.{found}{attach if allows_inspection(process) else ''} "
        "The process must run with the instrumentation "
        "(opentelemetry-instrument python ...), without OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED=true, and must have "
        "created its first task or thread. If the directory of its agent was set in code, set it here too: "
        f"{DIRECTORY_VARIABLE}=/path otel-concurrency ...",
        f"otel-concurrency doctor {process.process_id}",
    )
