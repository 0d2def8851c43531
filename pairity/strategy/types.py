"""Records that go into and come out of the decision function.

Sizes are contracts, prices quote units (USDT), rates fractions per funding interval. `None` means *not known*: nothing
here stands in for a missing number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from pairity.margin import MarginMode, is_cross
from pairity.universe import ContractSpec, Pair

Margin = Annotated[MarginMode, Field(exclude_if=is_cross)]
"""Margin mode of a record. Written as JSON only where it is not cross: records from before there was a choice say no
other, and stay the same bytes."""

Threshold = Annotated[float | None, Field(exclude_if=lambda value: value is None)]
"""Threshold of a model in a record. Written as JSON only where there is one, for the same reason."""


class Side(StrEnum):
    """Side of an order or of one leg."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a long leg, −1 for a short one."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The side that closes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Action(StrEnum):
    """Action of a decision."""

    HOLD = "hold"
    OPEN = "open"
    CLOSE = "close"
    SWITCH = "switch"
    """Exits and entries that depend on them."""
    REBALANCE = "rebalance"
    """Exits and entries that do not depend on each other (portfolios of many assets, in backtests)."""


class ExitReason(StrEnum):
    """Why a position is closed."""

    Z_CROSS = "z_cross"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    DATA_MISSING = "data_missing"
    SWITCH = "switch"
    LIQUIDATION = "liquidation"
    OTHER_LEG = "other_leg"
    """The other leg of the pair is gone: what is left was never decided on."""
    SIGNAL = "signal"
    """A forecast does not ask for the position any more."""
    END = "end_of_data"


@dataclass(frozen=True, slots=True)
class AssetView:
    """One asset at the decision: all values known at `event_timestamp`, the close of the last closed bar.

    `atr` is ATR(14) in price units, `volatility` the std of hourly returns over 24 bars, `funding_rate` the last
    settled rate, `funding_interval_h` the hours that it is of (None: not known; 8 where a caller names none). `spec` is
    None where the venue's contract is unknown: the asset is then not traded.
    """

    asset: str
    close: float | None
    atr: float | None
    volatility: float | None
    funding_rate: float | None
    spec: ContractSpec | None
    funding_interval_h: float | None = 8.0

    @property
    def funding_per_hour(self) -> float | None:
        """Settled rate per hour of its interval, by which rates are compared; None where one of the two is unknown."""
        if self.funding_rate is None or not self.funding_interval_h:
            return None
        return self.funding_rate / self.funding_interval_h


@dataclass(frozen=True, slots=True)
class PairScore:
    """One pair at the decision. `unusable` says why the pair must not be traded (stale, missing, quarantined).

    `hedge_ratio` is USDT of the quote leg per USDT of the base leg; only a strategy of two legs asks for it.
    `threshold` is the probability above which the model that scored the pair says that a position pays; None: it says
    nothing of it.
    """

    pair: Pair
    z: float | None
    probability: float | None
    unusable: str | None = None
    hedge_ratio: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class MarketView:
    """View of the market at the decision: everything that is known then besides the scores.

    `correlations` are the 168h return correlations of asset pairs, keyed by `pair_id` in universe order.
    """

    decision_time: datetime
    event_timestamp: datetime
    assets: dict[str, AssetView]
    correlations: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leg:
    """One instrument of a pair position."""

    asset: str
    side: Side
    contracts: Decimal
    entry_price: float
    stop_price: float | None = None
    target_price: float | None = None


@dataclass(frozen=True, slots=True)
class PairPosition:
    """One position in one pair: direction −1 is short the spread (short base), +1 long the spread.

    `last_z` is the newest z-score seen while the position was held (the exit looks for its crossing);
    `missing_bars` counts consecutive decisions at which the pair could not be scored. All legs are in `margin_mode`,
    whatever the settings say since.
    """

    position_id: str
    pair: Pair
    direction: int
    legs: tuple[Leg, ...]
    opened_at: datetime
    entry_z: float
    entry_score: float
    last_z: float
    bars_held: int = 0
    missing_bars: int = 0
    margin_mode: Margin = MarginMode.CROSS


@dataclass(frozen=True, slots=True)
class StrategyState:
    """State of the strategy from one decision to the next, with the balance that the venue reports."""

    available_usdt: float
    positions: tuple[PairPosition, ...] = ()
    bars_since_exit: int | None = None
    """Decisions since the last exit; None if nothing was closed yet."""
    correlations: dict[str, float | None] = field(default_factory=dict)
    """The correlation matrix in force (refreshed every `correlation_refresh_bars`), keyed by `pair_id`."""
    correlations_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PairAssessment:
    """One line of the decision record: the score and, if the pair was not taken, why.

    `threshold` is the model's own, where the decision went by it.
    """

    pair: Pair
    z: float | None
    probability: float | None
    divergence_score: float | None
    rejected: str | None
    hedge_ratio: float | None = None
    threshold: Threshold = None


@dataclass(frozen=True, slots=True)
class StopRule:
    """Distances of stop and target from an entry price that is not known yet.

    Distances are in price units (None: not known, the defaults apply); bounds and defaults are fractions of the entry.
    """

    stop_distance: float | None
    target_distance: float | None
    stop_bounds: tuple[float, float]
    target_bounds: tuple[float, float]
    stop_default: float
    target_default: float


@dataclass(frozen=True, slots=True)
class LegOrder:
    """One leg to be traded. `reference_price` is the last close; stops follow from the actual fill by `stops`."""

    asset: str
    side: Side
    contracts: Decimal
    reference_price: float
    stops: StopRule


@dataclass(frozen=True, slots=True)
class Entry:
    """Position to open; `position_id` is made of pair and bar, so that the same decision always gives the same id."""

    position_id: str
    pair: Pair
    direction: int
    z: float
    probability: float
    score: float
    legs: tuple[LegOrder, ...]
    margin_mode: Margin = MarginMode.CROSS


@dataclass(frozen=True, slots=True)
class Exit:
    """Position to close, and why."""

    position_id: str
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Decision:
    """Outcome of one decision. `state` is the state to carry on, with held positions aged by this bar."""

    action: Action
    reason: str
    scores: tuple[PairAssessment, ...]
    exits: tuple[Exit, ...]
    entries: tuple[Entry, ...]
    state: StrategyState
