"""The agent's two threads: an I/O thread that serves all clients without blocking, and a worker for their requests.

The I/O thread lives as long as the process; the worker starts with a request and ends when idle. Both stop for a fork,
because a live thread makes ``os.fork`` warn on Python 3.12 and newer. In the parent they resume, and the child opens
its own socket.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..own_log import own_logger
from ..record.own_thread import enduring, join_before_fork, start_own_thread
from ..record.repeated_failure import RepeatedFailure
from .conversation import READ_LIMIT_S, Conversation
from .peer import peer_of
from .protocol import Reply, RequestError, error_line
from .socket_file import SocketFile
from .socket_paths import SocketPathError

_logger = own_logger()

MAX_CLIENTS: Final = 16
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Limit for all replies that have not been fetched yet."""
_JOIN_TIMEOUT_S: Final = 0.5
_TICK_S: Final = 1.0
_REFUSED_PAUSE_S: Final = 0.1
_IDLE_S: Final = 300.0
_PAUSE_S: Final = 0.0005
_SCAN_AGAIN_S: Final = 60.0

_BUSY: Final = error_line(
    RequestError("busy", f"The process already serves {MAX_CLIENTS} clients; try again in a moment.")
)
_LATE: Final = error_line(
    RequestError("protocol", f"The process received no complete request within {READ_LIMIT_S:g} s of the connection.")
)

Answer = Callable[[Conversation, Reply, Callable[[], None]], None]


class _Interrupted(BaseException):
    """Stops the work on a request: the client has disconnected, or the process is about to fork or end."""


class Agent:
    """The server for the command line.

    Args:
        configured: Value of ``OTEL_PYTHON_CONCURRENCY_AGENT_DIR``.
        answer: Answers a request in the worker thread. Its arguments are the conversation, the reply to write to, and a
            function to call between slices of work. Raises `RequestError` to refuse.
        quick_answer: Answers a request in the I/O thread; returns whether it did.
    """

    def __init__(self, configured: str, answer: Answer, quick_answer: Callable[[Conversation, Reply], bool]) -> None:
        self._configured = configured
        self._answer = answer
        self._quick_answer = quick_answer
        self._is_closed = False
        self._file: SocketFile | None = None
        self._start_empty()

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        # One event per run of the threads: a thread of an earlier run must not resume with the next run.
        self._stop = threading.Event()
        self._has_failed = False
        self._failure = RepeatedFailure("The agent for the command line failed; it continues.")
        self._refused = RepeatedFailure("The agent for the command line could not accept a connection; it continues.")
        self._scan_again_at = 0.0
        self._talker: threading.Thread | None = None
        self._worker: threading.Thread | None = None
        self._conversations: list[Conversation] = []
        self._queue: deque[Conversation] = deque()
        self._done: deque[tuple[Conversation, list[bytes]]] = deque()
        self._asked = threading.Event()
        self._wake_in: socket.socket | None = None
        self._wake_out: socket.socket | None = None

    @property
    def path(self) -> str:
        """Path of the socket; empty if there is none."""
        return self._file.path if self._file is not None else ""

    def ensure_running(self) -> None:
        """Open the socket and listen, unless this is done or was just tried. Never raises; warns once."""
        now = time.monotonic()
        was_tried = self._has_failed or self._talker is not None
        if self._is_closed or (was_tried and now < self._scan_again_at):
            return
        self._scan_again_at = now + _SCAN_AGAIN_S
        try:
            with self._lock:
                if self._is_closed:
                    return
                if self._talker is None:
                    self._open()
                    self._start_worker()
                elif self._file is not None and not self._file.is_there():
                    # Cleaners of /tmp remove old files.
                    vanished, self._file = self._file, SocketFile(self._configured)
                    vanished.close()
                    self._wake()
        except Exception as error:  # logged once; the thread tries again
            if not self._has_failed:
                is_known = isinstance(error, SocketPathError)
                _logger.warning(
                    "The command line otel-concurrency cannot reach this process%s",
                    f": {error}" if is_known else ".",
                    exc_info=None if is_known else error,
                )
            self._has_failed = True

    def _open(self) -> None:
        if self._file is None:
            self._file = SocketFile(self._configured)
        if self._wake_in is None:
            self._wake_out, self._wake_in = socket.socketpair()
            self._wake_out.setblocking(False)
            self._wake_in.setblocking(False)
        stop = self._stop = threading.Event()
        self._talker = start_own_thread(enduring(self._talk), "OtelConcurrencyAgent", stop)

    def suspend(self) -> None:
        """Stop both threads before a fork, waiting at most half a second for each; conversations stay open."""
        self._stop.set()
        self._wake()
        self._asked.set()
        with self._lock:
            # A thread that is being started is one of them and has its own event.
            self._stop.set()
            self._wake()
            threads = (self._talker, self._worker)
        for thread in threads:
            join_before_fork(thread, _JOIN_TIMEOUT_S)
        self._talker = self._worker = None

    def resume(self) -> None:
        """Resume after a fork, in the parent."""
        if self._file is not None:
            self.ensure_running()

    def forget(self) -> None:
        """Reset the state in a forked child: socket and clients belong to the parent."""
        file, self._file = self._file, None
        kept = (self._wake_in, self._wake_out, *self._conversations, file)
        self._start_empty()
        for each in kept:
            if each is not None:
                each.close()

    def close(self) -> None:
        """Stop permanently and remove the socket."""
        self._is_closed = True
        self.suspend()
        with self._lock:
            for conversation in self._conversations:
                conversation.close()
            if self._file is not None:
                self._file.close()
                self._file = None
            for end in (self._wake_in, self._wake_out):
                if end is not None:
                    end.close()
            self._wake_in = self._wake_out = None

    def _wake(self) -> None:
        try:
            if self._wake_in is not None:
                self._wake_in.send(b".")
        except OSError:
            # The pipe is full: the thread will wake anyway.
            pass

    # The I/O thread.

    def _talk(self, stop: threading.Event) -> None:
        # eventlet removes poll().
        with getattr(selectors, "PollSelector", selectors.DefaultSelector)() as selector:
            while not stop.is_set():
                try:
                    self._talk_once(selector)
                except Exception as error:  # noqa: BLE001 (logged; the cause may pass)
                    if not stop.is_set():
                        self._failure.note(error)
                        stop.wait(_REFUSED_PAUSE_S)

    def _talk_once(self, selector: selectors.BaseSelector) -> None:
        file, wake_out = self._file, self._wake_out
        if file is None or wake_out is None:
            return
        self._register(selector, file.listener, wake_out)
        has_caller = False
        for key, _events in selector.select(_TICK_S if self._conversations else None):
            if key.fileobj is file.listener:
                has_caller = True
            elif key.fileobj is wake_out:
                _drain(wake_out)
            else:
                self._attend(key.data)
        if has_caller:
            # Last: a client whose request has arrived is read before it can be dropped.
            self._accept(file.listener)
        now = time.monotonic()
        while self._done:
            conversation, pieces = self._done.popleft()
            conversation.reply(pieces, now)
        for conversation in self._conversations:
            self._end_overdue(conversation, now)
        self._conversations = [one for one in self._conversations if one.state != "closed"]

    def _register(self, selector: selectors.BaseSelector, *always: socket.socket) -> None:
        """Register all sockets anew: they are few, and no stale registration can remain."""
        for key in list(selector.get_map().values()):
            selector.unregister(key.fileobj)
        for each in always:
            selector.register(each, selectors.EVENT_READ)
        for conversation in self._conversations:
            event = selectors.EVENT_WRITE if conversation.state == "writing" else selectors.EVENT_READ
            selector.register(conversation.fileno(), event, conversation)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _address = listener.accept()
        except BlockingIOError:
            # The client has disconnected.
            return
        except OSError as error:
            # If no file descriptors are left, the client keeps waiting and the poll returns immediately: without the
            # pause this thread would spin.
            self._refused.note(error, with_traceback=False)
            self._stop.wait(_REFUSED_PAUSE_S)
            return
        try:
            peer = peer_of(connection)
        except OSError:
            peer = None
        # The directory is closed to other users, but it may be mounted elsewhere or its descriptor passed on.
        if peer is None or peer.uid not in (0, os.geteuid()):
            connection.close()
            return
        now = time.monotonic()
        conversation = Conversation(connection, peer, now)
        if len(self._conversations) >= MAX_CLIENTS and not self._one_gave_way(now):
            conversation.refuse(_BUSY, now)
            return
        self._conversations.append(conversation)

    def _one_gave_way(self, now: float) -> bool:
        """Drop a client that is slow to send its request, and return whether there was one."""
        for conversation in self._conversations:
            if conversation.gives_way(now):
                # Its request may have arrived since the poll.
                self._attend(conversation)
            if conversation.gives_way(now):
                conversation.refuse(_BUSY, now)
            if conversation.state == "closed":
                self._conversations.remove(conversation)
                return True
        return False

    def _end_overdue(self, conversation: Conversation, now: float) -> None:
        if not conversation.is_overdue(now):
            return
        if conversation.state == "reading":
            conversation.refuse(_LATE, now)
        conversation.close()

    def _attend(self, conversation: Conversation) -> None:
        now = time.monotonic()
        if conversation.state == "writing":
            conversation.write(now)
            return
        was_reading = conversation.state == "reading"
        try:
            conversation.read()
            if was_reading and conversation.state == "working":
                self._begin(conversation)
        except RequestError as error:
            conversation.reply([error_line(error)], now)

    def _begin(self, conversation: Conversation) -> None:
        reply = self._reply_to(conversation)
        if self._quick_answer(conversation, reply):
            conversation.reply(reply.finish(), time.monotonic())
            return
        self._queue.append(conversation)
        self._asked.set()
        self._ensure_worker()

    # The worker thread.

    def _ensure_worker(self) -> None:
        with self._lock:
            self._start_worker()

    def _start_worker(self) -> None:
        if self._queue and not self._stop.is_set() and self._worker is None:
            self._worker = start_own_thread(enduring(self._work), "OtelConcurrencyAgentWorker", self._stop)

    def _work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if not self._queue:
                self._asked.clear()
                if not self._queue and not self._asked.wait(_IDLE_S) and self._may_end(stop):
                    return
                continue
            conversation = self._queue[0]
            pieces = self._worked(conversation, stop)
            if stop.is_set():
                # A fork: the request is processed again in the parent.
                return
            self._queue.popleft()
            if pieces is not None:
                self._done.append((conversation, pieces))
                self._wake()

    def _may_end(self, stop: threading.Event) -> bool:
        with self._lock:
            if self._queue:
                return False
            if not stop.is_set():
                # A later request finds no worker and starts a new one.
                self._worker = None
            return True

    def _worked(self, conversation: Conversation, stop: threading.Event) -> list[bytes] | None:
        """Return a reply, or None if it is no longer needed."""

        def pause() -> None:
            if stop.is_set() or conversation.is_abandoned:
                raise _Interrupted
            time.sleep(_PAUSE_S)

        conversation.size = 0
        reply = self._reply_to(conversation)
        try:
            self._answer(conversation, reply, pause)
            return reply.finish()
        except _Interrupted:
            return None
        except RequestError as error:
            return [error_line(error)]
        except Exception as error:  # answered as an error; one request must not end the agent
            _logger.exception("A request from the command line failed.")
            message = f"The process failed to answer ({type(error).__name__}); its log has the traceback."
            return [error_line(RequestError("failed", message))]

    def _reply_to(self, conversation: Conversation) -> Reply:
        def count(size: int) -> None:
            conversation.size += size
            if sum(each.size for each in list(self._conversations)) > MAX_KEPT_BYTES:
                conversation.size = 0
                message = "The process holds large replies that other clients have not fetched yet; try again later."
                raise RequestError("busy", message)

        return Reply(count)


def _drain(wake_out: socket.socket) -> None:
    try:
        while wake_out.recv(4096):
            pass
    except OSError:
        # The pipe is empty.
        pass
