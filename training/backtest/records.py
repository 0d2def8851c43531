"""Records of a backtest: what goes into it and what comes out of it.

Prices and money are USDT floats, sizes are contracts (Decimal), times are aware UTC. A bar is keyed by its **close**.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

import polars as pl

from pairity.margin import MarginMode
from pairity.strategy.types import (
    AssetView,
    Decision,
    ExitReason,
    MarketView,
    PairPosition,
    PairScore,
    Side,
    StrategyState,
)


class PriceBar(NamedTuple):
    """Hourly bar of one asset: prices in USDT."""

    open: float
    high: float
    low: float
    close: float


class Settlement(NamedTuple):
    """Funding settlement: at `time` longs pay `rate` of their notional to shorts (rate > 0)."""

    time: datetime
    rate: float


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """What was known, and what happened, in the market over consecutive hours.

    `hours` are bar closes, ascending, without holes (a missing bar is missing in `bars`, not here). `views` holds, per
    hour, what was *known* at the decision after that close. `bars` holds what happened, whenever it became known.
    `settlements` are ascending per asset. `marks` are the venue's mark prices at instants of settlements: funding is
    paid on them where they are known, else on the close of the bar.
    """

    hours: Sequence[datetime]
    views: Mapping[datetime, Mapping[str, AssetView]]
    bars: Mapping[str, Mapping[datetime, PriceBar]]
    settlements: Mapping[str, Sequence[Settlement]]
    marks: Mapping[str, Mapping[datetime, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HourScores:
    """Scores of one decision: all pairs in universe order, and the correlations known then (by pair_id).

    `train_end` is the last instant seen by the model that gave these scores (None: nothing was learnt).
    """

    scores: tuple[PairScore, ...]
    correlations: dict[str, float | None] = field(default_factory=dict)
    train_end: datetime | None = None


class Policy(Protocol):
    """Decision maker of a backtest: the strategy, or a comparison such as buy-and-hold."""

    protected: bool
    """Whether positions carry a stop-loss and a take-profit."""

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Decide at one close, from what is known then."""
        ...


Quotes = Callable[[str, float, int], float]
"""(asset, price, sign) → what a market order pays at that price: +1 buys at the ask, −1 sells at the bid."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of account and venue. Fees and slippage are basis points of notional per side.

    `fill_model` says how entries fill. `next_open_taker`: at the next bar's open, with slippage and the taker's fee.
    `limit_maker`: a limit order at the close of the decision, filled at that price and the maker's fee if the next bar
    trades *through* it (touching is not enough: others stand in front), else not at all; in that bar a target does not
    count, because the bar's extreme may have come first. Exits pay taker's fee and slippage in both models.

    In `margin_mode` isolated each leg stands on its own margin, notional at entry over `leverage`: it is liquidated
    alone, and loses no more than that margin and the fee of its entry.
    """

    initial_equity: float
    taker_fee_bps: float
    slippage_bps: float
    leverage: int = 1
    maintenance_rate: float = 0.004
    """The venue liquidates when equity falls below this fraction of the notional held, plus the fees of closing it."""
    maker_fee_bps: float = 2.0
    fill_model: Literal["next_open_taker", "limit_maker"] = "next_open_taker"
    margin_mode: MarginMode = MarginMode.CROSS
    quotes: Quotes | None = None
    """Prices of a venue's own quotes, in place of `slippage_bps`."""


@dataclass(slots=True, eq=False)
class OpenLeg:
    """One held instrument: its running money, and what the trade log will record."""

    index: int
    """Place in the entry's legs: 0 is the base."""
    asset: str
    side: Side
    contracts: Decimal
    size: float
    """Base units (contracts × contract value)."""
    reference_price: float
    """Price of the entry before slippage."""
    entry_price: float
    stop_price: float | None
    target_price: float | None
    fees: float
    mark: float
    """Last known close."""
    funding: float = 0.0
    """Paid so far (negative: received)."""
    margin: float = 0.0
    """Margin of its own in isolated margin, less funding paid; 0 in cross margin, where the account stands for it."""
    sign: int = field(init=False)
    """+1 long, −1 short."""

    def __post_init__(self) -> None:
        self.sign = self.side.sign

    @property
    def notional(self) -> float:
        """Size in USDT at the last known close."""
        return self.size * self.mark

    @property
    def unrealised(self) -> float:
        """Profit at the last known close, before fees and funding."""
        return self.sign * self.size * (self.mark - self.entry_price)


@dataclass(slots=True)
class OpenPosition:
    """Held position: the strategy's record of it and the legs that are still open."""

    record: PairPosition
    probability: float
    opened_at: datetime
    """Open of the bar in which it was filled: the close at which it was decided."""
    legs: list[OpenLeg]
    whole: bool = True
    """Whether all legs that were decided on are open; what is left of a broken position is closed."""


class LegExit(NamedTuple):
    """Exit of a leg: the price before slippage, when, and why."""

    reference_price: float
    at: datetime
    reason: ExitReason


TRADE_SCHEMA: dict[str, pl.DataType] = {
    "position_id": pl.String(),
    "leg": pl.Int64(),
    "pair_id": pl.String(),
    "asset": pl.String(),
    "side": pl.String(),
    "contracts": pl.String(),
    "size_base": pl.Float64(),
    "decided_at": pl.Datetime("us", "UTC"),
    "opened_at": pl.Datetime("us", "UTC"),
    "closed_at": pl.Datetime("us", "UTC"),
    "bars_held": pl.Int64(),
    "entry_z": pl.Float64(),
    "entry_probability": pl.Float64(),
    "entry_score": pl.Float64(),
    "entry_reference": pl.Float64(),
    "entry_price": pl.Float64(),
    "stop_price": pl.Float64(),
    "target_price": pl.Float64(),
    "exit_reference": pl.Float64(),
    "exit_price": pl.Float64(),
    "exit_reason": pl.String(),
    "traded_notional": pl.Float64(),
    "gross_pnl": pl.Float64(),
    "slippage": pl.Float64(),
    "leg_pnl": pl.Float64(),
    "fees": pl.Float64(),
    "funding": pl.Float64(),
    "net_pnl": pl.Float64(),
}
"""Trade log: one row per leg, in the order of closing. `leg` 0 is the base; legs of one position share `position_id`
and `opened_at`. Money is USDT: `gross_pnl` at prices before slippage, `leg_pnl` at fill prices, `net_pnl` = leg_pnl −
fees − funding; `funding` > 0 was paid. `bars_held` counts decisions between entry and exit."""

EQUITY_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    "equity": pl.Float64(),
    "exposure": pl.Float64(),
    "positions": pl.Int64(),
    "costs": pl.Float64(),
    "funding": pl.Float64(),
}
"""Equity curve: one row per hour after its events, marked at the close; `exposure` is notional held over equity.
`costs` (fees and slippage) and `funding` are what was paid so far, in USDT."""

DECISION_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    "action": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Trade log, hourly equity and decisions of one policy over one period."""

    initial_equity: float
    trades: pl.DataFrame
    equity: pl.DataFrame
    decisions: pl.DataFrame
    unfilled_entries: int
    """Entries that did not fill in all legs: no bar to fill at, too little margin, or a limit that was not reached."""
    funding_unknown_hours: int
    """Hours times held legs without a known settled funding rate: funding paid in them cannot be booked."""
