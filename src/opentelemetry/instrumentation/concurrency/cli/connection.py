"""Finds the agent of a process and asks it. Nothing is sent before the kernel has said that the right one listens."""

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
from typing import Any, Final

from ..agent.peer import peer_of
from ..agent.places import PlaceError, directories, open_directory, parse_socket_name, socket_address, socket_name
from ..agent.protocol import MAX_LINE_BYTES, PROTOCOL_VERSION, request_line
from .failures import CommandError, NotInstrumentedError
from .processes import PROC, Process, environment_of, has_proc, still_runs

DIRECTORY_VARIABLE: Final = "OTEL_PYTHON_CONCURRENCY_AGENT_DIR"
_CHUNK: Final = 256 * 1024
_MAX_BODY_BYTES: Final = 8 << 30
_HEAD_LIMIT: Final = 64 * MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent answered.

    Attributes:
        facts: The head of the reply.
        body: The text of the reply.
    """

    facts: dict[str, Any]
    body: bytes


def ask(
    process: Process,
    request: str,
    options: dict[str, Any] | None = None,
    *,
    timeout_s: float = 10.0,
    on_wait: Callable[[float, int], None] = lambda _waited, _bytes: None,
) -> Answer:
    """Ask the agent of a process.

    Args:
        process: Whose agent.
        request: What.
        options: Of the request.
        timeout_s: Until the whole answer must have come.
        on_wait: Called about twice a second with the seconds waited and the bytes that came.

    Raises:
        NotInstrumentedError: If the process has no agent.
        CommandError: If it can't be reached, refuses or does not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    with contextlib.closing(_connect(process, timeout_s)) as connection:
        try:
            connection.sendall(request_line(request, options or {}))
            connection.settimeout(0.5)
            return _received(connection, deadline, on_wait)
        except TimeoutError:
            raise CommandError(_silent(process, timeout_s)) from None
        except (OSError, zlib.error) as error:
            message = f"Process {process.process_id} broke off its answer ({error}): it may just have ended."
            raise CommandError(message) from None


def has_agent(process: Process) -> bool:
    """Tell whether there is a socket to be believed; nobody is asked."""
    with contextlib.suppress(CommandError):
        for _address in _addresses(process):
            return True
    return False


def _connect(process: Process, timeout_s: float) -> socket.socket:
    problems: list[str] = []
    for address in _addresses(process, problems):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(address)
            _check_peer(connection, process)
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            continue
        except (TimeoutError, BlockingIOError):
            connection.close()
            raise CommandError(_silent(process, timeout_s)) from None
        except OSError as error:
            connection.close()
            problems.append(f"its socket can't be opened ({error.strerror})")
            continue
        except BaseException:
            connection.close()
            raise
        return connection
    raise NotInstrumentedError(_no_agent(process, problems))


def _check_peer(connection: socket.socket, process: Process) -> None:
    peer = peer_of(connection)
    if peer is not None and (peer.process_id, peer.uid) != (process.process_id, process.uid):
        message = (
            f"The socket of process {process.process_id} is held by process {peer.process_id} of user {peer.uid}; "
            "nothing was sent there. Remove the file if no process with the number that it names runs."
        )
        raise CommandError(message)


def _addresses(process: Process, problems: list[str] | None = None) -> Iterator[str]:
    """Yield the addresses of the sockets that carry number and start of the process, in directories of its user."""
    inner_id = process.inner_id or process.process_id
    for path in _directories(process):
        try:
            directory = _open(path, process.uid)
        except PlaceError as error:
            if problems is not None and os.path.lexists(path):
                problems.append(str(error))
            continue
        try:
            for name in _names(directory, inner_id, process.start):
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISSOCK(status.st_mode) and status.st_uid == process.uid:
                    yield socket_address(directory, path, name)
        except (OSError, PlaceError):
            continue
        finally:
            os.close(directory)


def _names(directory: int, inner_id: int, start: int) -> list[str]:
    if start:
        return [socket_name(inner_id, start)]
    named = ((name, parse_socket_name(name)) for name in os.listdir(directory))
    return [name for name, parsed in named if parsed is not None and parsed[0] == inner_id]


def _directories(process: Process) -> Iterator[str]:
    """Yield where the agent of a process may be, as paths of ours."""
    configured = environment_of(process.process_id).get(DIRECTORY_VARIABLE, "")
    ours = os.environ.get(DIRECTORY_VARIABLE, "")
    inner_uid = _inner_uid(process)
    paths = dict.fromkeys([*directories(inner_uid, configured), *directories(inner_uid, ours)])
    root = _root_of(process)
    for path in paths:
        if path.startswith("/"):
            yield f"{root}{path}" if root else path


def _root_of(process: Process) -> str:
    """Return how to reach the root directory of a process; empty if it is ours."""
    directory = PROC / str(process.process_id)
    try:
        same_mounts = (directory / "ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
        same_root = os.readlink(directory / "root") == "/"  # noqa: PTH115 (a text)
    except OSError:
        # What may not be looked at is not another root for all we know.
        return ""
    return "" if same_mounts and same_root else f"{directory}/root"


def _inner_uid(process: Process) -> int:
    """Return the user of a process as it knows itself, in its user namespace."""
    try:
        lines = (PROC / str(process.process_id) / "uid_map").read_text().splitlines()
        for inside, outside, count in (map(int, line.split()) for line in lines):
            if outside <= process.uid < outside + count:
                return inside + process.uid - outside
    except (OSError, ValueError):
        # Not to be read: then it knows itself as we know it, which is so wherever there is no namespace.
        pass
    return process.uid


def _open(path: str, uid: int) -> int:
    """Open a directory; in another root no link on the way is followed, since it would lead into ours."""
    prefix = path.partition("/root/")[0] + "/root" if path.startswith("/proc/") and "/root/" in path else ""
    at = prefix or "/"
    for part in Path(path.removeprefix(prefix)).parts[1:-1] if prefix else ():
        at = f"{at}/{part}"
        if os.path.islink(at):  # noqa: PTH114 (a text)
            message = f"{at} is a link, which is not followed into another root."
            raise PlaceError(message)
    return open_directory(path, uid, create=False)


def _received(connection: socket.socket, deadline: float, on_wait: Callable[[float, int], None]) -> Answer:
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
        raise OSError("no whole line came")
    facts = _facts(line)
    decompressor = zlib.decompressobj()
    body, size = [decompressor.decompress(rest)], 0
    for chunk in chunks:
        received += len(chunk)
        body.append(decompressor.decompress(chunk))
        size += len(body[-1])
        if size > _MAX_BODY_BYTES:
            raise OSError("the answer is larger than 8 GB")
    if not decompressor.eof:
        raise OSError("the answer is not whole")
    return Answer(facts, b"".join(body))


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
        raise OSError("what came is no answer of an agent")
    if head.get("ok") is not True:
        raise CommandError(str(head.get("message", "The process refused without a reason.")))
    if head.get("protocol") != PROTOCOL_VERSION:
        raise CommandError(
            f"The process answers in version {head.get('protocol')} of the protocol, this command speaks "
            f"{PROTOCOL_VERSION}: use the otel-concurrency of the package version that it has installed."
        )
    facts = head.get("facts")
    return facts if isinstance(facts, dict) else {}


def _silent(process: Process, timeout_s: float) -> str:
    if has_proc() and not still_runs(process):
        return f"Process {process.process_id} ended while it was asked."
    why = {
        "T": "It is stopped (SIGSTOP or a debugger): kill -CONT would let it go on.",
        "D": "It waits for a disk or network file system that does not answer.",
    }.get(process.state, "It may be busy with something that holds the interpreter: try a longer --timeout.")
    return f"Process {process.process_id} did not answer within {timeout_s:g} s. {why}"


def _no_agent(process: Process, problems: list[str]) -> str:
    if process.uid not in (os.geteuid(), -1) and os.geteuid() != 0:
        return (
            f"Process {process.process_id} belongs to user {process.uid}, you are user {os.geteuid()}: run the command "
            "as that user or as root (sudo)."
        )
    found = f" What was found: {'; '.join(problems)}." if problems else ""
    return (
        f"Process {process.process_id} has no agent to ask.{found} It must have been started with the instrumentation "
        "(opentelemetry-instrument python ...), not with OTEL_PYTHON_CONCURRENCY_AGENT_DISABLED=true, and have created "
        "its first task or thread. If its agent uses a directory set in code, name it here too: "
        f"{DIRECTORY_VARIABLE}=/path otel-concurrency ... Next: otel-concurrency doctor {process.process_id}"
    )
