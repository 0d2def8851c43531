"""Figures of groups that are not part of the one table, kept beside it: each with its commit, its time and its load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.conditions import Conditions

FIGURES = Path(__file__).parent / "figures.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """What a group measured last, in words, whether that is what was aimed at, and when it was measured, on what."""

    said: str
    met: bool | None
    """None: nothing was aimed at."""
    commit: str
    finished: str
    load: float
    processor: str

    def describe(self) -> str:
        """Return the figure with the conditions of its measurement."""
        return f"{self.said} ({self.finished}, commit {self.commit}, load {self.load:.0f}, {self.processor})"


def note_figure(name: str, said: str, *, met: bool | None = None, file: Path = FIGURES) -> None:
    """Store what was measured just now under `name`, in place of what stood there."""
    figure = Figure(said, met, **asdict(Conditions.read()))
    known = {**read_figures(file), name: figure}
    stored = {key: asdict(known[key]) for key in sorted(known)}
    file.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def read_figures(file: Path = FIGURES) -> dict[str, Figure]:
    """Return every figure by its name; nothing where none was stored."""
    if not file.exists():
        return {}
    return {name: Figure(**stored) for name, stored in json.loads(file.read_text()).items()}
