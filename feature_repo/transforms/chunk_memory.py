"""What the next hours of a chunk need of the hours before them.

Everything in it is a row with its time, so that it can be taken back to an earlier hour by forgetting the later rows.
It is kept in memory alone: a process that starts anew computes its chunk from the anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME
from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms.early_hours import EarlyHours
from feature_repo.transforms.risk_panel import RiskPanel

TICK = timedelta(microseconds=1)
# Appending leaves a frame in pieces, and every look at many small pieces costs more.
_MOST_PIECES = 48


@dataclass
class ChunkMemory:
    """Rows since the chunk's start, up to the hour that was computed last.

    `raw`: raw rows by dataset; datasets of minutes are not kept. `bars`: hourly bars, before any verdict. `views`:
    accepted rows of the views that others are computed from. `created`: entity, event and created time of all computed
    rows of a view, accepted or not. `risk` is None where no asset had minutes. `early` is what slow views need of the
    time before the chunk's start, None where none of them is computed; it is never taken back.
    """

    raw: dict[str, pl.DataFrame] = field(default_factory=dict)
    bars: pl.DataFrame | None = None
    views: dict[str, pl.DataFrame] = field(default_factory=dict)
    created: dict[str, pl.DataFrame] = field(default_factory=dict)
    risk: RiskPanel | None = None
    early: EarlyHours | None = None

    def rewind(self, instant: datetime) -> None:
        """Forget everything after a full hour."""
        for name, rows in self.raw.items():
            kind = DATASETS[name]
            self.raw[name] = rows.filter(pl.col(kind.time) + kind.known_after <= instant)
        if self.bars is not None:
            self.bars = self.bars.filter(pl.col(EVENT_TIME) <= instant)
        for kept in (self.views, self.created):
            for name, rows in kept.items():
                kept[name] = rows.filter(pl.col(EVENT_TIME) <= instant)
        self.risk = None if self.risk is None else self.risk.until(instant)

    def note_created(self, name: str, rows: pl.DataFrame, entity: str) -> None:
        """Note when computed rows of a view were known."""
        own = rows.select(entity, EVENT_TIME, CREATED_TIME)
        self.created[name] = append(self.created.get(name), own)


def append(kept: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """Return `rows` below those that are kept."""
    if kept is None or kept.is_empty():
        return rows
    if rows.is_empty():
        return kept
    together = pl.concat([kept, rows], rechunk=False)
    return together.rechunk() if together.n_chunks() > _MOST_PIECES else together
