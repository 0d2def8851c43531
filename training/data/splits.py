"""Chronological split into training and test rows, purged by label interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil

import polars as pl

from pairity.errors import MissingDataError
from pairity.timeline import HOUR


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test rows before and after one instant, the same for all pairs.

    The label interval [t0, t1] of every training row ends before `test_start`. `purged` counts the rows that lie before
    `test_start` but whose labels look into the test period: they belong to neither part.
    """

    test_start: datetime
    train: pl.DataFrame
    test: pl.DataFrame
    purged: int

    @property
    def train_end(self) -> datetime:
        """Last instant that training has seen: the largest label end t1 of its rows, before `test_start`."""
        end = self.train["t1"].max()
        if not isinstance(end, datetime):
            raise MissingDataError("the training part is empty", "ingest a longer history")
        return end


def split_chronologically(rows: pl.DataFrame, test_fraction: float) -> Split:
    """Split labelled rows by time, at a bar boundary common to all pairs.

    `rows`: event_timestamp (bar close), t0, t1 (label interval), without nulls. The test period begins at the bar after
    the first (1 − `test_fraction`) of the distinct bar closes, rounded up. A label that ends exactly at `test_start`
    uses the first test bar and is purged. MissingDataError where a part would be empty.
    """
    times = rows["event_timestamp"].unique().sort()
    cut = ceil(len(times) * (1.0 - test_fraction))
    if not 0 < cut < len(times):
        raise MissingDataError(
            f"{len(times)} bars cannot be split into a training and a test period", "ingest a longer history"
        )
    test_start: datetime = times[cut]
    before = rows.filter(pl.col("event_timestamp") < test_start)
    train = before.filter(pl.col("t1") < test_start)
    test = rows.filter(pl.col("event_timestamp") >= test_start)
    if train.is_empty():
        longest = before.select((pl.col("t1") - pl.col("t0")).max()).item()
        raise MissingDataError(
            f"no training row is left: {cut} bars lie before the test period at {test_start:%Y-%m-%d %H:%M} UTC, "
            f"and labels look {longest / HOUR:.0f} hours ahead",
            "ingest a longer history, or shorten label.horizon_bars",
        )
    return Split(test_start=test_start, train=train, test=test, purged=before.height - train.height)
