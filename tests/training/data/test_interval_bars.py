"""Bars of any interval against a walk: minutes before trades, the venue's hours before trades, holes stay holes."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.study_settings import measure_interval
from tests.oracles.interval_bars import bars as walked
from tests.training.lake_rows import candles_of, write_raw
from training.data.interval_bars import read_interval_bars

START = datetime(2025, 3, 1, tzinfo=UTC)
MINUTE, HOUR = 60, 3600
NOW = START + timedelta(days=3)
price = st.integers(1, 100).map(float)
row = st.tuples(price, price, price, price, price).map(lambda p: (p[0], max(p[:4]), min(p[:4]), p[3], p[4]))


def rows_of(step, most):
    return st.dictionaries(st.integers(0, most - 1), row, max_size=12).map(
        lambda found: {int(START.timestamp()) + place * step: found[place] for place in sorted(found)}
    )


def with_volume(rows):
    """Trade bars need every column."""
    return candles_of(rows).with_columns(volume_quote=1.0, trade_count=1.0, taker_buy_volume=0.0)


@settings(max_examples=40)
@given(
    minutes=rows_of(MINUTE, 200),
    hours=rows_of(HOUR, 30),
    trades=rows_of(MINUTE, 260),
    interval=st.sampled_from(["1m", "5m", "30m", "1h", "4h", "1d"]),
)
def test_bars_are_those_of_a_walk(minutes, hours, trades, interval):
    every = measure_interval(interval)
    expected = walked(minutes, hours, trades, int(every.total_seconds()), HOUR)
    with tempfile.TemporaryDirectory() as folder:
        home = Settings(home=Path(folder) / "var")
        for name, rows in (("candles_1m", candles_of(minutes)), ("candles_1h", candles_of(hours))):
            write_raw(Layout.of(home), name, "BTC", rows)
        write_raw(Layout.of(home), "trade_bars_1m", "BTC", with_volume(trades))
        if not expected:
            with pytest.raises(MissingDataError, match="no bar of BTC at"):
                read_interval_bars(home, "BTC", every, NOW)
            return
        found = read_interval_bars(home, "BTC", every, NOW)
    assert found["event_timestamp"].dt.epoch("s").to_list() == sorted(expected)
    assert found.select("open", "high", "low", "close", "volume").rows() == [
        pytest.approx(tuple(expected[close])) for close in sorted(expected)
    ]


def test_only_closed_bars_in_the_version_known_then(tmp_path):
    home = Settings(home=tmp_path)
    layout = Layout.of(home)
    seconds = int(START.timestamp())
    first = candles_of({seconds + n * HOUR: (1.0, 2.0, 1.0, 2.0, 5.0) for n in range(3)})
    known = first.with_columns(known_at=pl.col("open_time") + pl.duration(hours=1, milliseconds=1))
    corrected = known.with_columns(close=pl.lit(1.5), known_at=pl.col("known_at") + pl.duration(hours=5))
    write_raw(layout, "candles_1h", "BTC", pl.concat([known, corrected.tail(1)]))
    early = read_interval_bars(home, "BTC", timedelta(hours=2), START + timedelta(hours=3, minutes=1))
    assert early["event_timestamp"].to_list() == [START + timedelta(hours=2)]
    late = read_interval_bars(home, "BTC", timedelta(hours=1), START + timedelta(hours=4))
    assert late["close"].to_list() == [2.0, 2.0, 2.0]
    assert read_interval_bars(home, "BTC", timedelta(hours=1), NOW)["close"].to_list() == [2.0, 2.0, 1.5]
    with pytest.raises(MissingDataError, match=r"no bar of BTC at 5 min .* venue okx"):
        read_interval_bars(home, "BTC", timedelta(minutes=5), NOW)
