"""Converts a function that writes to a stream into an iterator of chunks, without buffering the whole output.

The writer runs in its own thread, at most a few chunks ahead of the reader. When the reader stops, the next write
raises in the writer, which ends it.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..record.own_thread import start_own_thread

CHUNK_BYTES: Final = 64 * 1024
_CHUNKS_AHEAD: Final = 4


class ReaderGoneError(OSError):
    """Raised in the writer after the reader has stopped."""


class ChunkStream(io.RawIOBase):
    """A writable binary stream that passes on chunks of `CHUNK_BYTES`."""

    def __init__(self, hand_on: Callable[[bytes], None]) -> None:
        super().__init__()
        self._hand_on = hand_on
        self._pending = bytearray()

    def writable(self) -> bool:
        """Return True: the stream is writable."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; raises `ReaderGoneError` after the reader has stopped."""
        self._pending += data
        if len(self._pending) >= CHUNK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Pass on the buffered bytes."""
        if self._pending:
            chunk, self._pending = bytes(self._pending), bytearray()
            self._hand_on(chunk)


def chunks_of(write: Callable[[ChunkStream], None]) -> Iterator[bytes]:
    """Yield the output of ``write`` in chunks.

    Raises:
        Exception: The exception that ``write`` raised, after its output.
    """
    chunks: queue.Queue[bytes | BaseException | None] = queue.Queue(_CHUNKS_AHEAD)
    gone = threading.Event()

    def hand_on(chunk: bytes | BaseException | None) -> None:
        while not gone.is_set():
            try:
                chunks.put(chunk, timeout=0.5)
            except queue.Full:
                continue
            return
        raise ReaderGoneError("the reader of this answer has stopped")

    def run() -> None:
        stream = ChunkStream(hand_on)
        try:
            write(stream)
            stream.flush()
            hand_on(None)
        except ReaderGoneError:
            # Raised by the stream to end the writer.
            pass
        except BaseException as error:  # noqa: BLE001 (raised again where the chunks are read)
            if not gone.is_set():
                hand_on(error)

    if start_own_thread(run, "OtelConcurrencyPage") is None:
        raise RuntimeError("no thread could be started for this answer")
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        gone.set()
