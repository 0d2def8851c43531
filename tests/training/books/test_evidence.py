"""Evidence about a book against the engine's own measures, and by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.rebalance import Cause
from tests.training.books.markets import make_market, make_panel, make_specs
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.backtest.records import DECISION_SCHEMA, EQUITY_SCHEMA, TRADE_SCHEMA, BacktestResult
from training.books.account import BookCosts
from training.books.bench import BookBench, find_half_capital
from training.books.decision_log import SCHEMA, tabulate_decisions
from training.books.engine import BookTerms, run_book
from training.books.evidence import (
    Variation,
    compute_returns,
    measure_returns,
    split_by_quarter,
    split_by_year,
)
from training.books.history_features import FeatureHistory

FIRST = 2_300
TERMS = BookTerms(100_000.0, BookCosts(5.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def bench():
    market = make_market(7, hours=2_600)
    history, family = FeatureHistory(make_panel(market)), BOOK_FAMILIES["trend_carry_book"]
    return BookBench(history=history, family=family, terms=TERMS, specs=make_specs(market), first=FIRST)


def make_result(start, returns):
    equity = 100.0 * np.cumprod(1.0 + np.asarray(returns))
    rows = [(start + place * timedelta(hours=1), worth, 0.0, 0, 0.0, 0.0) for place, worth in enumerate(equity)]
    return BacktestResult(
        initial_equity=100.0,
        trades=pl.DataFrame(schema=TRADE_SCHEMA),
        equity=pl.DataFrame(rows, schema=EQUITY_SCHEMA, orient="row"),
        decisions=pl.DataFrame(schema=DECISION_SCHEMA),
        unfilled_entries=0,
        funding_unknown_hours=0,
    )


def test_circumstances_are_runs_of_the_engine_with_other_terms(bench):
    from dataclasses import replace

    def run(**changes):
        return run_book(bench.history, bench.family, replace(TERMS, **changes), bench.specs, first=FIRST).result

    dear = {f"costs × {by}": run(costs=BookCosts(5.0 * by, 1.0 * by, 1.0)) for by in (2, 3)}
    expected = {**dear, "filled a day later": run(delay_h=24), "decided at 06:00 UTC": run(phase_h=6)}
    got = {one.name: one for one in (*bench.trade_costs(), bench.trade_late(), bench.trade_hour(6))}
    assert got.keys() == expected.keys()
    for name, result in expected.items():
        np.testing.assert_allclose(got[name].returns, compute_hourly_returns(result), atol=1e-10)
        metrics = measure_performance(result)
        for key, value in got[name].metrics.items():
            assert value == (None if metrics[key] is None else pytest.approx(metrics[key], rel=1e-7, abs=1e-10))
    capital = dict(bench.trade_capitals())
    assert capital[1e5].metrics["net_return"] > capital[1e8].metrics["net_return"]
    rich = run(initial_equity=1e7)
    np.testing.assert_allclose(capital[1e7].returns, compute_hourly_returns(rich), atol=1e-9)


def test_a_name_that_is_left_out_is_one_the_engine_never_sees(bench):
    out = run_book(bench.history, bench.family, TERMS, bench.specs, first=FIRST, leave_out=frozenset({"N01"})).result
    assert bench.leave_out("N01") == measure_returns(compute_hourly_returns(out))["sharpe"]


def test_measures_of_returns_are_those_of_a_backtest():
    returns = np.random.default_rng(3).normal(1e-4, 0.004, 24 * 200)
    result = make_result(datetime(2025, 1, 1, 1, tzinfo=UTC), returns)
    metrics = measure_performance(result)
    for key, value in measure_returns(compute_hourly_returns(result)).items():
        assert value == pytest.approx(metrics[key])


def test_returns_after_a_ruin_are_nothing():
    assert compute_returns(np.array([110.0, 55.0, 0.0, 0.0]), 100.0).tolist() == pytest.approx([0.1, -0.5, -1.0, 0.0])


def test_years_and_quarters_end_at_midnight():
    start = datetime(2024, 12, 31, 23, tzinfo=UTC)
    result = make_result(start, [0.1, 0.2, 0.3])  # ends at 23:00, 00:00 (of the old year), 01:00
    assert [(year, pytest.approx(net)) for year, net, _ in split_by_year(result)] == [(2024, 0.32), (2025, 0.3)]
    assert split_by_quarter(result) == [("2024-Q4", pytest.approx(0.32)), ("2025-Q1", pytest.approx(0.3))]


@pytest.mark.parametrize(
    ("net", "half"), [([0.4, 0.3, 0.1], 10.0**5.5), ([0.4, 0.3, 0.25], None), ([-0.1, -0.2, -0.3], None)]
)
def test_half_of_the_return_is_left_between_two_capitals(net, half):
    capacity = [
        (10.0 ** (4 + place), Variation("", np.zeros(1), {"net_return": value})) for place, value in enumerate(net)
    ]
    found = find_half_capital(capacity)
    assert found == (half and pytest.approx(half))


def test_every_decision_says_why(bench):
    run = bench.run()
    table = tabulate_decisions("trend_carry_book", run, bench.history.panel)
    assert dict(table.schema) == SCHEMA
    assert table.height == sum(len(one.changes) for one in run.decisions)
    unknown = pl.col("cause") == Cause.NOT_KNOWN.value
    wanted = table.filter(pl.col("target") != 0, ~unknown)
    stay = table.filter(unknown)
    assert set(stay["why"]) == {"no features of this close"}
    assert stay["target"].to_list() == stay["held"].to_list()
    assert not stay["traded"].any()
    assert wanted["why"].str.contains("score .* over volatility").all()
    gone = table.filter(pl.col("cause") == "leaves")
    assert (gone["target"] == 0).all()
    assert gone["traded"].all()
