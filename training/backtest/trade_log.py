"""The trade log: its rows, one per leg, and the positions that they make up."""

from __future__ import annotations

from typing import Any

import polars as pl

from pairity.strategy.types import PairPosition
from training.backtest.records import LegExit, OpenLeg, OpenPosition

_SUMS = ("traded_notional", "gross_pnl", "slippage", "leg_pnl", "fees", "funding", "net_pnl")


def make_trade_row(
    position: OpenPosition, held: PairPosition, leg: OpenLeg, leg_exit: LegExit, price: float
) -> dict[str, Any]:
    """Make the row (TRADE_SCHEMA) of a leg that was closed at `price`; its fees and funding must be complete."""
    gross = leg.sign * leg.size * (leg_exit.reference_price - leg.reference_price)
    leg_pnl = leg.sign * leg.size * (price - leg.entry_price)
    return {
        "position_id": held.position_id,
        "leg": leg.index,
        "pair_id": held.pair.pair_id,
        "asset": leg.asset,
        "side": leg.side.value,
        "contracts": str(leg.contracts),
        "size_base": leg.size,
        "decided_at": position.opened_at,
        "opened_at": position.opened_at,
        "closed_at": leg_exit.at,
        "bars_held": held.bars_held,
        "entry_z": held.entry_z,
        "entry_probability": position.probability,
        "entry_score": held.entry_score,
        "entry_reference": leg.reference_price,
        "entry_price": leg.entry_price,
        "stop_price": leg.stop_price,
        "target_price": leg.target_price,
        "exit_reference": leg_exit.reference_price,
        "exit_price": price,
        "exit_reason": leg_exit.reason.value,
        "traded_notional": leg.size * (leg.entry_price + price),
        "gross_pnl": gross,
        "slippage": gross - leg_pnl,
        "leg_pnl": leg_pnl,
        "fees": leg.fees,
        "funding": leg.funding,
        "net_pnl": leg_pnl - leg.fees - leg.funding,
    }


def group_by_position(trades: pl.DataFrame) -> pl.DataFrame:
    """Return a trade log by position, in the order of opening. Win rates, holding times and counts refer to these rows.

    Columns: position_id, pair_id, opened_at, closed_at (of the last leg), legs (number), exit_reason (of the leg that
    was closed first) and the sums of money over the legs in USDT.
    """
    return (
        trades.group_by("position_id", "pair_id", "opened_at", maintain_order=True)
        .agg(
            pl.col("closed_at").max(),
            pl.len().cast(pl.Int64).alias("legs"),
            pl.col("exit_reason").first(),
            *(pl.col(name).sum() for name in _SUMS),
        )
        .sort("opened_at", maintain_order=True)
    )
