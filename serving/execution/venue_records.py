"""Records of the venue as the trading process knows it: orders, protective orders, executions, positions, account.

Sizes are contracts, prices quote units, both Decimal; times are aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple

from pairity.margin import MarginMode
from pairity.strategy.types import Side


class OrderState(StrEnum):
    """State of an order on the venue."""

    LIVE = "live"
    FILLED = "filled"
    CANCELLED = "cancelled"


class AlgoState(StrEnum):
    """State of a protective order: `live` rests, `effective` was triggered."""

    LIVE = "live"
    EFFECTIVE = "effective"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Missing:
    """The venue's explicit answer that the order does not exist. Right after placement that may be premature."""

    answer: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """No usable answer: nothing follows from it."""

    answer: str


@dataclass(frozen=True, slots=True)
class AttachedStops:
    """Stop-loss and take-profit that come to life with the parent's fill; both execute at market."""

    client_order_id: str
    stop: Decimal
    target: Decimal


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order, or with `limit_price` one that rests at that price or is cancelled (post-only).

    `tag` names it for the venue's dead man's switch.
    """

    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    reduce_only: bool = False
    attached: AttachedStops | None = None
    limit_price: Decimal | None = None
    tag: str = ""
    margin_mode: MarginMode = MarginMode.CROSS


@dataclass(frozen=True, slots=True)
class ProtectionRequest:
    """A one-cancels-the-other stop and target, reduce-only, executed at market. `side` is the closing side.

    Without a target it is a stop alone.
    """

    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    stop: Decimal
    target: Decimal | None
    margin_mode: MarginMode = MarginMode.CROSS


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A limit order to buy that can only be cancelled at once: it is executed now or never, far below the market."""

    client_order_id: str
    instrument: str
    contracts: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue shows it; `average_price` is None until something was filled."""

    order_id: str
    client_order_id: str
    instrument: str
    side: Side
    state: OrderState
    contracts: Decimal
    filled_contracts: Decimal
    average_price: Decimal | None
    reduce_only: bool
    category: str
    """`normal`, or what the venue did on its own: `full_liquidation`, `partial_liquidation`, `adl`."""
    updated_at: datetime
    cancel_source: str = ""
    """The venue's own code of who or what cancelled it; empty where it was not, or the venue does not say."""
    margin_mode: str = ""
    """`cross` or `isolated`; empty: not said."""


@dataclass(frozen=True, slots=True)
class VenueAlgo:
    """A protective order; `contracts` None means the whole position. `order_id` is the order that the trigger sent.

    `margin_mode` is `cross` or `isolated`: it closes positions of its own mode only. Empty: not said.
    """

    algo_id: str
    client_order_id: str
    instrument: str
    side: Side
    state: AlgoState
    contracts: Decimal | None
    stop: Decimal | None
    target: Decimal | None
    triggered: Literal["sl", "tp"] | None
    order_id: str | None
    reduce_only: bool
    margin_mode: str
    created_at: datetime | None = None
    """When it was placed; None where the venue does not say."""


OrderLookup = VenueOrder | Missing | Unclear
AlgoLookup = VenueAlgo | Missing | Unclear


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution; `fee` is in `fee_currency`, negative where charged; `pnl_usdt` gross (0 when opening)."""

    trade_id: str
    order_id: str
    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    pnl_usdt: Decimal
    forced: bool
    """Executed by the venue: liquidation or deleveraging."""
    at: datetime


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """A position that is not zero; `contracts` is signed (negative: short)."""

    instrument: str
    contracts: Decimal
    average_price: Decimal
    mark_price: Decimal | None
    unrealised_pnl_usdt: Decimal | None
    margin_mode: str = MarginMode.CROSS
    """`cross` or `isolated`: the venue keeps both beside each other, and ours is the one in its position's own mode."""
    margin_usdt: Decimal | None = None
    """The margin of an isolated position, which is no longer in the account's cash; None for one in cross margin."""
    funding_usdt: Decimal | None = None
    """Funding since it was opened, negative where paid; for reading, nothing trades on it. None: not said."""
    updated_at: datetime | None = None
    """When its size last changed, by the venue's clock; None: not said."""
    margin_ratio: Decimal | None = None
    """Margin of an isolated position in multiples of what it must have; at 1 of that the venue liquidates it.

    None: not said, or in cross margin, where the account has one for all.
    """
    liquidation_price: Decimal | None = None
    """Mark price at which the venue would liquidate it, for reading; None: not said, or there is none."""

    @property
    def side(self) -> Side:
        """The side that opened it."""
        return Side.BUY if self.contracts > 0 else Side.SELL


@dataclass(frozen=True, slots=True)
class SettledFunding:
    """The funding rate that was settled last, and the hours that it is taken to be of.

    Hours are the shorter of the two intervals around the coming settlement: a venue that shortens or lengthens them
    does not say which one the last rate was of, and a rate is rather taken for larger than it was. None: not said.
    """

    rate: Decimal
    hours: Decimal | None


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """A row of the history of positions: `contracts` were closed of one opened at `opened_at`; `whole`: all of it."""

    instrument: str
    side: Side
    margin_mode: str
    contracts: Decimal
    whole: bool
    opened_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """Mode and permissions. `level` 1 is spot only (no swaps); positions are traded in `position_mode` net_mode.

    `addresses` are those that the key is bound to, as the venue writes them; empty where it is bound to none.
    `isolated_transfers` says how margin gets into isolated positions: `automatic` with an order, else by hand; empty:
    not said.
    """

    uid: str
    level: str
    position_mode: str
    permissions: str
    addresses: str = ""
    isolated_transfers: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """Balance of one currency: equity, and what is available for new positions.

    `margin_ratio` is the equity in multiples of the maintenance margin; None while nothing takes margin.
    """

    currency: str
    equity: Decimal
    available: Decimal
    margin_ratio: Decimal | None = None


class BestPrices(NamedTuple):
    """Best prices of an instrument's book."""

    bid: Decimal
    ask: Decimal

    def own_side(self, side: Side) -> Decimal:
        """Return the price at which an order of `side` joins the queue without taking."""
        return self.bid if side is Side.BUY else self.ask


class BillKind(StrEnum):
    """Kind of a bill: what changed a balance."""

    TRADE = "trade"
    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"
    TRANSFER = "transfer"
    INTEREST = "interest"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class VenueBill:
    """One change of a balance, in `currency`: `change` led to `balance`, and holds `fee` and `pnl`.

    `fee` is negative where it was charged; `pnl` is a trade's gross result or the funding, negative where paid. `code`
    is the venue's own type and sub-type. Ids and the instrument are empty where the bill has none.
    """

    bill_id: str
    at: datetime
    kind: BillKind
    code: str
    instrument: str
    currency: str
    change: Decimal
    balance: Decimal
    fee: Decimal
    pnl: Decimal
    order_id: str
    client_order_id: str
    trade_id: str
    margin_mode: str = ""
    """Margin mode of the position that it is about; empty where it is about none, or the venue does not say."""
