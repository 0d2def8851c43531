"""Tables of a result, by hand, and cost stress against really trading at other costs."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import StrategySettings
from tests.training.generated import LAG, random_market
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.records import Terms
from training.evaluation.breakdown import compute_monthly_returns, list_worst_drawdowns, summarise_by
from training.evaluation.costs import compound_at_costs, stress_costs

START = datetime(2024, 1, 31, 20, tzinfo=UTC)


def curve(values):
    times = [START + timedelta(hours=index) for index in range(len(values))]
    return pl.DataFrame({"time": times, "equity": values}, schema_overrides={"time": pl.Datetime("us", "UTC")})


def test_months_multiply_to_the_whole():
    months = compute_monthly_returns(curve([100.0, 110.0, 99.0, 120.0, 90.0, 132.0]), 100.0)
    assert months.rows() == [(2024, 1, pytest.approx(0.2)), (2024, 2, pytest.approx(0.1))]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(1.0, 200.0), min_size=1, max_size=40))
def test_the_deepest_drawdown_is_the_deepest_and_they_do_not_overlap(values):
    table = list_worst_drawdowns(curve(values), 100.0, count=99)
    peak = np.maximum.accumulate([100.0, *values])[1:]
    deepest = float((1 - np.array(values) / peak).max())
    assert (table["depth"][0] if table.height else 0.0) == pytest.approx(deepest)
    spans = sorted(
        (a or START - timedelta(hours=1), b or START + timedelta(days=99))
        for a, b in table.select("start", "end").iter_rows()
    )
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_drawdown_that_lasts_has_no_end():
    table = list_worst_drawdowns(curve([110.0, 99.0, 105.0]), 100.0)
    assert table.row(0, named=True) == {
        "start": START,
        "trough": START + timedelta(hours=1),
        "end": None,
        "depth": pytest.approx(0.1),
        "hours": 2,
    }
    assert list_worst_drawdowns(curve([101.0, 102.0]), 100.0).is_empty()


def backtest(fee, slippage, seed=3):
    history, scores = random_market(seed)
    terms = Terms(initial_equity=1000.0, taker_fee_bps=fee, slippage_bps=slippage)
    return run_backtest(history, scores, Strategy(StrategySettings()), terms, decision_lag=LAG, train_end=None)


def test_stress_is_near_what_trading_at_those_costs_gives():
    base = backtest(5.0, 1.0)
    assert base.trades.height > 3
    table = stress_costs(base.trades, base.equity, 1000.0, (0.0, 1.0, 2.0))
    actual = {factor: backtest(5.0 * factor, factor) for factor in (0.0, 1.0, 2.0)}
    for factor, _, net in table.iter_rows():
        result = actual[factor]
        assert net == pytest.approx(result.equity["equity"][-1] / 1000.0 - 1.0, abs=0.01 if factor != 1.0 else 1e-9)
    assert table["cost_bps_per_side"][1] == pytest.approx(6.0, abs=0.01)


def test_without_trades_nothing_costs_anything():
    idle = backtest(5.0, 1.0)
    flat = idle.equity.with_columns(equity=pl.lit(1000.0), costs=pl.lit(0.0), funding=pl.lit(0.0))
    table = stress_costs(idle.trades.clear(), flat, 1000.0, (1.0,))
    assert table.row(0) == (1.0, None, 0.0)


def by_hand(equity, initial, factor, funding):
    """Hour by hour, in a loop: an account that earns the same share and pays its own costs."""
    own, before, costs, paid = 1.0, initial, 0.0, 0.0
    for row in equity.iter_rows(named=True):
        if before <= 0:
            break
        earned = row["equity"] - before + (row["costs"] - costs) + (row["funding"] - paid)
        earned -= factor * (row["costs"] - costs) + (row["funding"] - paid if funding else 0.0)
        own *= max(1.0 + earned / before, 0.0)
        before, costs, paid = row["equity"], row["costs"], row["funding"]
    return own - 1.0


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("funding", [False, True])
def test_compounding_at_other_costs_is_a_loop_over_hours(factor, funding):
    equity = backtest(25.0, 10.0).equity
    found = compound_at_costs(equity, 1000.0, factor, funding=funding)
    assert found == pytest.approx(by_hand(equity, 1000.0, factor, funding), abs=1e-12)
    if (factor, funding) == (1.0, True):
        assert found == pytest.approx(equity["equity"][-1] / 1000.0 - 1.0, abs=1e-12)


def test_what_costs_took_goes_on_earning_in_the_gross_return():
    """An account that doubles each hour before costs and loses half to them: flat, and gross is 2 to the hours."""
    equity = pl.DataFrame({"equity": [100.0] * 10, "costs": [100.0 * hour for hour in range(1, 11)], "funding": 0.0})
    assert compound_at_costs(equity, 100.0, 0.0, funding=False) == pytest.approx(2.0**10 - 1)
    assert compound_at_costs(equity, 100.0, 1.0, funding=False) == pytest.approx(0.0)
    ruined = pl.DataFrame({"equity": [50.0, -1.0, 70.0], "costs": [0.0] * 3, "funding": [0.0] * 3})
    assert compound_at_costs(ruined, 100.0, 1.0, funding=True) == -1.0


def test_months_after_a_ruin_earn_nothing():
    times = [datetime(2025, month, 1, 5, tzinfo=UTC) for month in (1, 2, 3, 4)]
    equity = pl.DataFrame({"time": times, "equity": [50.0, 0.0, 0.0, 0.0]})
    assert compute_monthly_returns(equity, 100.0)["return"].to_list() == [-0.5, -1.0, 0.0, 0.0]


def test_groups_hold_all_trades():
    trades = backtest(5.0, 1.0).trades
    for column in ("exit_reason", "side", "pair_id"):
        table = summarise_by(trades, column)
        assert table["trades"].sum() == trades.height
        assert table["net_pnl"].sum() == pytest.approx(trades["net_pnl"].sum())
        assert table["net_pnl"].to_list() == sorted(table["net_pnl"], reverse=True)
