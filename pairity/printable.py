"""Text that comes from elsewhere, made safe to print: on a terminal, in a log line, in a message."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with everything that is not a printable sign written out; line ends stay.

    What a venue answers, a file holds or a tag says must neither steer the terminal (escape sequences), nor reorder or
    hide what stands beside it (bidirectional marks, signs without width), nor pass for another line of a log.

    >>> printable("\\x1b[2Jgone")
    '\\\\x1b[2Jgone'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign == "\n" or sign.isprintable() else _write_out(sign) for sign in text)


def printable_line(text: str) -> str:
    """Return `text` as one line: like `printable`, with line ends written out too."""
    return printable(text).replace("\n", "\\n")


def _write_out(sign: str) -> str:
    return repr(sign)[1:-1]
