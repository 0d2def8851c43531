"""A fall that the whole market shares is no wrong price; what one instrument does alone, or data do, is held."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from validation.row_verdicts import judge_raw_rows

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = ("ADA", "BNB", "BTC", "ETH", "SOL", "XRP")


def frame(factors, bars=60, at=40, *, back_at=None, hole=0, names=NAMES, only=None):
    """Quiet hours whose prices are `factors[asset]` (by default `factors["*"]`) of what they were from bar `at` on."""
    rows = []
    for number, asset in enumerate(names):
        factor = factors.get(asset, factors.get("*", 1.0))
        for bar in range(bars):
            moved = factor if bar >= at and (back_at is None or bar < back_at) else 1.0
            close = 100.0 * (number + 1) * moved * (1 + 0.01 * math.sin(bar + number))
            later = hole if bar >= at else 0
            if only is None or bar == only:
                rows.append((asset, T0 + (bar + later) * HOUR, close))
    times = pl.DataFrame(
        rows, schema={"asset": pl.String, "open_time": pl.Datetime("us", "UTC"), "close": pl.Float64}, orient="row"
    )
    price = pl.col("close")
    return times.select(
        "asset",
        "open_time",
        price.alias("open"),
        (price * 1.001).alias("high"),
        (price * 0.999).alias("low"),
        price,
        pl.lit(5.0).alias("volume") + price,
        *(pl.lit(None, pl.Float64).alias(name) for name in ("volume_quote", "taker_buy_volume")),
        pl.lit(None, pl.Int64).alias("trade_count"),
        (pl.col("open_time") + HOUR + timedelta(milliseconds=1)).alias("known_at"),
    )


def held(rows, closes_before=None):
    verdicts = judge_raw_rows(rows, "candles_1h", T0 + 9000 * HOUR, closes_before=closes_before or {})
    return dict(sorted(verdicts.withheld.group_by("asset").len().iter_rows()))


@pytest.mark.parametrize("factor", [0.1, 0.12, 0.2, 0.06, 9.0])
@pytest.mark.parametrize("hole", [0, 30, 200])
def test_what_the_whole_market_does_is_not_held(factor, hole):
    assert held(frame({"*": factor}, hole=hole)) == {}


@pytest.mark.parametrize("factor", [0.1, 0.001, 1000.0, 0.15])
def test_what_one_instrument_does_alone_is_held(factor):
    assert held(frame({"XRP": factor})) == {"XRP": 20}


def test_two_redenominations_at_one_time_are_held():
    assert held(frame({"XRP": 1000.0, "ADA": 0.01})) == {"ADA": 20, "XRP": 20}


def test_a_redenomination_within_a_crash_is_held_and_what_does_not_fall_is_not():
    assert held(frame({"*": 0.1, "XRP": 100.0, "BNB": 1.0})) == {"XRP": 20}
    assert held(frame({"*": 0.1, "XRP": 0.0001, "BNB": 0.5})) == {"XRP": 20}


@pytest.mark.parametrize("factor", [1000.0, 0.001, 100.0])
def test_no_market_moves_by_a_factor_of_a_hundred_within_a_bar(factor):
    assert held(frame({"*": factor})) == dict.fromkeys(NAMES, 20)


def test_a_level_that_all_instruments_leave_again_within_a_day_is_held():
    assert held(frame({"*": 0.1}, back_at=43)) == dict.fromkeys(NAMES, 3)


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[:3]])
def test_few_instruments_are_no_market(names):
    assert set(held(frame({"*": 0.1}, names=names))) == set(names)


def test_a_live_hour_of_a_crash_is_judged_by_the_closes_before_it():
    before = dict(frame({}, only=39).select("asset", "close").iter_rows())
    assert held(frame({"*": 0.1}, only=40), before) == {}
    assert held(frame({"*": 0.1, "XRP": 100.0}, only=40), before) == {"XRP": 1}
    assert held(frame({"XRP": 0.1}, only=40), before) == {"XRP": 1}
