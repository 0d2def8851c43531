from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.raw_datasets import DATASETS
from pairity.errors import UnknownNameError
from tests.validation.frames import MINUTE, NOW, T0, at, candles, feature_rows, funding, of, profile
from validation.row_rules import list_row_rules, mark_feature_offences, mark_offences
from validation.suites import SUITES

NAN = float("nan")


def offending(rows, dataset, rule):
    return rows.filter(mark_offences(of("BTC", rows), dataset, NOW)[rule])


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("null_values", at(50, low=None)),
        ("nonfinite_values", at(50, low=NAN)),
        ("misaligned_times", at(50, open_time=T0 + 50 * MINUTE + timedelta(seconds=7))),
        ("known_too_early", at(50, known_at=T0)),
        ("nonpositive_prices", at(50, low=0.0)),
        ("negative_volumes", at(50, volume_quote=-1.0)),
        ("high_low_violations", at(50, high=1.0)),
    ],
)
def test_the_row_that_breaks_a_rule_is_found(rule, change):
    found = offending(change(candles()), "candles_1m", rule)
    assert found.equals(change(candles()).slice(50, 1))


def test_a_jump_and_back_is_told_at_the_rows_between_whatever_their_order():
    shuffled = at(50, close=1000.0)(candles()).sample(fraction=1.0, shuffle=True, seed=1)
    found = offending(shuffled, "candles_1m", "price_jump")
    assert found["open_time"].to_list() == [T0 + 50 * MINUTE]


def test_both_rows_that_contradict_each_other_are_found():
    rows = pl.concat([candles(), at(7, close=101.0)(candles()).slice(7, 1)])
    found = offending(rows, "candles_1m", "conflicting_duplicates")
    assert found["open_time"].to_list() == [T0 + 7 * MINUTE] * 2
    assert offending(rows, "candles_1m", "duplicate_times").is_empty()


def test_settlements_and_features_too():
    assert offending(funding((0.1, 0.0, -0.2)), "funding", "rates_out_of_bounds").height == 2
    rows = at(3, funding_rate=0.2)(feature_rows())
    marks = mark_feature_offences(ASSET_HOURLY, rows, NOW)
    assert rows.filter(marks["out_of_bounds__funding_rate"]).equals(rows.slice(3, 1))


def test_there_are_as_many_offending_rows_as_the_profile_counts():
    broken = pl.concat([at(50, high=1.0, volume=-2.0)(candles()), candles().slice(3, 2)])
    counts = profile(broken, "candles_1m").row(0, named=True)
    for rule in set(list_row_rules("candles_1m")):
        assert offending(broken, "candles_1m", rule).height == counts[rule], rule


def test_every_rule_on_single_rows_is_one_of_its_suite():
    for dataset, rules in SUITES.items():
        assert set(list_row_rules(dataset)) <= {rule.name for rule in rules}


def test_other_names_are_refused():
    with pytest.raises(UnknownNameError, match="dataset 'trades'"):
        list_row_rules("trades")


def test_open_interest_in_coins_or_usd_is_enough_and_neither_is_missing():
    first = datetime(2024, 5, 1, tzinfo=UTC)
    kind = DATASETS["open_interest"]
    values = [(1.0, None), (None, 2.0), (None, None), (-1.0, None)]
    rows = pl.DataFrame(
        [
            ("BTC", first + timedelta(hours=k), *pair, first + timedelta(hours=k, seconds=1))
            for k, pair in enumerate(values)
        ],
        schema=kind.empty_of_assets().schema,
        orient="row",
    )
    marks = mark_offences(rows, "open_interest", first + timedelta(days=1))
    assert marks["null_values"].to_list() == [False, False, True, False]
    assert marks["negative_volumes"].to_list() == [False, False, False, True]


def test_negative_inflow_is_withheld():
    first = datetime(2024, 5, 1, tzinfo=UTC)
    rows = pl.DataFrame(
        [
            ("BTC", first + timedelta(days=k), value, first + timedelta(days=k + 1, seconds=1))
            for k, value in enumerate((5.0, -0.5, 0.0))
        ],
        schema=DATASETS["inflow"].empty_of_assets().schema,
        orient="row",
    )
    assert mark_offences(rows, "inflow", first + timedelta(days=9))["negative_volumes"].to_list() == [
        False,
        True,
        False,
    ]
