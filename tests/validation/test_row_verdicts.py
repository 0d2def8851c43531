"""Which rows of a batch are held back: those that are affected, and no others."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.validation.frames import MINUTE, NOW, T0, at, candles, funding, of
from validation.row_rules import mark_offences
from validation.row_verdicts import judge_raw_rows

NOTHING = ([], set())


def held(rows, dataset="candles_1m", now=NOW, before=None):
    closes = {} if before is None else {"BTC": before}
    split = judge_raw_rows(of("BTC", rows), dataset, now, closes_before=closes)
    assert split.accepted.height + split.withheld.height == rows.height
    time = rows.columns[0]
    places = [int((t - T0) / MINUTE) for t in split.withheld[time].to_list()]
    return places, set(split.withheld["broken_rules"].explode().to_list())


def scaled(first, last, factor=10.0, minutes=120):
    inside = pl.int_range(pl.len()).is_between(first, last)
    return candles(minutes).with_columns(
        pl.when(inside).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )


@pytest.mark.parametrize(("first", "last"), [(50, 50), (50, 59), (0, 3), (115, 119)])
def test_rows_between_a_jump_and_its_return_are_held_back(first, last):
    assert held(scaled(first, last)) == (list(range(first, last + 1)), {"price_jump"})


def test_a_level_that_stays_is_held_back_from_the_jump_on_where_the_level_before_is_known():
    assert held(scaled(20, 119), before=100.0) == (list(range(20, 120)), {"price_jump"})
    assert held(scaled(0, 119), before=100.0) == (list(range(120)), {"price_jump"})
    assert held(scaled(100, 119)) == (list(range(100, 120)), {"price_jump"})


def test_a_first_price_that_is_wrong_does_not_condemn_the_rest():
    assert held(scaled(0, 2, 0.01)) == ([0, 1, 2], {"price_jump"})


@pytest.mark.parametrize("before", [0.0, -1.0, float("nan"), float("inf")])
def test_a_close_before_that_is_no_price_says_nothing(before):
    assert held(candles(), before=before) == NOTHING


def test_two_jumps_to_different_levels():
    rows = scaled(40, 60)
    higher = pl.int_range(pl.len()).is_between(50, 60)
    rows = rows.with_columns(
        pl.when(higher).then(pl.col(c) * 50).otherwise(pl.col(c)).alias(c) for c in ("open", "high", "low", "close")
    )
    assert held(rows) == (list(range(40, 61)), {"price_jump"})


def test_after_a_hole_of_more_than_an_hour_the_price_may_be_another():
    rows = scaled(60, 179, factor=6.0, minutes=180)
    assert mark_offences(of("BTC", rows), "candles_1m", NOW)["price_jump"].sum() == 60
    with_hole = rows.filter(~pl.int_range(pl.len()).is_between(40, 105))
    assert mark_offences(of("BTC", with_hole), "candles_1m", NOW)["price_jump"].sum() == 0


def without(rows, first, last):
    return rows.filter(~pl.int_range(pl.len()).is_between(first, last))


@pytest.mark.parametrize("factor", [1000.0, 100.0, 10.0, 0.1, 0.001, 11.5, 0.008])
def test_a_redenomination_is_held_back_also_across_a_hole(factor):
    rows = scaled(130, 199, factor=factor, minutes=200)
    assert held(rows, before=100.0) == (list(range(130, 200)), {"price_jump"})
    assert held(without(rows, 100, 163)) == (list(range(164, 200)), {"price_jump"})  # the longer stretch is right
    assert held(without(rows, 60, 129), before=100.0) == (list(range(130, 200)), {"price_jump"})


@pytest.mark.parametrize("factor", [6.0, 3.0, 0.2, 40.0, 0.03, 350.0])
def test_a_price_that_is_another_after_a_hole_by_no_round_factor_is_a_price(factor):
    assert held(without(scaled(130, 199, factor=factor, minutes=200), 60, 129)) == NOTHING


def test_a_redenomination_between_two_holes_is_held_back_to_the_end():
    rows = scaled(130, 399, factor=1000.0, minutes=400)
    later = without(rows, 200, 280)
    held_rows = without(later, 60, 129)
    places = [*range(130, 200), *range(281, 400)]
    assert held(held_rows, before=100.0) == (places, {"price_jump"})


def test_a_stale_run_with_volume_is_held_back_from_its_second_bar_on_a_halt_is_not():
    frozen = dict.fromkeys(("open", "high", "low", "close"), 100.0)

    def stale(volume, length):
        inside = pl.int_range(pl.len()).is_between(30, 29 + length)
        return candles().with_columns(
            pl.when(inside).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in {**frozen, "volume": volume}.items()
        )

    assert held(stale(7.0, 10)) == (list(range(31, 40)), {"stale_bars"})
    assert held(stale(7.0, 9)) == NOTHING
    assert held(stale(0.0, 60)) == NOTHING


@pytest.mark.parametrize(
    ("change", "places", "rule"),
    [
        (at(50, volume=-1.0), [50], "negative_volumes"),
        (at(50, high=1.0), [50], "high_low_violations"),
        (at(50, close=float("nan")), [50], "nonfinite_values"),
        (lambda f: pl.concat([f, at(50, volume=9.0)(f).slice(50, 1)]), [50, 50], "conflicting_duplicates"),
        (
            lambda f: pl.concat(
                [
                    f.head(60),
                    f.slice(10, 5)
                    .with_columns(volume=pl.lit(3.5))
                    .with_columns(pl.col("known_at") + timedelta(hours=3)),
                    f.slice(60),
                ]
            ),
            [10, 11, 12, 13, 14],
            "non_monotone_times",
        ),
        (at(119, open_time=NOW + MINUTE, known_at=NOW + 3 * MINUTE), [2881], "future_times"),
        (
            lambda f: pl.concat([at(119, open_time=NOW + MINUTE, known_at=NOW + 3 * MINUTE)(f).tail(1), f.head(119)]),
            [2881],
            "future_times",
        ),
    ],
)
def test_faults_of_rows(change, places, rule):
    assert held(change(candles())) == (places, {rule})


def test_a_hole_holds_nothing_back():
    assert held(candles().filter(~pl.int_range(pl.len()).is_between(40, 50))) == NOTHING


def test_rates_out_of_bounds():
    assert held(funding((0.0001, 0.2, 0.0001)), "funding") == ([480], {"rates_out_of_bounds"})
