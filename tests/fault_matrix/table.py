"""The table of what is expected, as it stands in docs/faults.md, and how a result is written in it.

A cell says whether what was wanted came about (`+` or `−`), then what the process guarded for, if it did. Faults have
two: struck once, and for 45 seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.fault_matrix.operations import FEED, OPERATIONS, Operation
from tests.fault_matrix.situations import ALL, Situation

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"
NO_SENSE = "·"
COLUMNS = (*OPERATIONS, FEED)


def write_cell(operation: Operation, result: str, situation: Situation | None = None) -> str:
    """Return a result in the words of the table; a `situation` of the whole venue says no reasons.

    >>> write_cell(OPERATIONS[3], "held; blocked; guards: exits, venue")
    '− blocked, exits, venue'
    >>> write_cell(OPERATIONS[5], "held")
    '+'
    """
    words = result.split("; ")
    if situation is not None and situation.kind == "venue":
        words = words[:1]  # how long lists lag is a matter of the wall clock
    sign = "+" if words[0] == _find_wanted(operation) else "−"
    notes = [word.removeprefix("guards: ") for word in words[1:]]
    if sign == "−" and operation is FEED:
        notes.insert(0, words[0])
    return f"{sign} {', '.join(notes)}".strip()


def read_table() -> Mapping[str, Mapping[str, str]]:
    """Return the table: for each row the cells by column."""
    names = [operation.name for operation in COLUMNS]
    table = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == len(names) + 1:
            table[cells[0]] = dict(zip(names, cells[1:], strict=True))
    return {name: cells for name, cells in table.items() if name in {row.name for row in ALL}}


def write_row(situation: Situation, cells: Mapping[str, str]) -> str:
    """Return a row of the table."""
    return f"| {situation.name} | {' | '.join(cells.get(column.name, NO_SENSE) for column in COLUMNS)} |"


def _find_wanted(operation: Operation) -> str:
    if operation is FEED:
        return "fresh"
    if not operation.open_before:
        return "opened"
    return "closed" if operation.name in ("cancel", "exit") else "held"
