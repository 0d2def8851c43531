"""Tables and headings for people: drawn on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Cell = str | int | float | None
_PLAIN_WIDTH = 200


def console() -> Console:
    """Standard output; without colour, and wide enough not to wrap tables, where it is not a terminal."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)


def heading(text: str) -> None:
    """A line that begins a part of a summary."""
    from rich.text import Text

    console().rule(Text(text), align="left", style="dim")


def line(text: str) -> None:
    """One line of text, as it is."""
    console().print(text, markup=False, soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str | None = None) -> None:
    """Rows under columns; numbers to the right, what is not known as a dash."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lines = [list(row) for row in rows]
    drawn = Table(
        title=None if title is None else Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for index, column in enumerate(columns):
        drawn.add_column(Text(column), justify="right" if any(_is_number(row[index]) for row in lines) else "left")
    for row in lines:
        drawn.add_row(*(Text(shown(cell)) for cell in row))
    console().print(drawn)


def shown(cell: Cell) -> str:
    """Text of one cell: floats to four significant digits, integers with thin grouping, None as a dash."""
    if cell is None or (isinstance(cell, float) and cell != cell):  # noqa: PLR0124 - NaN is what differs from itself
        return "–"
    if isinstance(cell, bool | str):
        return str(cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if abs(cell) >= 10_000 else f"{cell:.4g}"


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def seconds(stages: dict[str, float]) -> str:
    """`collect 12.3 s · features 4.5 s`."""
    return " · ".join(f"{name} {spent:.1f} s" for name, spent in stages.items())
