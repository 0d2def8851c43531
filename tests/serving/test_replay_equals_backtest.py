"""With two legs and several positions the trading process does what the backtest does, and its books balance."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pairity.settings import StrategySettings
from pairity.timeline import HOUR, floor_to, from_ms
from pairity.universe import inst_id
from serving.journal import Purpose
from tests.oracles.pair_profit import profit_of_position
from tests.serving.pair_replay import Replay, make_history, trade_replay
from tests.training.generated import LAG
from training.backtest.engine import run_backtest
from training.backtest.policies import Strategy
from training.backtest.records import Terms
from training.backtest.trade_log import group_by_position

# Half of the spread is half a basis point: what a market order pays on the kind exchange.
TERMS = Terms(initial_equity=100_000.0, taker_fee_bps=5.0, slippage_bps=0.5)


def strategy(**changes: Any) -> StrategySettings:
    return StrategySettings(
        **{
            "legs": "both",
            "max_concurrent_positions": 3,
            "max_position_usdt": 900.0,
            "stop_bounds": (0.015, 0.02),
            "target_bounds": (0.02, 0.05),
            **changes,
        }
    )


def sum_up_backtest(trades: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Position, end, why, and contracts by leg. Live, a stop is seen at the hour; what is left then goes (leg_risk)."""
    legs = trades.sort("leg").group_by("position_id").agg("asset", "side", "contracts", "exit_reason")
    by_position = {row[0]: row[1:] for row in legs.iter_rows()}
    rows = []
    for row in group_by_position(trades).iter_rows(named=True):
        assets, sides, contracts, reasons = by_position[row["position_id"]]
        reason = "leg_risk" if "other_leg" in reasons else row["exit_reason"]
        rows.append((row["position_id"], row["closed_at"], reason, assets, sides, [Decimal(c) for c in contracts]))
    return rows


def sum_up_replay(replay: Replay) -> list[tuple[Any, ...]]:
    rows = []
    for record in replay.journal.closed_positions():
        legs = record.position.legs
        assert record.close is not None
        rows.append(
            (
                record.position.position_id,
                floor_to(record.close.closed_at, HOUR),
                record.close.exit_reason,
                [leg.asset for leg in legs],
                [leg.side.value for leg in legs],
                [leg.contracts for leg in legs],
            )
        )
    return rows


def check_books(replay: Replay, history: Any) -> None:
    """Every position's profit, fees and funding to the last digit; all of them are the change of the cash."""
    account, journal = replay.account, replay.journal
    owner = {}
    for record in journal.closed_positions():
        for intent in journal.intents(record.position.position_id):
            owner[intent.order_id] = record.position.position_id
        for fill in journal.fills(record.position.position_id):
            owner[fill.order_id] = record.position.position_id
    executions: dict[str, list[Any]] = {}
    for done in account.ledger.executions:
        bill = done.bill
        row = (bill.inst_id, done.side, bill.size, bill.price, abs(done.fee), from_ms(bill.ts_ms))
        executions.setdefault(owner[bill.ord_id], []).append(row)
    net = Decimal(0)
    for record in journal.closed_positions():
        own = executions.pop(record.position.position_id)
        names = {row[0] for row in own}
        settlements = [
            (name, paid.time, Decimal(repr(history.bars[asset][paid.time].close)), Decimal(repr(paid.rate)))
            for asset in history.settlements
            if (name := inst_id(asset)) in names
            for paid in history.settlements[asset]
        ]
        gross, fees, funding, total = profit_of_position(own, settlements, dict.fromkeys(names, Decimal("0.001")))
        close = record.close
        assert close is not None
        assert close.pnl_usdt is not None
        assert close.net_usdt is not None
        assert (Fraction(close.pnl_usdt), close.fees_usdt, close.funding_usdt) == pytest.approx(
            (gross, fees, funding), abs=1e-12
        )
        assert abs(Fraction(close.net_usdt) - total) < Fraction(1, 10**12)
        net += close.net_usdt
    assert executions == {}, "every execution belongs to a position"
    assert abs(account.ledger.cash - Decimal(100_000) - net) < Decimal("1e-12")
    assert account.positions == {}
    assert [algo for algo in account.algos.values() if algo.live] == []
    assert journal.unsettled() == []


def check_legs(replay: Replay) -> None:
    for record in replay.journal.closed_positions():
        sent = replay.journal.intents(record.position.position_id, purpose=Purpose.ENTRY)
        assert {intent.leg for intent in sent} == {0, 1}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("hours", [18, pytest.param(200, marks=pytest.mark.slow)])
def test_the_same_scores_give_the_same_positions_live_and_in_the_backtest(hours: int, tmp_path: Path) -> None:
    history, scores = make_history(5, hours)
    result = run_backtest(history, scores, Strategy(strategy()), TERMS, decision_lag=LAG, train_end=None)
    replay = asyncio.run(trade_replay(history, scores, strategy(), tmp_path / "journal.db"))
    expected, found = sum_up_backtest(result.trades), sum_up_replay(replay)
    assert sorted(found) == sorted(expected)
    assert result.equity["positions"].max() == 3
    assert {"leg_risk", "z_cross"} <= set(Counter(row[2] for row in found))
    check_books(replay, history)
    check_legs(replay)
    replay.journal.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("hours", [9, pytest.param(100, marks=pytest.mark.slow)])
def test_isolated_legs_are_liquidated_live_as_in_the_backtest(hours: int, tmp_path: Path) -> None:
    """At a leverage of 50 a leg is liquidated after 1.6%, before its stop at 2% is met.

    That price is on no tick, and follows from a fill that is on one: with coarse ticks it would not be the same.
    """
    isolated = strategy(margin_mode="isolated", leverage=50, max_position_usdt=90_000.0)
    terms = replace(TERMS, leverage=50, margin_mode=isolated.margin_mode)
    history, scores = make_history(5, hours, dear=1000)
    result = run_backtest(history, scores, Strategy(isolated), terms, decision_lag=LAG, train_end=None)
    replay = asyncio.run(trade_replay(history, scores, isolated, tmp_path / "journal.db"))
    assert sorted(sum_up_replay(replay)) == sorted(sum_up_backtest(result.trades))
    liquidated = {order.inst_id for order in replay.account.orders.values() if order.category == "full_liquidation"}
    assert liquidated
    assert "liquidation" in set(result.trades["exit_reason"])
    assert {order.margin_mode for order in replay.account.orders.values()} == {"isolated"}
    check_books(replay, history)
    check_legs(replay)
    replay.journal.close()


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("margin", ["cross", "isolated"])
@pytest.mark.parametrize("seed", [1, 2])
def test_books_balance_on_an_unkind_exchange_too(seed: int, margin: str, tmp_path: Path) -> None:
    """48 hours, three positions, partial fills, lists that lag: every hour ends equal, and the cash adds up."""
    history, scores = make_history(seed, 48)
    wanted = strategy(margin_mode=margin)
    replay = asyncio.run(trade_replay(history, scores, wanted, tmp_path / "journal.db", unkind_seed=seed))
    assert len(replay.journal.closed_positions()) > 5
    check_books(replay, history)
    replay.journal.close()


def test_the_oracle_of_a_profit_by_hand() -> None:
    """Short 2 at 100 and long 4 at 50, closed at 90 and 49; 0.5 of fees each time; one settlement at 95 and 51."""
    at = from_ms(0)
    later = at + timedelta(hours=9)
    executions = [
        ("A", "sell", 2, 100, 0.5, at),
        ("B", "buy", 4, 50, 0.5, at),
        ("A", "buy", 2, 90, 0.5, later),
        ("B", "sell", 4, 49, 0.5, later),
    ]
    paid = [("A", at + timedelta(hours=8), 95, Fraction(1, 100)), ("B", at + timedelta(hours=8), 51, Fraction(1, 100))]
    gross, fees, funding, net = profit_of_position(executions, paid, {"A": 1, "B": 1})
    assert (gross, fees, funding) == (20 - 4, -2, Fraction(2 * 95 - 4 * 51, 100))
    assert net == gross + fees + funding
