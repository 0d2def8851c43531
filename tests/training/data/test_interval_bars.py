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
from pairity.settings import FeatureSettings, Settings
from pairity.study_settings import measure_interval
from tests.examples import examples
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


@settings(max_examples=examples(80))
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


def still_market(hours, minutes_too):
    """One hour that trades, then `hours` still ones, then one that trades from its 20th minute on; as candles."""
    begin = int(START.timestamp())
    trades, still = (1.0, 2.0, 1.0, 2.0, 5.0), (2.0, 2.0, 2.0, 2.0, 0.0)
    native = {begin: trades} | {begin + (n + 1) * HOUR: still for n in range(hours)}
    native[begin + (hours + 1) * HOUR] = (2.0, 3.0, 2.0, 3.0, 5.0)
    if not minutes_too:
        return {}, native
    minutes = {
        begin + n * MINUTE: still if 60 <= n < 60 * (hours + 1) + 20 else trades for n in range(60 * (hours + 2))
    }
    return minutes, {}


@pytest.mark.parametrize("minutes_too", [False, True])
def test_bars_of_a_dead_contract_are_left_out(tmp_path, minutes_too):
    """Dead at the close of the 27th hour (the 24th still one), until the trade in the 20th minute of the 35th."""
    home = Settings(home=tmp_path)
    minutes, native = still_market(30, minutes_too)
    for name, rows in (("candles_1m", minutes), ("candles_1h", native)):
        write_raw(Layout.of(home), name, "BTC", candles_of(rows))
    hours = read_interval_bars(home, "BTC", timedelta(hours=1), NOW)["event_timestamp"].to_list()
    assert [(at - START) // timedelta(hours=1) for at in hours] == [*range(1, 25), 32]
    four = read_interval_bars(home, "BTC", timedelta(hours=4), NOW)
    assert [(at - START) // timedelta(hours=4) for at in four["event_timestamp"]] == [1, 2, 3, 4, 5, 6, 8]
    assert four["open"][-1] == (1.0 if minutes_too else 2.0)
    if minutes_too:
        fives = read_interval_bars(home, "BTC", timedelta(minutes=5), NOW)["event_timestamp"]
        gone = fives.filter(fives.is_between(START + timedelta(hours=25), START + timedelta(hours=31, minutes=20)))
        assert gone.is_empty()
        assert START + timedelta(hours=31, minutes=25) in fives.to_list()


@pytest.mark.parametrize("minutes_too", [False, True])
def test_a_contract_that_is_dead_from_its_beginning_on_has_no_study(tmp_path, minutes_too):
    """All that is left are the hours before the limit."""
    home = Settings(home=tmp_path).model_copy(update={"features": FeatureSettings(dead_after_hours=2)})
    begin = int(START.timestamp())
    step, count = (MINUTE, 40 * 60) if minutes_too else (HOUR, 40)
    rows = candles_of({begin + n * step: (2.0, 2.0, 2.0, 2.0, 0.0) for n in range(count)})
    write_raw(Layout.of(home), "candles_1m" if minutes_too else "candles_1h", "BTC", rows)
    found = read_interval_bars(home, "BTC", timedelta(hours=1), NOW)
    assert found["event_timestamp"].max() == START + timedelta(hours=2)
