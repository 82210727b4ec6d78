"""Where renderings go: any stream of text or bytes, in pieces of some size, and a compressed store to hold them back.

A rendering is held back while the census is locked: a slow reader must never keep it.
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
    """Write text to a stream of text or bytes (UTF-8), without holding the whole.

    Args:
        pieces: The text; what UTF-8 or the encoding of the stream can't hold is written as an escape.
        stream: Has ``write()`` for text or for bytes.

    Raises:
        TypeError: If ``stream`` takes neither.
    """
    is_text = takes_text(stream)
    encoding = getattr(stream, "encoding", None) if is_text else None
    for joined in _joined(pieces):
        encoded = joined.encode(encoding or "utf-8", "backslashreplace")
        stream.write(encoded.decode(encoding or "utf-8") if is_text else encoded)


def write_bytes(pieces: Iterable[bytes], stream: Any) -> None:
    """Write bytes to a binary stream, or to the binary stream under one of text, as ``sys.stdout`` has it.

    Raises:
        TypeError: If there is no binary stream.
    """
    if takes_text(stream):
        under = getattr(stream, "buffer", None)
        if under is None:
            message = (
                f"The protobuf form (debug=0) needs a binary stream, got {type(stream).__name__}: "
                "open the file with mode 'wb', or ask for text with debug=1."
            )
            raise TypeError(message)
        stream.flush()
        stream = under
    for piece in pieces:
        stream.write(piece)


def takes_text(stream: Any) -> bool:
    """Tell whether a stream takes text; else it takes bytes.

    Raises:
        TypeError: If it has no ``write()``.
    """
    if not callable(getattr(stream, "write", None)):
        message = f"Expected a stream with write(), as open() and io.BytesIO() give, got {type(stream).__name__}."
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


class HeldBack:
    """Text that is kept compressed, about a tenth of its size, until it is read once."""

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
        """Yield the text in pieces, and let go of it meanwhile."""
        self._compress()
        self._compressed.append(self._compressor.flush())
        self._compressed.reverse()
        decompressor, decoder = zlib.decompressobj(), codecs.getincrementaldecoder("utf-8")()
        while self._compressed:
            yield decoder.decode(decompressor.decompress(self._compressed.pop()))
