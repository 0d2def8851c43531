"""The close before a batch: the last accepted one, however far back it may lie, found without opening old files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.raw_datasets import find_dataset
from ingestion.closes_before import CloseCarrier
from ingestion.lake import Lake, scan
from ingestion.withheld import WithheldRows
from pairity.layout import Layout
from tests.validation.frames import MINUTE, candles, of
from validation.sequence_rules import find_longest_comparable_hole

KIND = find_dataset("candles_1m")


def carrier(lake, home):
    return CloseCarrier(lake, WithheldRows.of(Layout(home), lake))


@given(kept=st.sets(st.integers(0, 119)), first=st.integers(60, 150))
def test_it_is_the_last_one_before_the_batch_within_the_longest_hole(kept, first):
    rows = candles(150)
    stored = rows.filter(pl.int_range(pl.len()).is_in(sorted(kept)))
    hole = find_longest_comparable_hole(KIND) // MINUTE
    near = [minute for minute in kept if first - hole <= minute < first]
    expected = {"BTC": rows["close"][max(near)]} if near else {}
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Layout(Path(folder)), durable=False)
        with lake.writing():
            lake.write("candles_1m", "BTC", stored)
        batch = of("BTC", candles(first + 1).tail(1))
        assert carrier(lake, Path(folder)).find(KIND, batch) == expected


@pytest.mark.parametrize("missing", [0, 1, 2, 15])
def test_month_files_are_opened_only_where_the_bar_before_is_missing(tmp_path, missing, monkeypatch):
    """The backfill lies in month files; live hours wait in segments, which are held in memory."""
    rows, opened, read = candles(660), [], scan.read_file
    live = pl.concat(of(asset, rows.slice(640, 20 - missing)) for asset in ("BTC", "ETH"))
    lake = Lake(Layout(tmp_path), durable=False)
    with lake.writing():
        for asset in ("BTC", "ETH"):
            lake.write("candles_1m", asset, rows.head(640))
        with lake.batch() as batch:
            batch.write("candles_1m", live)
    monkeypatch.setattr(scan, "read_file", lambda *args: opened.append(args) or read(*args))
    expected = {"BTC": rows["close"][659 - missing]}
    assert carrier(lake, tmp_path).find(KIND, of("BTC", candles(661).tail(1))) == expected
    assert len(opened) == (0 if missing < 2 else 1)


@pytest.mark.parametrize(
    ("factor", "is_found"), [(1000.0, True), (0.1, True), (1.0, False), (4.0, False), (0.3, False)]
)
@pytest.mark.parametrize("days", [2, 40, 300])
def test_across_a_long_hole_it_is_found_where_the_units_are_others(tmp_path, days, factor, is_found):
    rows = candles(120)
    lake = Lake(Layout(tmp_path), durable=False)
    with lake.writing():
        lake.write("candles_1m", "BTC", rows)
    last = rows["close"][-1]
    later = candles(1).with_columns(
        *(pl.col(name) + pl.duration(days=days) for name in ("open_time", "known_at")),
        *(pl.lit(last * factor).alias(name) for name in ("open", "high", "low", "close")),
    )
    expected = {"BTC": last} if is_found else {}
    assert carrier(lake, tmp_path).find(KIND, of("BTC", later)) == expected
