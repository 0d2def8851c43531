"""The body of an HTTP answer, expanded piece by piece: whoever sends more than allowed is left at the limit.

A few hundred kilobytes of gzip expand to gigabytes. Here nothing is expanded beyond the limit, not even for a moment.
"""

from __future__ import annotations

import zlib

from pairity.bounded_numbers import OutOfBoundsError, show

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_DEFLATED = 8
ACCEPTED_ENCODINGS = "gzip, deflate"
"""What a request may accept for this reader."""


class BoundedBody:
    """Collects a body of at most `limit` bytes, before and after it is expanded; OutOfBoundsError beyond.

    `encoding` is the header Content-Encoding: gzip, deflate, or none.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise OutOfBoundsError(f"is encoded as {show(encoding)}, and only {ACCEPTED_ENCODINGS} were accepted")
        self._limit = limit
        self._came = 0
        self._pieces: list[bytes] = []
        self._expanded = 0
        self._expander: zlib._Decompress | None = None

    def add(self, piece: bytes) -> None:
        """Take the next piece as it came."""
        self._came += len(piece)
        if self._came > self._limit:
            raise OutOfBoundsError(f"has more bytes than the limit of {self._limit}")
        own = piece if self._encoding in ("", "identity") or not piece else self._expand(piece)
        self._expanded += len(own)
        self._pieces.append(own)

    def finish(self) -> bytes:
        """Return the whole body; OutOfBoundsError where it is cut."""
        if self._expander is not None and not self._expander.eof:
            raise OutOfBoundsError(f"is cut: its {self._encoding} has no end")
        return b"".join(self._pieces)

    def _expand(self, piece: bytes) -> bytes:
        if self._expander is None:
            self._expander = zlib.decompressobj(self._window(piece))
        try:
            # One byte more than fits tells what is too long from what is just long enough.
            own = self._expander.decompress(piece, self._limit - self._expanded + 1)
        except zlib.error:
            raise OutOfBoundsError(f"is no {self._encoding}, as its header says") from None
        if self._expanded + len(own) > self._limit:
            raise OutOfBoundsError(f"expands to more bytes than the limit of {self._limit}")
        if self._expander.unused_data:
            raise OutOfBoundsError(f"goes on after the end of its {self._encoding}")
        return own

    def _window(self, first: bytes) -> int:
        if self._encoding != "deflate":
            return _GZIP
        # Two things are called deflate: the second has no header.
        return _ZLIB if first[0] & 0x0F == _DEFLATED else _RAW
