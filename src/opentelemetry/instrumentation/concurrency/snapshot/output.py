"""Output of renderings to text or binary streams, and a compressed buffer.

Renderings are buffered while the census is locked, so that a slow reader never holds the lock.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

_PIECE_CHARACTERS: Final = 64 * 1024
_FASTEST: Final = 1


def write_text(pieces: Iterable[str], stream: Any) -> None:
    """Write text to a stream of text or bytes (UTF-8), without building the whole text.

    Args:
        pieces: The text; characters that UTF-8 or the stream's encoding cannot represent are written as escapes.
        stream: An object with ``write()`` for text or bytes.

    Raises:
        TypeError: ``stream`` accepts neither.
    """
    is_text = takes_text(stream)
    encoding = getattr(stream, "encoding", None) if is_text else None
    for joined in _joined(pieces):
        encoded = joined.encode(encoding or "utf-8", "backslashreplace")
        stream.write(encoded.decode(encoding or "utf-8") if is_text else encoded)


def write_bytes(pieces: Iterable[bytes], stream: Any) -> None:
    """Write bytes to a binary stream, or to the binary stream under a text stream such as ``sys.stdout``.

    Raises:
        TypeError: There is no binary stream.
    """
    if takes_text(stream):
        under = getattr(stream, "buffer", None)
        if under is None:
            message = (
                f"The protobuf form (debug=0) needs a binary stream, got {type(stream).__name__}: "
                "open the file with mode 'wb', or request text with debug=1."
            )
            raise TypeError(message)
        stream.flush()
        stream = under
    for piece in pieces:
        stream.write(piece)


def takes_text(stream: Any) -> bool:
    """Return whether a stream accepts text rather than bytes.

    Raises:
        TypeError: The stream has no ``write()``.
    """
    if not callable(getattr(stream, "write", None)):
        message = f"Expected a stream with write(), such as a file or io.BytesIO, got {type(stream).__name__}."
        raise TypeError(message)
    if isinstance(stream, io.TextIOBase):
        return True
    if isinstance(stream, io.IOBase):
        return False
    try:
        stream.write("")
    except TypeError:
        return False
    return True


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    pending: list[str] = []
    size = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size >= _PIECE_CHARACTERS:
            yield "".join(pending)
            pending, size = [], 0
    if pending:
        yield "".join(pending)


class CompressedBuffer:
    """Text stored compressed, at about a tenth of its size, until it is read once."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_FASTEST)
        self._compressed: list[bytes] = []
        self._pending: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Append text."""
        self._pending.append(text)
        self._size += len(text)
        if self._size >= _PIECE_CHARACTERS:
            self._compress()

    def _compress(self) -> None:
        text = "".join(self._pending).encode("utf-8", "backslashreplace")
        self._pending, self._size = [], 0
        self._compressed.append(self._compressor.compress(text))

    def read(self) -> Iterator[str]:
        """Yield the text in pieces, releasing it on the way."""
        self._compress()
        self._compressed.append(self._compressor.flush())
        self._compressed.reverse()
        decompressor, decoder = zlib.decompressobj(), codecs.getincrementaldecoder("utf-8")()
        while self._compressed:
            yield decoder.decode(decompressor.decompress(self._compressed.pop()))
