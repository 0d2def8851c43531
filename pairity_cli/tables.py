"""Tables, headings and lines for people: drawn on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pairity.printable import printable, printable_line

if TYPE_CHECKING:
    from rich.console import Console

Cell = str | int | float | None
_PLAIN_WIDTH = 200
_NUMBER = re.compile(r"[+−-]?\d[\d,]*(\.\d+)?%?")


def print_heading(text: str) -> None:
    """Print a line that begins a part of a summary."""
    from rich.text import Text

    _open_console().rule(Text(printable_line(text)), align="left", style="dim")


def print_line(text: str) -> None:
    """Print one line of text, as it is but for signs that would steer the terminal."""
    # Without markup: brackets in a venue's answer are text, not styles.
    _open_console().print(printable(text), markup=False, emoji=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str | None = None) -> None:
    """Print rows under columns; numbers to the right, also those that are text already; None and NaN as a dash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lines = [list(row) for row in rows]
    table = Table(
        title=None if title is None else Text(printable_line(title)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for index, column in enumerate(columns):
        table.add_column(
            Text(printable_line(column)), justify="right" if _holds_numbers([row[index] for row in lines]) else "left"
        )
    for row in lines:
        table.add_row(*(Text(format_cell(cell)) for cell in row))
    _open_console().print(table)


def format_cell(cell: Cell) -> str:
    """Return the text of one cell: floats to four significant digits, integers with thin grouping, None as a dash."""
    if cell is None or (isinstance(cell, float) and cell != cell):  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    if isinstance(cell, str):
        return printable_line(cell)
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"


def format_stage_seconds(stages: dict[str, float]) -> str:
    """Return the time that each stage took.

    >>> format_stage_seconds({"collect": 12.34, "features": 4.5})
    'collect 12.3 s · features 4.5 s'
    """
    return " · ".join(f"{name} {spent:.1f} s" for name, spent in stages.items())


def _open_console() -> Console:
    """Return standard output; without colour, and wide enough not to wrap tables, where it is not a terminal."""
    import sys

    from rich.console import Console

    # Opened for every print: standard output may be another one by then (tests, redirection).
    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)


def _holds_numbers(cells: Sequence[Cell]) -> bool:
    """Return whether a column has numbers, or nothing but the texts of numbers and dashes."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell != "–"]
    return any(map(_is_number, cells)) or (bool(texts) and all(map(_NUMBER.fullmatch, texts)))


def _is_number(cell: Cell) -> bool:
    # A bool is an int for Python, but not for people.
    return isinstance(cell, int | float) and not isinstance(cell, bool)
