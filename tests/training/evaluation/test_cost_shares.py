"""Costs as shares of gross profit, and turnover by month, against sums by hand."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from tests.training import synthetic_run
from tests.training.evaluation.curves import START, curve
from training.evaluation.cost_shares import PARTS, share_costs, tabulate_turnover


def log(*rows):
    """Trades of (days after the start, gross, slippage, fees, funding, notional)."""
    lines = [
        {
            "closed_at": START + timedelta(days=day),
            "gross_pnl": gross,
            "slippage": slippage,
            "fees": fees,
            "funding": funding,
            "net_pnl": gross - slippage - fees - funding,
            "traded_notional": notional,
        }
        for day, gross, slippage, fees, funding, notional in rows
    ]
    schema = dict.fromkeys((*PARTS, "traded_notional"), pl.Float64) | {"closed_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(lines, schema=schema)


def test_shares_by_hand():
    found = share_costs(log((1, 80.0, 5.0, 10.0, -2.0, 500.0), (2, 20.0, 5.0, 10.0, 4.0, 500.0)))
    assert found.usdt == {"gross_pnl": 100.0, "slippage": 10.0, "fees": 20.0, "funding": 2.0, "net_pnl": 68.0}
    assert found.shares == pytest.approx(
        {"gross_pnl": 1.0, "slippage": 0.1, "fees": 0.2, "funding": 0.02, "net_pnl": 0.68}
    )
    assert found.lacks == ""


@pytest.mark.parametrize("gross", [-5.0, 0.0])
def test_of_a_loss_nothing_is_a_share(gross):
    found = share_costs(log((1, gross, 1.0, 1.0, 0.0, 100.0)))
    assert found.shares == {}
    assert found.lacks == "there is no gross profit: it was lost before costs"
    assert found.usdt["net_pnl"] == gross - 2.0


def test_without_trades_there_is_nothing_to_share():
    found = share_costs(log())
    assert (found.shares, found.lacks) == ({}, "no trade was closed")
    assert set(found.usdt.values()) == {0.0}


def test_the_parts_of_a_real_log_add_up():
    result = synthetic_run.run("both")
    usdt = share_costs(result.trades).usdt
    left = usdt["gross_pnl"] - usdt["slippage"] - usdt["fees"] - usdt["funding"]
    assert left == pytest.approx(usdt["net_pnl"])
    assert usdt["net_pnl"] == pytest.approx(result.equity["equity"][-1] - result.initial_equity)


def test_turnover_by_month_by_hand():
    equity = curve([0.0] * 24 * 60)  # January and February, and an hour of March
    found = tabulate_turnover(log((3, 0, 0, 0, 0, 500.0), (4, 0, 0, 0, 0, 250.0), (40, 0, 0, 0, 0, 2000.0)), equity)
    assert [month.isoformat() for month in found["month"]] == ["2025-01-01", "2025-02-01", "2025-03-01"]
    assert found["turnover"].to_list() == pytest.approx([0.75, 2.0, 0.0])


def test_months_without_trades_turn_nothing_over():
    assert tabulate_turnover(log(), curve([0.0] * 24 * 20))["turnover"].to_list() == [0.0]
    assert tabulate_turnover(log(), curve([])).is_empty()
