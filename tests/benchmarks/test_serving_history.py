"""Made-up history before a scene: prices go on where they were, on the grid, without a row twice."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.serving_history import BLOCK, FIRST, lay_back
from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS
from pairity.timeline import DAY, HOUR

SINCE = FIRST - 100 * DAY


def block(name: str, every: timedelta) -> pl.DataFrame:
    """A block of rows on a grid, each bar opening at the close before it."""
    kind = DATASETS[name]
    times = pl.datetime_range(FIRST, FIRST + BLOCK, every, closed="left", eager=True, time_unit="us")
    level = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, len(times) + 1)))
    values = {"open": level[:-1], "high": level[:-1] * 2, "low": level[:-1] / 2, "close": level[1:]}
    rows = pl.DataFrame({kind.time: times}).with_columns(
        pl.Series(column, values.get(column, level[1:])) for column in kind.values
    )
    return kind.conform(rows.with_columns(history_known_at(kind)))


@pytest.mark.parametrize(
    ("name", "every"),
    [("candles_1h", HOUR), ("mark_1h", HOUR), ("funding", 8 * HOUR), ("open_interest", HOUR)],
)
def test_history_is_whole_and_on_the_grid(name, every):
    time = DATASETS[name].time
    rows = lay_back(DATASETS[name], block(name, every), SINCE)
    expected = pl.datetime_range(SINCE, FIRST, every, closed="left", eager=True, time_unit="us")
    missing = set(expected) - set(rows[time])
    # The instant at which a mirrored block would begin is that at which its own ends: it is not part of a block.
    assert len(missing) <= (0 if "open" in rows.columns else 100 // 60 + 1)
    assert rows[time].is_unique().all()
    assert set(rows[time]) <= set(expected)
    assert rows["known_at"].gt(rows[time]).all()


def test_prices_go_on_where_they_were():
    own = block("candles_1h", HOUR)
    rows = pl.concat([lay_back(DATASETS["candles_1h"], own, SINCE), own])
    assert rows["open"][1:].to_list() == rows["close"][:-1].to_list()
