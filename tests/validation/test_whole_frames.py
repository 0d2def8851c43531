"""Many instruments in one frame are judged as each of them alone: rows, rules, order and numbers, by plain loops."""

from __future__ import annotations

import math
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from feature_repo.raw_datasets import DATASETS
from tests.examples import examples
from tests.oracles import verdict_loops
from tests.validation.frames import T0, of
from validation.profiles import profile_raw
from validation.row_rules import mark_offences
from validation.row_verdicts import ReleasedRows, judge_raw_rows

NOW = T0 + timedelta(days=3)
HOUR = timedelta(hours=1)
ODD = (None, 0.0, -1.0, 1e300, math.nan, math.inf, -math.inf, 5.0)
FAULTS = (
    "value",
    "value",
    "off the grid",
    "too early",
    "no time",
    "not known",
    "future",
    "twice",
    "contradicted",
    "corrected",
    "late",
    "wide",
)

steps = st.builds(
    dict,
    gap=st.sampled_from([1] * 12 + [2, 70]),
    level=st.sampled_from([1.0] * 15 + [10.0, 0.1, 5.0]),
    frozen=st.sampled_from([0] * 12 + [12]),
    fault=st.sampled_from([None] * 12 + list(FAULTS)),
    place=st.integers(0, 7),
    odd=st.sampled_from(ODD),
)

QUICK = {"candles_1m", "funding", "book_tops"}
"""Datasets of the quick tests: bars with every rule, events without a grid, pairs of prices."""


def quick(*names):
    """Datasets with all that are not quick marked slow."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


def make_rows(kind, drawn):
    """Return the rows of one instrument, as they came, with the faults that were drawn."""
    rows, place, level = [], 0, 100.0
    for number, step in enumerate(drawn):
        place += step["gap"]
        level *= step["level"]
        for _ in range(1 + step["frozen"]):
            time = T0 + place * (kind.every or HOUR)
            shape = {"high": 2.0, "low": -2.0, "bid_price": -0.1, "ask_price": 0.1}
            values = {name: level * (1 + shape.get(name, 0.0) / 100) for name in kind.values}
            values |= {name: number % 7 + 1.0 for name in kind.values if "volume" in name}
            values |= {"funding_rate": 0.0001} if "funding_rate" in values else {}
            row = {kind.time: time, **values, "known_at": time + kind.known_after + timedelta(milliseconds=1)}
            rows.append(row)
            place += step["frozen"] > 0
        name = kind.values[step["place"] % len(kind.values)]
        extra = dict(row)
        if step["fault"] == "value":
            row[name] = step["odd"]
        elif step["fault"] == "off the grid":
            row[kind.time] = time + timedelta(seconds=7)
        elif step["fault"] == "too early":
            row["known_at"] = time - timedelta(seconds=1)
        elif step["fault"] == "no time":
            row[kind.time] = None
        elif step["fault"] == "not known":
            row["known_at"] = None
        elif step["fault"] == "future":
            row[kind.time], row["known_at"] = NOW + HOUR, NOW + 3 * HOUR
        elif step["fault"] == "twice":
            rows.append(extra)
        elif step["fault"] == "contradicted":
            rows.append(extra | {name: 5.0})
        elif step["fault"] == "corrected":
            rows.append(extra | {name: 101.0, "known_at": row["known_at"] + HOUR})
        elif step["fault"] == "late":
            rows.insert(max(0, len(rows) - 4), rows.pop())
        elif step["fault"] == "wide" and "high" in kind.values:
            row["high"] = level * 10
    return rows


@st.composite
def markets(draw, kind):
    """Return rows per instrument, all rows in one frame in some order that keeps theirs, and the closes before."""
    names = ("BTC", "ETH", "B")[: draw(st.integers(1, 3))]
    rows = {name: make_rows(kind, draw(st.lists(steps, min_size=1, max_size=14))) for name in names}
    labels = [name for name in names for _ in rows[name]]
    left = {name: iter(own) for name, own in rows.items()}
    together = [{"asset": name, **next(left[name])} for name in draw(st.permutations(labels) | st.just(labels))]
    frame = pl.DataFrame(together, schema={"asset": pl.String(), **kind.schema})
    closes = draw(st.dictionaries(st.sampled_from(names), st.sampled_from([100.0, 1000.0]), max_size=3))
    return rows, frame, closes if "close" in kind.values else {}


def of_asset(verdicts, asset):
    """Return the accepted and the withheld rows of one instrument."""
    return tuple(rows.filter(asset=asset).drop("asset") for rows in (verdicts.accepted, verdicts.withheld))


@pytest.mark.parametrize(
    "name", quick("candles_1m", "mark_1h", "funding", "book_tops", "open_interest", "trade_bars_1m")
)
def test_each_instrument_is_judged_as_by_loops_over_its_rows(name):
    kind = DATASETS[name]

    @settings(max_examples=examples(120), deadline=None)
    @given(markets(kind), st.booleans())
    def check(market, with_marks):
        rows, frame, closes = market
        marks = mark_offences(frame, name, NOW, closes_before=closes) if with_marks else None
        verdicts = judge_raw_rows(frame, name, NOW, closes_before=closes, marks=marks)
        assert verdicts.accepted.height + verdicts.withheld.height == frame.height
        for asset, own in rows.items():
            places, wrong = verdict_loops.judge(own, kind, NOW, closes.get(asset))
            as_given = pl.DataFrame(own, schema=kind.schema)
            accepted, withheld = of_asset(verdicts, asset)
            assert_frame_equal(accepted, as_given[places])
            assert_frame_equal(withheld.drop("broken_rules"), as_given[[place for place, _ in wrong]])
            assert withheld["broken_rules"].to_list() == [rules for _, rules in wrong]

    check()


@pytest.mark.parametrize("name", ["candles_1m", "funding"])
def test_what_was_released_of_one_instrument_is_accepted_of_it_alone(name):
    kind = DATASETS[name]

    @settings(max_examples=examples(80), deadline=None)
    @given(markets(kind), st.integers(0, 2))
    def check(market, dropped):
        rows, frame, closes = market
        first = judge_raw_rows(frame, name, NOW, closes_before=closes).withheld
        wrong = first.filter(asset="BTC").drop("asset")
        rules = sorted({rule for names in wrong["broken_rules"].to_list() for rule in names})[dropped:]
        released = [ReleasedRows("BTC", frozenset(rules), wrong, NOW)]
        verdicts = judge_raw_rows(frame, name, NOW, closes_before=closes, released=released)
        for asset, own in rows.items():
            known = [(rules, wrong.drop("broken_rules").to_dicts())] if asset == "BTC" else ()
            places, expected = verdict_loops.judge(own, kind, NOW, closes.get(asset), known)
            accepted, withheld = of_asset(verdicts, asset)
            assert_frame_equal(accepted, pl.DataFrame(own, schema=kind.schema)[places])
            assert withheld["broken_rules"].to_list() == [names for _, names in expected]

    check()


@pytest.mark.parametrize("name", quick(*sorted(DATASETS)))
def test_a_profile_of_many_instruments_has_the_numbers_of_each_alone(name):
    kind = DATASETS[name]

    @settings(max_examples=25, deadline=None)
    @given(markets(kind), st.sampled_from(["", "binance"]))
    def check(market, venue):
        rows, frame, closes = market
        together = profile_raw(frame, name, "2025-04", NOW, closes_before=closes, venue=venue)
        assert together["key"].to_list() == [
            f"{asset}/2025-04" + (f"/{venue}" if venue else "") for asset in frame["asset"].unique(maintain_order=True)
        ]
        for asset, own in rows.items():
            only = of(asset, pl.DataFrame(own, schema=kind.schema))
            alone = profile_raw(only, name, "2025-04", NOW, closes_before=closes, venue=venue)
            assert_frame_equal(together.filter(pl.col("key").str.starts_with(f"{asset}/")), alone)

    check()
