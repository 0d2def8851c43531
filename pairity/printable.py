"""Text that comes from elsewhere, made safe to print: on a terminal, in a log line, in a message."""

from __future__ import annotations

_UNSEEN = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
)  # fmt: skip
"""Signs that Unicode counts as letters, marks or symbols, and that show nothing: fillers, joiners, selectors."""


def printable(text: str) -> str:
    """Return `text` with everything that is not a printable sign written out; line ends stay.

    What a venue answers, a file holds or a tag says must neither steer the terminal (escape sequences), nor reorder or
    hide what stands beside it (bidirectional marks, signs without width), nor pass for another line of a log.

    >>> printable("\\x1b[2Jgone")
    '\\\\x1b[2Jgone'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if sign == "\n" or _is_seen(sign) else _write_out(sign) for sign in text)


def printable_line(text: str) -> str:
    """Return `text` as one line: like `printable`, with line ends written out too."""
    return printable(text).replace("\n", "\\n")


def _is_seen(sign: str) -> bool:
    return sign.isprintable() and not any(first <= ord(sign) <= last for first, last in _UNSEEN)


def _write_out(sign: str) -> str:
    return ascii(sign)[1:-1]
