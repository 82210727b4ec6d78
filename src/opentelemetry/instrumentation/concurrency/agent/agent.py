"""The agent's two threads: one talks with all clients and never waits for any, one works for them in turn.

The talking thread lives as long as the process; the working one starts with a request and ends when there is none.
Both stop for a fork, because a living thread makes ``os.fork`` warn on Python ≥ 3.12; in the parent they go on where
they were, and the child opens a socket of its own.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .conversation import Conversation
from .own_thread import start_own_thread
from .peer import peer_of
from .places import PlaceError
from .protocol import Reply, RequestError, error_line
from .socket_file import SocketFile

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

MAX_CLIENTS: Final = 16
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of all replies that wait to be fetched."""
_JOIN_TIMEOUT_S: Final = 0.5
_TICK_S: Final = 1.0
_REFUSED_PAUSE_S: Final = 0.1
_IDLE_S: Final = 300.0
_PAUSE_S: Final = 0.0005
_LOOK_AGAIN_S: Final = 60.0

Answer = Callable[[Conversation, Reply, Callable[[], None]], None]


class _Interrupted(BaseException):
    """The work stops: the client is gone, or the process is about to fork or to end."""


class Agent:
    """Listens for the command line.

    Args:
        configured: What ``AGENT_DIR`` says.
        answer: Answers a request in the working thread: takes the conversation, the reply to write to, and a function
            to call between slices of work. Raises `RequestError` to refuse.
        quick_answer: Answers at once, in the talking thread; returns whether it did.
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
        # One a run of the threads: one that has not noticed yet that it ends is not woken up again by the next run.
        self._stop = threading.Event()
        self._has_failed = False
        self._look_again_at = 0.0
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
        """Where the socket is; empty while there is none."""
        return self._file.path if self._file is not None else ""

    def ensure_running(self) -> None:
        """Open the socket and start to listen, unless that is so or was just tried. Never raises, warns once."""
        now = time.monotonic()
        was_tried = self._has_failed or self._talker is not None
        if self._is_closed or (was_tried and now < self._look_again_at):
            return
        self._look_again_at = now + _LOOK_AGAIN_S
        try:
            with self._lock:
                if self._is_closed:
                    return
                if self._talker is None:
                    self._open()
                elif self._file is not None and not self._file.is_there():
                    # Cleaners of /tmp remove what looks old.
                    vanished, self._file = self._file, SocketFile(self._configured)
                    vanished.close()
                    self._wake()
        except Exception as error:
            if not self._has_failed:
                is_known = isinstance(error, PlaceError)
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
        self._talker = start_own_thread(self._talk, "OtelConcurrencyAgent", stop)

    def suspend(self) -> None:
        """Stop both threads before a fork; conversations stay. Waits for half a second each at most."""
        self._stop.set()
        self._wake()
        self._asked.set()
        with self._lock:
            # One that is just being started is one of them, and has an event of its own.
            self._stop.set()
            threads = (self._talker, self._worker)
        for thread in threads:
            if thread is not None and thread is not threading.current_thread():
                thread.join(_JOIN_TIMEOUT_S)
        self._talker = self._worker = None

    def resume(self) -> None:
        """Go on after a fork, in the parent."""
        if self._file is not None:
            self.ensure_running()
            self._ensure_worker()

    def forget(self) -> None:
        """Start empty, in a forked child: socket and clients are the parent's."""
        file, self._file = self._file, None
        kept = (self._wake_in, self._wake_out, *self._conversations, file)
        self._start_empty()
        for each in kept:
            if each is not None:
                each.close()

    def close(self) -> None:
        """Stop for good and remove the socket."""
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
            # Full: it will wake anyway.
            pass

    # The talking thread.

    def _talk(self, stop: threading.Event) -> None:
        # eventlet takes poll() away.
        with getattr(selectors, "PollSelector", selectors.DefaultSelector)() as selector:
            while not stop.is_set():
                try:
                    self._talk_once(selector)
                except Exception:
                    if not stop.is_set():
                        _logger.exception("The agent for the command line failed and has been taken out.")
                    self._has_failed = True
                    return

    def _talk_once(self, selector: selectors.BaseSelector) -> None:
        file, wake_out = self._file, self._wake_out
        if file is None or wake_out is None:
            return
        self._register(selector, file.listener, wake_out)
        for key, _events in selector.select(_TICK_S if self._conversations else None):
            if key.fileobj is file.listener:
                self._accept(file.listener)
            elif key.fileobj is wake_out:
                _drain(wake_out)
            else:
                self._attend(key.data)
        now = time.monotonic()
        while self._done:
            conversation, pieces = self._done.popleft()
            conversation.reply(pieces, now)
        for conversation in self._conversations:
            conversation.expire(now)
        self._conversations = [one for one in self._conversations if one.state != "closed"]

    def _register(self, selector: selectors.BaseSelector, *always: socket.socket) -> None:
        """Poll anew each time: with so few it costs nothing, and nothing can be forgotten."""
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
        except OSError:
            # The client may have gone. Where the process has no file descriptors left, the client goes on waiting and
            # the poll returns at once: without the pause this thread would spin.
            self._stop.wait(_REFUSED_PAUSE_S)
            return
        try:
            peer = peer_of(connection)
        except OSError:
            peer = None
        # The directory is closed to others; this holds where it is mounted or handed on.
        if peer is None or peer.uid not in (0, os.geteuid()):
            connection.close()
            return
        conversation = Conversation(connection, peer, time.monotonic())
        if len(self._conversations) >= MAX_CLIENTS:
            message = f"The process answers {MAX_CLIENTS} clients already; try again in a moment."
            conversation.reply([error_line(RequestError("busy", message))], time.monotonic())
            conversation.write(time.monotonic())
            conversation.close()
            return
        self._conversations.append(conversation)

    def _attend(self, conversation: Conversation) -> None:
        now = time.monotonic()
        if conversation.state == "writing":
            conversation.write(now)
            return
        was_reading = conversation.state == "reading"
        try:
            conversation.read(now)
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

    # The working thread.

    def _ensure_worker(self) -> None:
        with self._lock:
            if self._queue and not self._stop.is_set() and self._worker is None:
                self._worker = start_own_thread(self._work, "OtelConcurrencyAgentWorker", self._stop)

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
                # A fork: it is asked again in the parent.
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
                # Whoever asks from here on finds no worker and starts another.
                self._worker = None
            return True

    def _worked(self, conversation: Conversation, stop: threading.Event) -> list[bytes] | None:
        """Return a reply, or None where nobody wants it any more."""

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
        except Exception as error:
            _logger.exception("A request of the command line failed.")
            message = f"The process failed to answer ({type(error).__name__}); its log has the traceback."
            return [error_line(RequestError("failed", message))]

    def _reply_to(self, conversation: Conversation) -> Reply:
        def count(size: int) -> None:
            conversation.size += size
            if sum(each.size for each in list(self._conversations)) > MAX_KEPT_BYTES:
                conversation.size = 0
                message = "The process keeps large replies that other clients have not fetched yet; try again later."
                raise RequestError("busy", message)

        return Reply(count)


def _drain(wake_out: socket.socket) -> None:
    try:
        while wake_out.recv(4096):
            pass
    except OSError:
        # Empty now, which is all that was wanted.
        pass
