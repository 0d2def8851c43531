"""Chronological split into training and test rows, purged by how far labels look ahead; the end can be kept back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

import polars as pl

from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.timeline import HOUR


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test rows before and after one instant, the same for all pairs.

    The horizon of every training row ends before `test_start`, however early its label was known. `purged` counts the
    rows that lie before `test_start` but whose horizons reach into the test period: they belong to neither part.
    """

    test_start: datetime
    train: pl.DataFrame
    test: pl.DataFrame
    purged: int
    horizon_bars: int
    until: datetime | None = None
    """First bar close after the test period; None: the period reaches to the end of the history."""

    @property
    def train_end(self) -> datetime:
        """Last instant that training has looked at: the largest end of a horizon of its rows, before `test_start`."""
        end = self.train.select(look_ahead_until(self.horizon_bars).max()).item()
        if not isinstance(end, datetime):
            raise MissingDataError("the training part is empty", "ingest a longer history")
        return end


def look_ahead_until(horizon_bars: int) -> pl.Expr:
    """Return the instant until which the choice of a row has looked ahead: t0 + `horizon_bars` hours, and t1 at least.

    A purge by t1 alone would keep, of the last rows before a test, those whose positions ended early: winners where
    targets are nearer than stops. Which rows are kept must not depend on how they ended.
    """
    return pl.max_horizontal("t1", pl.col("t0") + horizon_bars * HOUR)


def split_chronologically(rows: pl.DataFrame, test_fraction: float, *, horizon_bars: int) -> Split:
    """Split labelled rows by time, at a bar boundary common to all pairs.

    `rows`: event_timestamp (bar close), t0, t1 (label interval), without nulls; labels look at most `horizon_bars`
    hours ahead. The test period begins at the bar after the first (1 − `test_fraction`) of the distinct bar closes,
    rounded up. A horizon that ends exactly at `test_start` uses the first test bar and is purged. MissingDataError
    where a part would be empty.
    """
    times = rows["event_timestamp"].unique().sort()
    cut = ceil(len(times) * (1.0 - test_fraction))
    if not 0 < cut < len(times):
        raise MissingDataError(
            f"{format_count(len(times), 'bar')} cannot be split into a training and a test period",
            "ingest a longer history",
        )
    test_start: datetime = times[cut]
    before = rows.filter(pl.col("event_timestamp") < test_start)
    train = before.filter(look_ahead_until(horizon_bars) < test_start)
    test = rows.filter(pl.col("event_timestamp") >= test_start)
    if train.is_empty():
        longest = before.select((look_ahead_until(horizon_bars) - pl.col("t0")).max()).item()
        raise MissingDataError(
            f"no training row is left: {cut} bars lie before the test period at {test_start:%Y-%m-%d %H:%M} UTC, "
            f"and labels look {longest / HOUR:.0f} hours ahead",
            "ingest a longer history, or shorten label.horizon_bars",
        )
    return Split(
        test_start=test_start,
        train=train,
        test=test,
        purged=before.height - train.height,
        horizon_bars=horizon_bars,
    )


def keep_back(split: Split, labelled: pl.DataFrame, last: datetime, share: float) -> tuple[Split, Split]:
    """Cut the hours from the split's test to `last` in two: those to walk over, and the last `share` of them.

    The second part is trained on every label that is known before it. `labelled` are the rows of the split.
    MissingDataError where a part would have no hour, or the first one no labelled row.
    """
    hours = (last - split.test_start) // HOUR + 1
    walked = ceil(hours * (1.0 - share))
    cut = split.test_start + walked * HOUR
    before, after = pl.col("event_timestamp") < cut, pl.col("event_timestamp") >= cut
    if not 0 < walked < hours or split.test.filter(before).is_empty():
        raise MissingDataError(
            f"the test period has {hours} hours, of which the last {share:.0%} cannot be kept back",
            "ingest a longer history",
        )
    known = labelled.filter(before)
    train = known.filter(look_ahead_until(split.horizon_bars) < cut)
    walk = replace(split, test=split.test.filter(before), until=cut)
    later = replace(split, test_start=cut, train=train, test=labelled.filter(after), purged=known.height - train.height)
    return walk, later
