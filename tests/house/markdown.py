"""Markdown as GitHub reads it, as far as the tests of documents need it: fences, tables, paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_FENCE = re.compile(r"^ *(```|~~~)")
_DELIMITER = re.compile(r"^:?-+:?$")
_ITEM = re.compile(r"^ *(?:[-*+]|\d+[.)]) ")
_BLOCK = re.compile(r"^(?: {4}|\s*$|#{1,6} |>|<|\||---)")


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, its text, and whether it is inside a fence or is one."""

    number: int
    text: str
    fenced: bool

    @property
    def is_row(self) -> bool:
        return not self.fenced and self.text.lstrip().startswith("|")

    @property
    def is_item(self) -> bool:
        return not self.fenced and bool(_ITEM.match(self.text))

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()

    @property
    def is_prose(self) -> bool:
        """Whether it is a line of a paragraph or list item, not a heading, quote, row, indented or blank line."""
        return not self.fenced and not _BLOCK.match(self.text)


def read_lines(text: str) -> list[Line]:
    """Return the lines of a document; a fence's own lines count as fenced."""
    lines, open_fence = [], ""
    for number, raw in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(raw)
        lines.append(Line(number, raw, bool(open_fence or fence)))
        if fence and not open_fence:
            open_fence = fence[1]
        elif fence and fence[1] == open_fence:
            open_fence = ""
    return lines


def cells(row: str) -> list[str]:
    """Return the cells of a table's row: a bar divides also inside code, unless a backslash stands before it."""
    inner = row.strip().removeprefix("|")
    parts = re.split(r"(?<!\\)\|", inner)
    return [part.strip() for part in parts[:-1]] if inner.endswith("|") else [part.strip() for part in parts]


def is_delimiter(row: str) -> bool:
    """Whether a row is the line of dashes below a table's heading."""
    return all(_DELIMITER.match(cell) for cell in cells(row))


def blocks(lines: list[Line], wanted: str) -> Iterator[list[Line]]:
    """Yield runs of neighbouring lines for which the named property holds."""
    run: list[Line] = []
    for line in lines:
        if getattr(line, wanted):
            run.append(line)
        elif run:
            yield run
            run = []
    if run:
        yield run


def table_faults(text: str) -> list[str]:
    """Return what keeps a table from rendering: cells, the row of dashes, what stands directly around it."""
    faults = []
    lines = read_lines(text)
    for table in blocks(lines, "is_row"):
        first, last = table[0].number, table[-1].number
        width = len(cells(table[0].text))
        if len(table) < 2 or not is_delimiter(table[1].text):
            faults.append(f"line {first}: no row of dashes below the heading")
        faults += [
            f"line {row.number}: {len(cells(row.text))} cells, the heading has {width}"
            for row in table
            if len(cells(row.text)) != width or not row.text.rstrip().endswith("|")
        ]
        around = [lines[at - 1] for at in (first - 1, last + 1) if 0 < at <= len(lines)]
        faults += [f"line {line.number}: no blank line between table and text" for line in around if not line.is_blank]
    return faults


def wrap_faults(text: str) -> list[str]:
    """Return where wrapping changed the meaning: text that became a list or a heading, code that does not end."""
    faults = []
    lines = read_lines(text)
    for before, line in pairwise(lines):
        starts = line.is_item or (not line.fenced and line.text.startswith("#"))
        if starts and before.is_prose and not before.is_item and not before.text.startswith(" "):
            faults.append(f"line {line.number}: text goes on with {line.text.split()[0]!r}, which begins something new")
    for paragraph in blocks(lines, "is_prose"):
        ticks = re.findall(r"`+", "\n".join(line.text for line in paragraph))
        if len(ticks) % 2:
            faults.append(f"line {paragraph[0].number}: code that begins and does not end")
    if lines and sum(line.fenced and bool(_FENCE.match(line.text)) for line in lines) % 2:
        faults.append("a fence is not closed")
    return faults
