"""Turns a function that writes into a stream into an iterator of chunks, without holding the whole.

The writer runs in a thread of its own, at most a few chunks ahead of the reader. When the reader stops, the next write
raises in the writer, which ends it.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..record.threads import OWN_THREAD, start_unseen

CHUNK_BYTES: Final = 64 * 1024
_CHUNKS_AHEAD: Final = 4


class ReaderGoneError(OSError):
    """Raised in the writer when nobody reads any more."""


class ChunkStream(io.RawIOBase):
    """A writable binary stream that hands chunks of `CHUNK_BYTES` on."""

    def __init__(self, hand_on: Callable[[bytes], None]) -> None:
        super().__init__()
        self._hand_on = hand_on
        self._pending = bytearray()

    def writable(self) -> bool:
        """Tell that it takes bytes."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; raises `ReaderGoneError` when nobody reads any more."""
        self._pending += data
        if len(self._pending) >= CHUNK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand on what is there."""
        if self._pending:
            chunk, self._pending = bytes(self._pending), bytearray()
            self._hand_on(chunk)


def chunks_of(write: Callable[[ChunkStream], None]) -> Iterator[bytes]:
    """Yield what ``write`` writes into the stream it is given, in order.

    Raises:
        Exception: What ``write`` raised, after what it had written.
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
        raise ReaderGoneError("nobody reads this answer any more")

    def run() -> None:
        stream = ChunkStream(hand_on)
        try:
            write(stream)
            stream.flush()
            hand_on(None)
        except ReaderGoneError:
            # Raised by us to end the writing.
            pass
        except BaseException as error:  # noqa: BLE001 (raised again where the chunks are read)
            if not gone.is_set():
                hand_on(error)

    thread = threading.Thread(target=run, name="OtelConcurrencyPage", daemon=True)
    setattr(thread, OWN_THREAD, True)
    start_unseen(thread)
    try:
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        gone.set()
