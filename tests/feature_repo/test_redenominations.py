"""Rows in the newest unit: prices and amounts against a loop over rows; money, counts and rates as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from feature_repo.redenominations import NO_CHANGES, Redenomination, Units

T0, HOUR = datetime(2025, 3, 1, tzinfo=UTC), timedelta(hours=1)
PRICES = ("open", "high", "low", "close", "bid_price", "ask_price")
MONEY = (
    "volume_quote",
    "trade_count",
    "funding_rate",
    "open_interest_usd",
    "long_notional",
    "short_notional",
    "inflow",
)


def step(asset, hour, factor):
    return Redenomination(asset=asset, at=T0 + hour * HOUR, factor=factor, stored_at=T0 + 99 * HOUR, reason="announced")


def rows_of(kind, times):
    frame = pl.DataFrame(
        {
            "asset": [asset for asset, _ in times],
            kind.time: [T0 + hour * HOUR for _, hour in times],
            **{name: [3.7 + place + k / 7 for k in range(len(times))] for place, name in enumerate(kind.values)},
        },
        schema_overrides={kind.time: pl.Datetime("us", "UTC"), **dict.fromkeys(kind.values, pl.Float64)},
    )
    return frame.with_columns(pl.col(kind.time).alias("known_at"))


def by_hand(kind, frame, steps):
    out = []
    for row in frame.to_dicts():
        for one in steps:
            if row["asset"] == one.asset and row[kind.time] < one.at:
                for name in kind.values:
                    if name not in MONEY:
                        row[name] = row[name] * (one.factor if name in PRICES else 1.0 / one.factor)
        out.append(row)
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(DATASETS)),
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30)), max_size=12),
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 30), st.sampled_from([1000.0, 0.01, 3.0])), max_size=3),
)
def test_rows_are_those_of_a_loop_and_one_row_has_the_bits_of_many(name, times, changes):
    kind, steps = DATASETS[name], tuple(step(*one) for one in sorted(changes))
    frame, units = rows_of(kind, times), Units(steps)
    found = units.express(kind, frame.lazy()).collect()
    for place, wanted in enumerate(by_hand(kind, frame, steps)):
        row = found.row(place, named=True)
        assert {k: v for k, v in row.items() if k not in kind.values} == {
            k: v for k, v in wanted.items() if k not in kind.values
        }
        assert [row[k] for k in kind.values] == pytest.approx([wanted[k] for k in kind.values], rel=1e-14)
        alone = units.express(kind, frame[place : place + 1].lazy()).collect()
        assert alone.equals(found[place : place + 1])
        own = units.express(kind, frame[place : place + 1].drop("asset").lazy(), row["asset"]).collect()
        assert own.equals(alone.drop("asset"))


def test_without_a_redenomination_the_plan_is_the_same_object():
    rows = rows_of(DATASETS["candles_1m"], [("A", 0)]).lazy()
    assert NO_CHANGES.express(DATASETS["candles_1m"], rows) is rows
    assert Units((step("A", 5, 10.0),)).express(DATASETS["candles_1m"], rows, "B") is rows
    assert Units((step("A", 5, 10.0),)).express(DATASETS["funding"], rows) is rows
