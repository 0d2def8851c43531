"""The venue as the trading process needs it: a port of typed records. Adapters speak the wire.

Sizes are contracts, prices quote units, both Decimal; times are aware UTC. Every method may raise
VenueUnreachableError, VenueAnswerError and CredentialsError; *an answer that cannot be read is never taken for an
empty one*. Methods that write may raise OrderUnknownError (outcome not known) and VenueRejectedError (a definite no).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from pairity.strategy.types import Side


class OrderState(StrEnum):
    """Where an order stands on the venue."""

    LIVE = "live"
    FILLED = "filled"
    CANCELLED = "cancelled"


class AlgoState(StrEnum):
    """Where a protective order stands: `live` rests, `effective` was triggered."""

    LIVE = "live"
    EFFECTIVE = "effective"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Missing:
    """The venue said, in so many words, that the order does not exist. Right after placement that may be premature."""

    answer: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """No usable answer to the question: nothing follows from it."""

    answer: str


@dataclass(frozen=True, slots=True)
class AttachedStops:
    """Stop-loss and take-profit that come to life with the parent's fill; both execute at market."""

    client_order_id: str
    stop: Decimal
    target: Decimal


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order."""

    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    reduce_only: bool = False
    attached: AttachedStops | None = None


@dataclass(frozen=True, slots=True)
class ProtectionRequest:
    """A one-cancels-the-other stop and target, reduce-only, executed at market. `side` is the closing side."""

    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    stop: Decimal
    target: Decimal


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
    """`normal`, or what the venue did to us: `full_liquidation`, `partial_liquidation`, `adl`."""
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class VenueAlgo:
    """A protective order; `contracts` None means the whole position. `order_id` is what the trigger sent."""

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


OrderLookup = VenueOrder | Missing | Unclear
AlgoLookup = VenueAlgo | Missing | Unclear


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One execution; `fee_usdt` negative where charged, `pnl_usdt` gross (0 when opening)."""

    trade_id: str
    order_id: str
    client_order_id: str
    instrument: str
    side: Side
    contracts: Decimal
    price: Decimal
    fee_usdt: Decimal
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

    @property
    def side(self) -> Side:
        """The side that opened it."""
        return Side.BUY if self.contracts > 0 else Side.SELL


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """`level` 1 is spot only (no swaps); `position_mode` net_mode is the one that is traded in."""

    uid: str
    level: str
    position_mode: str
    permissions: str


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency: equity and what is available for new positions."""

    currency: str
    equity: Decimal
    available: Decimal


class VenuePort(Protocol):
    """What executors, reconciliation and the account view ask of a venue."""

    async def server_time(self) -> datetime:
        """The venue's clock."""
        ...

    async def account_config(self) -> AccountConfig:
        """Mode and permissions of the account."""
        ...

    async def ensure_net_mode(self) -> None:
        """Put the account into net position mode; ConfigError where the account cannot trade swaps that way."""
        ...

    async def ensure_leverage(self, instrument: str, leverage: int) -> None:
        """Set the cross leverage of an instrument, and read it back."""
        ...

    async def balance(self) -> Balance:
        """The USDT balance; VenueAnswerError where the answer does not hold one."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """All currencies with a balance."""
        ...

    async def positions(self) -> Mapping[str, VenuePosition]:
        """Swap positions that are not zero, by instrument."""
        ...

    async def place(self, request: OrderRequest) -> str:
        """Send an order, once; the venue's order id."""
        ...

    async def find_order(self, instrument: str, client_order_id: str) -> OrderLookup:
        """Look an order up; one question, no repetition, no unreachable venue as an exception."""
        ...

    async def cancel(self, instrument: str, client_order_id: str) -> None:
        """Ask for a cancellation; look the order up to learn the outcome."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Orders that rest or are partly filled."""
        ...

    async def place_protection(self, request: ProtectionRequest) -> str:
        """Send a protective order, once; the venue's algo id."""
        ...

    async def find_algo(self, instrument: str, client_order_id: str) -> AlgoLookup:
        """Look a protective order up, in whatever state; like `find_order`."""
        ...

    async def algo_orders(self) -> Sequence[VenueAlgo]:
        """Protective orders (conditional, oco) that rest on the venue."""
        ...

    async def cancel_algo(self, instrument: str, algo_id: str) -> None:
        """Cancel a protective order; one that is gone already is no error."""
        ...

    async def fills(self, instrument: str | None, since: datetime) -> Sequence[VenueFill]:
        """Executions from `since` on, oldest first."""
        ...

    async def recent_orders(self) -> Sequence[VenueOrder]:
        """The newest finished orders, newest first."""
        ...

    async def funding_paid(self, instrument: str, since: datetime, until: datetime) -> Decimal:
        """Sum of funding in [since, until] in USDT; negative where it was paid."""
        ...

    async def last_price(self, instrument: str) -> Decimal:
        """Price of the last trade."""
        ...
