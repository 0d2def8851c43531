"""Tables, headings and lines for people: in colour on a terminal, plain aligned text elsewhere.

A table fits the screen without losing anything that must be read or copied (`table_layout`). Where standard output is
no terminal, a row is one line, however long, unless `COLUMNS` says how wide lines may be.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum

import click

from pairity.number_formats import NOTHING, Figure, format_duration, format_number
from pairity.printable import printable, printable_line
from pairity_cli.hints import complete_hints
from pairity_cli.table_layout import Line, Look, Text, lay_out, measure
from pairity_cli.table_output import Value, find_recorder


class Mark(Enum):
    """Answer of a check: its word, its sign and its colour say the same, for who sees only one of them."""

    PASSED = ("✓ passed", True)
    FAILED = ("✗ FAILED", False)
    YES = ("✓ yes", True)
    NO = ("✗ NO", False)

    @property
    def text(self) -> str:
        """Sign and word."""
        return self.value[0]

    @property
    def is_good(self) -> bool:
        """Whether it is what one hopes for."""
        return self.value[1]


Cell = str | int | float | Decimal | datetime | timedelta | Mark | None
_RULE_WIDTH = 80


def print_heading(text: str) -> None:
    """Print a line that begins a part of a summary."""
    recorder = find_recorder()
    if recorder.is_for_programs:
        return
    shown = printable_line(text)
    width = _screen_width() or _RULE_WIDTH
    dashes = "─" * max(0, width - measure(shown) - 1)
    if dashes:
        _write([(f"{shown} ", Look.HEAD), (dashes, Look.RULE)])
    else:
        print_line(text)


def print_line(text: str) -> None:
    """Print one line of text, as it is but for signs that would steer a terminal, which wraps it: it can be copied."""
    recorder = find_recorder()
    shown = complete_hints(printable(text))
    if recorder.is_for_programs:
        recorder.lines.append(shown)
        if recorder.form == "csv":
            click.echo(shown, err=True)
        return
    click.echo(shown)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str | None = None) -> None:
    """Print rows under columns, those that matter most first; numbers to the right, None and NaN as a dash.

    With `--json` or `--csv` the table is kept for the document that the command writes at its end.
    """
    lines = [list(row) for row in rows]
    recorder = find_recorder()
    if recorder.is_for_programs:
        keys = make_keys(columns)
        recorder.add_table(title, keys, [dict(zip(keys, map(make_value, row), strict=True)) for row in lines])
        return
    if title is not None:
        print_line(title)
    width = None if recorder.form == "wide" else _screen_width()
    seconds = [any(map(_has_seconds, column)) for column in zip(*lines, strict=True)]
    texts = [[_make_text(cell, with_seconds=seconds[place]) for place, cell in enumerate(row)] for row in lines]
    for line in lay_out([printable_line(column) for column in columns], texts, width):
        _write(line)
    if not lines:
        click.echo("none")
    click.echo("")


def make_keys(columns: Sequence[str]) -> list[str]:
    """Return the names of columns for programs, each once.

    >>> make_keys(["rank", "dist, %", "R²", "new", "new", ""])
    ['rank', 'dist_percent', 'r2', 'new', 'new_2', 'column']
    """
    keys: list[str] = []
    for column in columns:
        words = column.lower().replace("%", " percent ").replace("²", "2").replace("&", "n")
        key = re.sub(r"[^a-z0-9]+", "_", words).strip("_") or "column"
        again = sum(known == key or re.fullmatch(rf"{key}_[0-9]+", known) is not None for known in keys)
        keys.append(f"{key}_{again + 1}" if again else key)
    return keys


def make_value(cell: Cell) -> Value:
    """Return a cell for programs: numbers with all digits, decimals as text, instants in ISO 8601, spans in seconds."""
    if isinstance(cell, Figure):
        return make_value(cell.number) if cell.number is not None or cell == NOTHING else str(cell)
    if isinstance(cell, float) and not -float("inf") < cell < float("inf"):
        return None
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    return cell.is_good if isinstance(cell, Mark) else printable_line(cell) if isinstance(cell, str) else cell


def format_cell(cell: Cell, *, with_seconds: bool = False) -> str:
    """Return the text of one cell: floats to four significant digits, integers grouped by commas, None as a dash.

    No number is ever written with an exponent. Money and prices are `Figure`s: their text is made before. An instant
    has its day always, and is in UTC.
    """
    if cell is None or (isinstance(cell, float) and cell != cell):  # noqa: PLR0124 - NaN is what differs from itself
        return NOTHING
    if isinstance(cell, str):
        return printable_line(cell)
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}" if with_seconds else f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, timedelta):
        return format_duration(cell)
    if isinstance(cell, Mark):
        return cell.text
    return format_number(cell if isinstance(cell, float) else float(cell))


def format_stage_seconds(stages: dict[str, float]) -> str:
    """Return the time that each stage took.

    >>> format_stage_seconds({"collect": 12.34, "features": 4.5})
    'collect 12.3 s · features 4.5 s'
    """
    return " · ".join(f"{name} {spent:.1f} s" for name, spent in stages.items())


def _has_seconds(cell: Cell) -> bool:
    return isinstance(cell, datetime) and cell.second > 0


def _make_text(cell: Cell, *, with_seconds: bool) -> Text:
    look = (Look.GOOD if cell.is_good else Look.BAD) if isinstance(cell, Mark) else Look.PLAIN
    # A bool is an int for Python, but not for people.
    is_right = isinstance(cell, int | float | Decimal | Figure | timedelta) and not isinstance(cell, bool)
    # A day and its time stay together.
    text = complete_hints(format_cell(cell, with_seconds=with_seconds))
    return Text(text, look, is_right=is_right, is_whole=is_right or isinstance(cell, datetime | Mark))


def _screen_width() -> int | None:
    """Return how wide lines may be; None where nothing limits them."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return max(20, shutil.get_terminal_size().columns)


_STYLES: dict[Look, dict[str, object]] = {
    Look.PLAIN: {},
    Look.HEAD: {"bold": True},
    Look.RULE: {"dim": True},
    Look.GOOD: {"fg": "green"},
    Look.BAD: {"fg": "red", "bold": True},
}


def _write(line: Line) -> None:
    # Never by a variable alone: what asks for colours in files gets escape codes into them.
    in_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    parts = (click.style(text, **_STYLES[look]) if in_colour and _STYLES[look] else text for text, look in line)  # type: ignore[arg-type]
    click.echo("".join(parts).rstrip())
