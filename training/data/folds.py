"""Folds: walk-forward and purged K-fold, by label horizon, across all pairs at once.

A label is made from its interval [t0, t1]: t0 is its own bar's close, t1 the bar at which the outcome was known, which
may be early. Rows are purged by their whole horizon (`splits.look_ahead_until`): a training row whose horizon meets
that of a test row may have seen what the test asks for, and whether it has depends on how it ended. Markets remember
beyond labels, so rows that begin within the embargo after a test block are left out as well. Test blocks are ranges of
bar closes common to all pairs: what the rows of one pair say about an hour must not be tested on another pair.

Walking forward, nothing is trained after a test block, and there is nothing to leave out there.

A fold that leaks cannot be made: `Fold` checks itself. Source: López de Prado 2018, ch. 7 (purge, embargo);
docs/formulas.md, Folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import or_

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.errors import ConfigError, DataError, MissingDataError
from pairity.number_formats import format_count
from pairity.timeline import HOUR
from training.data.splits import look_ahead_until

EVENT = "event_timestamp"
EMBARGO_BARS = 24
"""Hours after a test block, where training goes on behind it, that are not learnt from: features look back a day."""


_WITH_OTHER_FOLDS = (
    "take other periods: `pairity leaderboard --train-bars N --test-bars N` (evaluation.train_bars and "
    "evaluation.test_bars)"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One unbroken range of test rows: bar closes from `first` to `last`; their last horizon ends at `known`."""

    first: datetime
    last: datetime
    known: datetime


@dataclass(frozen=True, slots=True)
class Fold:
    """Training and test rows of one fold. DataError where a training label meets a test block."""

    name: str
    train: pl.DataFrame
    test: pl.DataFrame
    blocks: tuple[Block, ...]
    purged: int
    """Number of rows left out because their horizon meets that of a test row."""
    embargoed: int
    """Number of rows left out because they begin within the embargo after a test block."""
    horizon_bars: int
    """Hours that labels look ahead at most."""

    def __post_init__(self) -> None:
        if self.train.is_empty() or self.test.is_empty():
            raise MissingDataError(
                f"{self.name} has {self.train.height} training and {self.test.height} test rows, {self.purged} purged",
                f"collect a longer history, {_WITH_OTHER_FOLDS}, or shorten label.horizon_bars",
            )
        leaking = self.train.filter(reduce(or_, (_is_met_by(block, self.horizon_bars) for block in self.blocks)))
        if leaking.height:
            first = leaking.row(0, named=True)
            raise DataError(
                f"{self.name} leaks: {leaking.height} training labels meet the test, the first from "
                f"{first['t0']:%Y-%m-%d %H:%M} to {first['t1']:%Y-%m-%d %H:%M} UTC",
                "make folds with the functions of training.data.folds only",
            )
        outside = self.test.filter(~reduce(or_, (_is_inside(block) for block in self.blocks)))
        late = max(block.known for block in self.blocks)
        if outside.height or self.test.select(look_ahead_until(self.horizon_bars).max()).item() > late:
            raise DataError(f"{self.name} has test rows outside of its blocks", "report this")

    @property
    def train_end(self) -> datetime:
        """Last instant that training has looked at: the largest end of a horizon of its rows."""
        end = self.train.select(look_ahead_until(self.horizon_bars).max()).item()
        assert isinstance(end, datetime)
        return end

    def require_classes(self) -> None:
        """Raise MissingDataError unless both labels occur in the training part."""
        positives = int(self.train["label"].sum())
        if positives in (0, self.train.height):
            raise MissingDataError(
                f"all {self.train.height} training labels of {self.name} are {int(positives > 0)}: "
                "a classifier needs both classes",
                f"collect a longer history, {_WITH_OTHER_FOLDS}, or change label.kind, label.target or "
                "label.horizon_bars",
            )


def split_walk_forward(
    rows: pl.DataFrame,
    *,
    test_bars: int,
    train_bars: int,
    horizon_bars: int,
    rolling: bool = False,
) -> list[Fold]:
    """Split into consecutive test periods of `test_bars` bar closes, each trained on what was known before it.

    `rows`: event_timestamp, t0, t1, without nulls; labels look at most `horizon_bars` hours ahead. The first
    test begins after `train_bars` closes. Training rows are all rows before the test (expanding) or those of the last
    `train_bars` closes (`rolling`), purged at their end. The last test period may be shorter. MissingDataError where
    the history has no bar to test.
    """
    times = _list_times(rows)
    _require_positive(test_bars=test_bars, train_bars=train_bars)
    require_hours_to_test(len(times), train_bars)
    folds = []
    for number, start in enumerate(range(train_bars, len(times), test_bars), 1):
        first = times[start - train_bars] if rolling else times[0]
        own = rows.filter(pl.col(EVENT).is_between(first, times[min(start + test_bars, len(times)) - 1]))
        folds.append(_make_fold(f"walk {number}", own, [times[start : start + test_bars]], 0, horizon_bars))
    return folds


def require_hours_to_test(hours: int, train_bars: int) -> None:
    """Raise MissingDataError where so many bar closes leave none to test after `train_bars` to train on."""
    if hours <= train_bars:
        raise MissingDataError(
            f"{format_count(hours, 'bar leaves', 'bars leave')} none to test after {train_bars:,} to train on",
            "collect a longer history, or take fewer bars: `pairity leaderboard "
            f"--train-bars {max(24, hours // 2)} --test-bars {max(24, hours // 6)}`",
        )


def split_purged_kfold(
    rows: pl.DataFrame,
    *,
    folds: int,
    horizon_bars: int,
    embargo_bars: int = EMBARGO_BARS,
    trainable_only: bool = False,
) -> list[Fold]:
    """Split into `folds` ranges of bar closes; each is tested once, with the others as training rows.

    These are purged, and those that begin within `embargo_bars` after the test are left out. MissingDataError where
    nothing is left to train on; with `trainable_only` such a range is left out, and the list may be empty.
    """
    made = []
    for number, group in enumerate(_group_times(rows, folds), 1):
        with suppress(*((MissingDataError,) if trainable_only else ())):
            made.append(_make_fold(f"fold {number}", rows, [group], embargo_bars, horizon_bars))
    return made


def index_purged_kfold(
    rows: pl.DataFrame, *, folds: int, horizon_bars: int, trainable_only: bool = False
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return `split_purged_kfold` as positions in `rows`, (training, test), for libraries that index rows."""
    numbered = rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("__row"))
    return [
        (fold.train["__row"].to_numpy(), fold.test["__row"].to_numpy())
        for fold in split_purged_kfold(numbered, folds=folds, horizon_bars=horizon_bars, trainable_only=trainable_only)
    ]


def mirror_folds(rows: pl.DataFrame, folds: Sequence[Fold], *, horizon_bars: int) -> list[Fold]:
    """Apply the test periods of `folds` to other rows (of assets), purged by their own horizon of `horizon_bars` hours.

    Training reaches as far back as in the fold that is mirrored. MissingDataError where a period has no row to test, or
    no row is left to train on.
    """
    _list_times(rows)
    mirrored = []
    for fold in folds:
        first, last = fold.blocks[0].first, fold.blocks[-1].last
        own = rows.filter(pl.col(EVENT).is_between(fold.train[EVENT].min(), last))
        if own.filter(pl.col(EVENT) >= first).is_empty():
            raise MissingDataError(
                f"no row is known from {first:%Y-%m-%d %H:%M} UTC to {last:%Y-%m-%d %H:%M} UTC, which is to be tested",
                "ingest what these rows come from over the whole history",
            )
        mirrored.append(_make_fold(fold.name, own, [[first, last]], 0, horizon_bars))
    return mirrored


def _make_fold(
    name: str, rows: pl.DataFrame, ranges: Sequence[Sequence[datetime]], embargo_bars: int, horizon_bars: int
) -> Fold:
    blocks = tuple(_make_block(rows, times, horizon_bars) for times in ranges)
    tested = reduce(or_, (_is_inside(block) for block in blocks))
    met = reduce(or_, (_is_met_by(block, horizon_bars) for block in blocks))
    soon = reduce(
        or_,
        ((pl.col("t0") > block.known) & (pl.col("t0") <= block.known + embargo_bars * HOUR) for block in blocks),
    )
    others = rows.filter(~tested)
    kept = others.filter(~met)
    train = kept.filter(~soon)
    return Fold(
        name=name,
        train=train,
        test=rows.filter(tested),
        blocks=blocks,
        purged=others.height - kept.height,
        embargoed=kept.height - train.height,
        horizon_bars=horizon_bars,
    )


def _make_block(rows: pl.DataFrame, times: Sequence[datetime], horizon_bars: int) -> Block:
    own = rows.filter(pl.col(EVENT).is_between(times[0], times[-1]))
    known = own.select(look_ahead_until(horizon_bars).max()).item()
    assert isinstance(known, datetime)
    return Block(times[0], times[-1], known)


def _is_inside(block: Block) -> pl.Expr:
    return pl.col(EVENT).is_between(block.first, block.last)


def _is_met_by(block: Block, horizon_bars: int) -> pl.Expr:
    """Select rows whose horizon meets the block; one that ends at the block's first bar has used it."""
    return (pl.col("t0") <= block.known) & (look_ahead_until(horizon_bars) >= block.first)


def _group_times(rows: pl.DataFrame, count: int) -> list[list[datetime]]:
    times = _list_times(rows)
    if count < 2:
        raise ConfigError(f"{count} folds cannot be trained and tested", "use at least 2")
    if len(times) < count:
        raise MissingDataError(
            f"{format_count(len(times), 'bar')} cannot be divided into {count} folds", "ingest a longer history"
        )
    bounds = [int(part[0]) for part in np.array_split(np.arange(len(times)), count)] + [len(times)]
    return [times[low:high] for low, high in pairwise(bounds)]


def _list_times(rows: pl.DataFrame) -> list[datetime]:
    if rows.select(pl.any_horizontal(pl.col(EVENT, "t0", "t1").is_null().any())).item():
        raise DataError("rows without a complete label interval cannot be split", "keep labelled rows only")
    if rows.filter((pl.col("t0") != pl.col(EVENT)) | (pl.col("t1") < pl.col("t0"))).height:
        raise DataError("label intervals must begin at their row's bar close and not end before it", "label again")
    return rows[EVENT].unique().sort().to_list()


def _require_positive(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ConfigError(f"{name} is {value}", "use at least 1 bar")
