"""Rows that were measured, kept in a file: a run that was ended goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.comparison import Cell, Track

Rows = dict[str, list[Track]]
"""Lines by the row that they belong to, in the order of measurement."""


def read_rows(file: Path) -> Rows:
    """Return what `store_rows` wrote; nothing where there is no such file."""
    if not file.exists():
        return {}
    stored: Mapping[str, Sequence[dict]] = json.loads(file.read_text())
    return {
        row: [Track(**(line | {"cells": [Cell(**cell) for cell in line["cells"]]})) for line in lines]
        for row, lines in stored.items()
    }


def store_rows(file: Path, rows: Rows) -> None:
    """Write all rows as JSON, whole or not at all."""
    text = json.dumps({row: [asdict(line) for line in lines] for row, lines in rows.items()}, indent=1)
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)
