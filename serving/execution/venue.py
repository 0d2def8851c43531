"""The venue as the trading process needs it: a port of typed records. Adapters speak the wire.

Every method may raise VenueUnreachableError, VenueAnswerError and CredentialsError; *an answer that cannot be read is
never taken for an empty one*. Methods that write may raise OrderUnknownError (outcome not known) and VenueRejectedError
(a definite no).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from ingestion.sources.okx_rows import Listing
from pairity.margin import MarginMode
from serving.execution.venue_records import (
    AccountConfig,
    AlgoLookup,
    Balance,
    BestPrices,
    BillKind,
    ClosedPosition,
    OrderLookup,
    OrderRequest,
    ProtectionRequest,
    SettledFunding,
    SignRequest,
    VenueAlgo,
    VenueBill,
    VenueFill,
    VenueOrder,
    VenuePosition,
)


class VenuePort(Protocol):
    """A venue, as execution, reconciliation and the account view use it."""

    @property
    def sent(self) -> int:
        """Number of writes that were begun so far, whatever became of them."""
        ...

    async def server_time(self) -> datetime:
        """Return the time of the venue's clock."""
        ...

    async def account_config(self) -> AccountConfig:
        """Return mode and permissions of the account."""
        ...

    async def ensure_net_mode(self) -> None:
        """Put the account into net position mode; ConfigError where the account cannot trade swaps that way."""
        ...

    async def ensure_leverage(self, instrument: str, leverage: int, margin_mode: MarginMode = MarginMode.CROSS) -> None:
        """Set the leverage of an instrument in a margin mode, and read it back."""
        ...

    async def balance(self) -> Balance:
        """Return the USDT balance; VenueAnswerError where the answer does not hold one."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """Return the balances of all currencies that have one."""
        ...

    async def positions(self, margin_mode: MarginMode = MarginMode.CROSS) -> Mapping[str, VenuePosition]:
        """Return the swap positions in a margin mode that are not zero, by instrument."""
        ...

    async def position_rows(self) -> Sequence[VenuePosition]:
        """Return all swap positions that are not zero, of both margin modes."""
        ...

    async def closed_positions(self, instrument: str, since: datetime) -> Sequence[ClosedPosition]:
        """Return what was closed of an instrument's positions since an instant, newest first: one page."""
        ...

    async def listings(self) -> Mapping[str, Listing]:
        """Return the linear swaps in USDT that the venue lists now, by instrument."""
        ...

    async def place(self, request: OrderRequest) -> str:
        """Send an order, once, and return the venue's order id."""
        ...

    async def find_order(self, instrument: str, client_order_id: str) -> OrderLookup:
        """Look an order up with one request; an unreachable venue is `Unclear`, not an exception."""
        ...

    async def cancel(self, instrument: str, client_order_id: str) -> None:
        """Ask for a cancellation; look the order up to learn the outcome."""
        ...

    async def cancel_all_after(self, seconds: int, tag: str) -> None:
        """Let the venue cancel the resting orders of a tag in `seconds` unless this is called again; 0 ends that."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Return the orders that rest or are partly filled."""
        ...

    async def place_protection(self, request: ProtectionRequest) -> str:
        """Send a protective order, once, and return the venue's algo id."""
        ...

    async def find_algo(self, instrument: str, client_order_id: str) -> AlgoLookup:
        """Look a protective order up, in any state, as `find_order` does."""
        ...

    async def algo_orders(self) -> Sequence[VenueAlgo]:
        """Return the protective orders (conditional, oco) that rest on the venue."""
        ...

    async def cancel_algo(self, instrument: str, algo_id: str) -> None:
        """Cancel a protective order; one that is gone already is no error."""
        ...

    async def fills(self, instrument: str | None, since: datetime) -> Sequence[VenueFill]:
        """Return the executions from `since` on, oldest first."""
        ...

    async def recent_orders(self) -> Sequence[VenueOrder]:
        """Return the newest finished orders, newest first."""
        ...

    async def finished_orders(self, since: datetime) -> Sequence[VenueOrder]:
        """Return the orders that were placed from `since` on and are finished, newest first."""
        ...

    async def place_sign(self, request: SignRequest) -> None:
        """Send an order that cannot be executed and does not rest, for its id alone."""
        ...

    async def funding_paid(
        self, instrument: str, since: datetime, until: datetime, margin_mode: MarginMode = MarginMode.CROSS
    ) -> Decimal:
        """Return the sum of funding in [since, until] in USDT, of a margin mode; negative where it was paid."""
        ...

    async def execution_margin_mode(self, fill: VenueFill) -> str | None:
        """Return the margin mode of an execution; empty: not said, None: not known (yet)."""
        ...

    async def bills(self, since: datetime, until: datetime, kind: BillKind | None = None) -> Sequence[VenueBill]:
        """Return every change of the account's balances in [since, until], or those of one kind, oldest first."""
        ...

    async def newest_bill(self, currency: str) -> VenueBill | None:
        """Return the newest change of a currency's balance; None where the venue keeps none."""
        ...

    async def last_price(self, instrument: str) -> Decimal:
        """Return the price of the last trade."""
        ...

    async def mark_price(self, instrument: str) -> Decimal:
        """Return the mark price now."""
        ...

    async def settled_funding(self, instrument: str) -> SettledFunding | None:
        """Return the funding that was settled last; None where the venue does not say it."""
        ...

    async def best_prices(self, instrument: str) -> BestPrices:
        """Return the best bid and the best ask; VenueAnswerError where the book lacks one."""
        ...

    async def usdt_price(self, currency: str, at: datetime) -> Decimal | None:
        """Return the price of a currency in USDT in the minute of `at`; None where the venue has no such price."""
        ...
