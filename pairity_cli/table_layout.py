"""Layout of a table in so many columns of a screen: nothing that must be read or copied is ever cut.

What fits stands side by side. Where it does not, headings and prose wrap at blanks, and columns in which nothing is
known are left out. Where that is not enough, a table of numbers is shown in panels, each with the first column; any
other keeps its first columns and names the rest below each row. A word (an id, a path, a number) is never broken: one
that is wider than the screen sticks out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

GAP = 2
_INDENT = 4
_LEAST_PROSE = 24
"""Prose narrower than this is no pleasure: its column goes below the row instead."""


class Look(Enum):
    """How a piece of text is drawn on a terminal that has colours."""

    PLAIN = "plain"
    HEAD = "head"
    RULE = "rule"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a cell: one line, how it looks, whether it stands to the right, and whether it stays in one piece."""

    text: str
    look: Look = Look.PLAIN
    is_right: bool = False
    is_whole: bool = False

    @property
    def width(self) -> int:
        """Columns of the screen that it takes."""
        return measure(self.text)


Piece = tuple[str, Look]
Line = list[Piece]


def lay_out(titles: Sequence[str], rows: Sequence[Sequence[Text]], width: int | None) -> Iterator[Line]:
    """Yield the lines of a table that is `width` wide; None: as wide as it is.

    `rows` have as many cells as there are titles. The first columns are those that stay longest.
    """
    columns = [_Column(title, [row[place] for row in rows]) for place, title in enumerate(titles)]
    if width is None or sum(column.natural + GAP for column in columns) - GAP <= width:
        yield from _draw(columns, width)
        return
    columns = [columns[0], *(column for column in columns[1:] if column.says_something)]
    if _fit(columns, width) is not None:
        yield from _draw(columns, width)
    elif len(columns) == 2:
        yield from _draw_named(columns[0], columns[1], width)
    elif len(columns) > 2 and all(column.is_right for column in columns[1:]):
        for panel in _split_panels(columns, width):
            yield from _draw(panel, width)
    else:
        count = next((n for n in range(len(columns) - 1, 1, -1) if _fit(columns[:n], width) is not None), 1)
        yield from _draw(columns[:count], width, columns[count:])


def measure(text: str) -> int:
    """Return how many columns of a screen a text takes; those of East Asia take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap(text: str, width: int) -> list[str]:
    """Return the lines of a text that is broken at blanks; a word that is longer than `width` has a line of its own.

    >>> wrap("net return above zero", 10)
    ['net return', 'above zero']
    """
    return _fill(text.split(" "), width, " ")


class _Column:
    """A column: its title and cells, and how narrow it may become."""

    def __init__(self, title: str, cells: list[Text]) -> None:
        self.title, self.cells = title, cells
        self.is_right = any(cell.is_right for cell in cells)
        self.is_prose = any(not cell.is_whole and " " in cell.text for cell in cells)
        self.says_something = any(cell.text not in {"", "–"} for cell in cells)
        self.natural = max([measure(title), *(cell.width for cell in cells)])
        head = _longest_word(title)
        if self.is_prose:
            widest = max(cell.width for cell in cells)
            pieces = (cell.width if cell.is_whole else _longest_word(cell.text) for cell in cells)
            body = max(*pieces, min(widest, _LEAST_PROSE))
        else:
            body = max([0, *(cell.width for cell in cells)])
        self.least = max(head, body)


def _fit(columns: Sequence[_Column], width: int | None) -> list[int] | None:
    """Return a width for each column so that all stand side by side, or None where they cannot."""
    widths = [column.natural for column in columns]
    if width is None or sum(widths) + GAP * (len(columns) - 1) <= width:
        return widths
    widths = [column.least for column in columns]
    left = width - sum(widths) - GAP * (len(columns) - 1)
    if left < 0:
        return None
    while left:  # who lacks most is given first
        place = max(range(len(columns)), key=lambda at: columns[at].natural - widths[at])
        if columns[place].natural <= widths[place]:
            break
        widths[place] += 1
        left -= 1
    return widths


def _split_panels(columns: Sequence[_Column], width: int | None) -> Iterator[list[_Column]]:
    first, *others = columns
    panel: list[_Column] = []
    for column in others:
        if panel and _fit([first, *panel, column], width) is None:
            yield [first, *panel]
            panel = []
        panel.append(column)
    yield [first, *panel]


def _draw(columns: Sequence[_Column], width: int | None, below: Sequence[_Column] = ()) -> Iterator[Line]:
    widths = _fit(columns, width) or [column.least for column in columns]
    heads = [wrap(column.title, size) for column, size in zip(columns, widths, strict=True)]
    tall = max(map(len, heads))
    heads = [[""] * (tall - len(lines)) + lines for lines in heads]  # titles stand on the rule
    if any(column.title for column in columns):
        yield from _stack(columns, widths, heads, [Look.HEAD] * len(columns))
    yield [("─" * (sum(widths) + GAP * (len(widths) - 1)), Look.RULE)]
    for row in range(len(columns[0].cells)):
        cells = [column.cells[row] for column in columns]
        lines = [_break(cell, size) for cell, size in zip(cells, widths, strict=True)]
        yield from _stack(columns, widths, lines, [cell.look for cell in cells])
        for line in _name_rest(below, row, width):
            yield [(" " * _INDENT + line, Look.PLAIN)]


def _draw_named(name: _Column, value: _Column, width: int) -> Iterator[Line]:
    """Yield the lines of names and values: a value that is too wide to stand beside its name stands below it."""
    size = name.natural
    for left, right in zip([Text(name.title, Look.HEAD), *name.cells], [Text(value.title), *value.cells], strict=True):
        if size + GAP + right.width <= width:
            yield [(left.text + " " * (size + GAP - left.width), left.look), (right.text, right.look)]
        else:
            yield [(left.text, left.look)]
            yield from ([(" " * _INDENT + line, right.look)] for line in _break(right, width - _INDENT))
        if left.look is Look.HEAD:
            yield [("─" * width, Look.RULE)]


def _stack(
    columns: Sequence[_Column], widths: Sequence[int], texts: Sequence[list[str]], looks: Sequence[Look]
) -> Iterator[Line]:
    """Yield the lines of one row, whose cells have lines of their own."""
    for height in range(max(map(len, texts))):
        line: Line = []
        for place, column in enumerate(columns):
            text = texts[place][height] if height < len(texts[place]) else ""
            blanks = " " * (widths[place] - measure(text))
            padded = blanks + text if column.is_right else text + blanks
            is_last = place == len(columns) - 1
            line.append((padded.rstrip() if is_last else padded, looks[place]))
            if not is_last:
                line.append((" " * GAP, Look.PLAIN))
        yield line


def _break(cell: Text, width: int) -> list[str]:
    return [cell.text] if cell.is_whole or cell.width <= width else wrap(cell.text, width)


def _name_rest(columns: Iterable[_Column], row: int, width: int | None) -> list[str]:
    """Return the lines that name what did not fit beside a row; what is not known is left out."""
    parts = []
    for column in columns:
        text = column.cells[row].text
        if text and text != "–":
            parts.append(f"{column.title} {text}".strip())
    return _fill(parts, (width or 0) - _INDENT, " · ") if parts else []


def _fill(parts: Sequence[str], width: int, between: str) -> list[str]:
    """Return lines of parts; one that is too long alone is broken at blanks, and no word ever is."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{between}{part}" if lines else part
        if not lines or measure(joined) <= width:
            lines[-1:] = [joined]
        else:
            lines.append(part)
        if between != " " and measure(lines[-1]) > width:
            lines[-1:] = wrap(lines[-1], width)
    return lines


def _longest_word(text: str) -> int:
    return max(map(measure, text.split(" ")))
