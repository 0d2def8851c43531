"""OKX behind the port: raw v5 calls, so that nothing is hidden by a parser.

Orders go one by one to `trade/order`: its answer has one element, which is accepted, refused or not understood.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestion.sources.okx_rows import Listing
from pairity.errors import ConfigError, CredentialsError, OrderUnknownError, VenueAnswerError, VenueRejectedError
from pairity.margin import MarginMode
from pairity.timeline import to_ms
from serving.execution import okx_rows as rows
from serving.execution.okx_bills import read_bills, read_newest_bill
from serving.execution.okx_connection import OkxConnection, Pages
from serving.execution.okx_prices import read_best_prices, read_usdt_price
from serving.execution.okx_writes import (
    check_timer,
    make_order_body,
    make_protection_body,
    make_sign_body,
    read_accepted,
    read_id,
)
from serving.execution.venue_records import (
    AccountConfig,
    AlgoLookup,
    Balance,
    BestPrices,
    BillKind,
    ClosedPosition,
    Missing,
    OrderLookup,
    OrderRequest,
    ProtectionRequest,
    SettledFunding,
    SignRequest,
    Unclear,
    VenueAlgo,
    VenueBill,
    VenueFill,
    VenueOrder,
    VenuePosition,
)

if TYPE_CHECKING:
    from ccxt.async_support import okx

    from venue.okx_client import Sleep

GONE_CODES = frozenset({"51400", "51401", "51402", "51410", "51503", "51509", "51603"})
"""Rejections of a cancellation that leave nothing to cancel, or a cancellation under way."""
_SPOT_ONLY = "1"
# The venue lets some thousand orders rest; an account of ours has a handful.
_RESTING_PAGES = 50
# Three months of executions, on whichever account.
_FILL_PAGES = 1_000
_BILLED_WITHIN = timedelta(seconds=1)
"""How far the instant of a bill may be from that of its execution."""


class OkxVenue:
    """`VenuePort` over a signed client of `make_client`; `retries` bounds the repetitions of reads, `sleep` waits."""

    def __init__(self, client: okx, *, retries: int, sleep: Sleep = asyncio.sleep) -> None:
        self._connection = OkxConnection(client, retries=retries, sleep=sleep)
        self._margin_modes: dict[str, str] = {}
        """By the venue's id, of orders that others sent: it never changes."""

    @property
    def sent(self) -> int:
        """Number of writes that were begun so far, whatever became of them."""
        return self._connection.sent

    async def server_time(self) -> datetime:
        """Return the time of the venue's clock."""
        return await self._connection.server_time()

    async def account_config(self) -> AccountConfig:
        """Return mode and permissions of the account."""
        row = await self._connection.read_one("privateGetAccountConfig", {}, "account/config")
        return rows.parse("account/config", rows.config_from_row, row)

    async def ensure_net_mode(self) -> None:
        """Put the account into net position mode, and read it back.

        Raises CredentialsError where the key may not trade, ConfigError where the account has no swaps or cannot be
        switched, and VenueAnswerError where the venue did not switch it.
        """
        config = await self.account_config()
        if config.permissions and "trade" not in config.permissions:
            raise CredentialsError(
                f"the key may {config.permissions}, not trade", "create a key with the permission to trade"
            )
        if config.level == _SPOT_ONLY:
            raise ConfigError("the account is in spot mode and has no swaps", "choose futures mode on the venue's site")
        if config.position_mode == "net_mode":
            return
        try:
            await self._connection.write("privatePostAccountSetPositionMode", {"posMode": "net_mode"})
        except VenueRejectedError as error:
            raise ConfigError(
                f"the account is in {config.position_mode} and cannot be switched ({error.code})",
                "close all positions and orders, then start again",
            ) from None
        except OrderUnknownError:
            pass  # setting a mode twice does no harm: what counts is what is read back
        if (await self.account_config()).position_mode != "net_mode":
            raise VenueAnswerError("the venue did not switch the account to net mode", "set it on the venue's site")

    async def ensure_leverage(self, instrument: str, leverage: int, margin_mode: MarginMode = MarginMode.CROSS) -> None:
        """Set the leverage of an instrument in a margin mode, and read it back; VenueAnswerError where it is another.

        Each mode has its own: positions in the other one keep theirs.
        """
        if await self.leverage(instrument, margin_mode) == leverage:
            return
        body = {"instId": instrument, "mgnMode": margin_mode.value, "lever": str(leverage)}
        if margin_mode is MarginMode.ISOLATED:
            body["posSide"] = "net"  # isolated leverage is set per position
        with contextlib.suppress(OrderUnknownError):  # as for the mode: what is read back counts
            await self._connection.write("privatePostAccountSetLeverage", body)
        current = await self.leverage(instrument, margin_mode)
        if current != leverage:
            raise VenueAnswerError(
                f"{instrument} has leverage {current} in {margin_mode} margin after it was set to {leverage}",
                "set it on the venue's site, or choose another strategy.leverage",
            )

    async def leverage(self, instrument: str, margin_mode: MarginMode = MarginMode.CROSS) -> Decimal:
        """Return the leverage that is in force for an instrument in a margin mode."""
        wanted = {"instId": instrument, "mgnMode": margin_mode.value}
        row = await self._connection.read_one("privateGetAccountLeverageInfo", wanted, "account/leverage-info")
        return rows.parse("account/leverage-info", lambda own: rows.size(rows.of(instrument, own), "lever"), row)

    async def balance(self) -> Balance:
        """Return the USDT balance; zero where the account has no USDT."""
        by_currency = {balance.currency: balance for balance in await self.balances()}
        # The venue leaves out a currency without cash, but never the account: `balances` has checked that it answered.
        return by_currency.get("USDT", Balance("USDT", Decimal(0), Decimal(0)))

    async def balances(self) -> Sequence[Balance]:
        """Return the balances of all currencies; VenueAnswerError for an answer without total equity or details."""
        row = await self._connection.read_one("privateGetAccountBalance", {}, "account/balance")
        rows.parse("account/balance", lambda own: rows.number(own, "totalEq"), row)
        details = row.get("details")
        if not isinstance(details, list):
            raise VenueAnswerError("account/balance came without details", "do not trade on it; try again")
        return [rows.parse("account/balance", rows.balance_from_row, detail) for detail in details]

    async def positions(self, margin_mode: MarginMode = MarginMode.CROSS) -> Mapping[str, VenuePosition]:
        """Return the swap positions in a margin mode by instrument; VenueAnswerError for two rows of one."""
        by_instrument: dict[str, VenuePosition] = {}
        for position in await self.position_rows():
            if position.margin_mode != margin_mode:
                continue
            if position.instrument in by_instrument:
                raise VenueAnswerError(
                    f"{position.instrument} has two positions in {margin_mode} margin", "try again later"
                )
            by_instrument[position.instrument] = position
        return by_instrument

    async def position_rows(self) -> Sequence[VenuePosition]:
        """Return all swap positions, in cross and in isolated margin."""
        wanted = {"instType": "SWAP"}
        return await self._connection.read_all("privateGetAccountPositions", wanted, rows.position_from_row)

    async def closed_positions(self, instrument: str, since: datetime) -> Sequence[ClosedPosition]:
        """Return what was closed of an instrument's positions since an instant, newest first: one page."""
        wanted = {"instType": "SWAP", "instId": instrument}
        found = await self._connection.read_all(
            "privateGetAccountPositionsHistory", wanted, lambda row: rows.closed_from_row(rows.of(instrument, row))
        )
        return [row for row in found if row.closed_at >= since]

    async def listings(self) -> Mapping[str, Listing]:
        """Return the linear swaps in USDT that the venue lists now; one that cannot be read is left out."""
        answer = await self._connection.read("publicGetPublicInstruments", {"instType": "SWAP"})
        return {row["instId"]: listing for row in answer if (listing := rows.listing_from_row(row)) is not None}

    async def place(self, request: OrderRequest) -> str:
        """Send an order, once, and return its venue id.

        Raises VenueRejectedError for a definite no, and OrderUnknownError for an answer that cannot be understood.
        """
        answer = await self._connection.write("privatePostTradeOrder", make_order_body(request))
        row = read_accepted(answer, "trade/order", request.client_order_id)
        return read_id(row, "ordId", "clOrdId", request.client_order_id)

    async def find_order(self, instrument: str, client_order_id: str) -> OrderLookup:
        """Look an order up with one request."""
        wanted = {"instId": instrument, "clOrdId": client_order_id}
        row = await self._connection.look_up("privateGetTradeOrder", wanted)
        if not isinstance(row, Mapping):
            return row
        try:
            order = rows.parse("trade/order", rows.order_from_row, row)
        except VenueAnswerError as error:
            return Unclear(error.what)
        is_it = (order.instrument, order.client_order_id) == (instrument, client_order_id)
        return order if is_it else Unclear(f"another order came back: {order}")

    async def cancel(self, instrument: str, client_order_id: str) -> None:
        """Ask for a cancellation; an order that is gone already is no error."""
        body = {"instId": instrument, "clOrdId": client_order_id}
        await self._cancel("privatePostTradeCancelOrder", body, client_order_id)

    async def cancel_all_after(self, seconds: int, tag: str) -> None:
        """Start or end (0) the countdown after which the venue cancels the orders of a tag; stops are not orders.

        Raises VenueAnswerError where the answer does not confirm it.
        """
        answer = await self._connection.write("privatePostTradeCancelAllAfter", {"timeOut": str(seconds), "tag": tag})
        check_timer(answer, seconds)

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Return the orders that rest or are partly filled."""
        wanted = {"instType": "SWAP"}
        return await self._connection.read_pages(
            "privateGetTradeOrdersPending", wanted, Pages("ordId", _RESTING_PAGES), rows.order_from_row
        )

    async def place_protection(self, request: ProtectionRequest) -> str:
        """Send a protective order, once, and return its algo id; errors as for `place`."""
        answer = await self._connection.write("privatePostTradeOrderAlgo", make_protection_body(request))
        row = read_accepted(answer, "trade/order-algo", request.client_order_id)
        return read_id(row, "algoId", "algoClOrdId", request.client_order_id)

    async def find_algo(self, instrument: str, client_order_id: str) -> AlgoLookup:
        """Look a protective order up with one request, in any state."""
        wanted = {"instId": instrument, "algoClOrdId": client_order_id}
        row = await self._connection.look_up("privateGetTradeOrderAlgo", wanted)
        if not isinstance(row, Mapping):
            return row
        try:
            algo = rows.parse("trade/order-algo", rows.algo_from_row, row)
        except VenueAnswerError as error:
            return Unclear(error.what)
        is_it = (algo.instrument, algo.client_order_id) == (instrument, client_order_id)
        return algo if is_it else Unclear(f"another order came back: {algo}")

    async def algo_orders(self) -> Sequence[VenueAlgo]:
        """Return the protective orders that rest on the venue."""
        # Both types by name: a list of `trigger` orders would not hold them.
        wanted = {"instType": "SWAP", "ordType": "conditional,oco"}
        return await self._connection.read_pages(
            "privateGetTradeOrdersAlgoPending", wanted, Pages("algoId", _RESTING_PAGES), rows.algo_from_row
        )

    async def cancel_algo(self, instrument: str, algo_id: str) -> None:
        """Cancel a protective order; one that is gone already is no error."""
        await self._cancel("privatePostTradeCancelAlgos", [{"instId": instrument, "algoId": algo_id}], algo_id)

    async def fills(self, instrument: str | None, since: datetime) -> Sequence[VenueFill]:
        """Return the executions from `since` on, oldest first, of one instrument or of all swaps."""
        wanted = {"instType": "SWAP", "begin": str(to_ms(since))} | ({"instId": instrument} if instrument else {})
        fills = await self._connection.read_pages(
            "privateGetTradeFillsHistory",
            wanted,
            Pages("billId", _FILL_PAGES),
            lambda row: (rows.text(row, "billId"), rows.fill_from_row(rows.of(instrument, row) if instrument else row)),
        )
        return rows.merge_trades(fills)

    async def recent_orders(self) -> Sequence[VenueOrder]:
        """Return the newest finished orders, newest first: one page."""
        return await self._connection.read_all(
            "privateGetTradeOrdersHistory", {"instType": "SWAP"}, rows.order_from_row
        )

    async def finished_orders(self, since: datetime) -> Sequence[VenueOrder]:
        """Return the orders that were placed from `since` on and are finished, newest first."""
        wanted = {"instType": "SWAP", "begin": str(to_ms(since))}
        return await self._connection.read_pages(
            "privateGetTradeOrdersHistory", wanted, Pages("ordId", _RESTING_PAGES), rows.order_from_row
        )

    async def place_sign(self, request: SignRequest) -> None:
        """Send an order that the venue cancels at once: its id stays in the list of finished orders."""
        answer = await self._connection.write("privatePostTradeOrder", make_sign_body(request))
        read_accepted(answer, "trade/order", request.client_order_id)

    async def funding_paid(
        self, instrument: str, since: datetime, until: datetime, margin_mode: MarginMode = MarginMode.CROSS
    ) -> Decimal:
        """Return the sum of funding of a position in [since, until] in USDT; negative where it was paid.

        What a position in the other margin mode paid is not in it; a bill that does not say its mode is.
        """
        bills = await self.bills(since, until, BillKind.FUNDING)
        own = [bill for bill in bills if bill.instrument == instrument and bill.margin_mode != margin_mode.other]
        return sum((bill.pnl for bill in own), Decimal(0))

    async def execution_margin_mode(self, fill: VenueFill) -> str | None:
        """Return the margin mode of an execution, whoever sent its order; empty: not said, None: not known.

        Rows of executions do not say it: the order does, and where the venue does not tell of that (it forgets orders,
        and refuses to speak of an instrument that is gone), the bill.
        """
        known = self._margin_modes.get(fill.order_id)
        if known is not None:
            return known
        wanted = {"instId": fill.instrument, "ordId": fill.order_id}
        row = await self._connection.look_up("privateGetTradeOrder", wanted)
        if isinstance(row, Unclear | Missing):
            around = await self.bills(fill.at - _BILLED_WITHIN, fill.at + _BILLED_WITHIN)
            found = next((bill.margin_mode for bill in around if bill.order_id == fill.order_id), None)
            if found is None and isinstance(row, Unclear):
                raise VenueAnswerError(f"the margin mode of order {fill.order_id} cannot be read: {row.answer}")
        else:
            order = rows.parse("trade/order", lambda own: rows.order_from_row(rows.of(fill.instrument, own)), row)
            if order.order_id != fill.order_id:
                raise VenueAnswerError(f"order {fill.order_id} was asked for, and {order.order_id} came", "try again")
            found = order.margin_mode
        if found:
            self._margin_modes[fill.order_id] = found
        return found

    async def bills(self, since: datetime, until: datetime, kind: BillKind | None = None) -> Sequence[VenueBill]:
        """Return changes of the account's balances in [since, until], as `read_bills` does."""
        return await read_bills(self._connection, since, until, kind)

    async def newest_bill(self, currency: str) -> VenueBill | None:
        """Return the newest change of a currency's balance; None where there is none."""
        return await read_newest_bill(self._connection, currency)

    async def last_price(self, instrument: str) -> Decimal:
        """Return the price of the last trade."""
        row = await self._connection.read_one("publicGetMarketTicker", {"instId": instrument}, "market/ticker")
        return rows.parse("market/ticker", lambda own: rows.price(rows.of(instrument, own), "last"), row)

    async def mark_price(self, instrument: str) -> Decimal:
        """Return the mark price now."""
        wanted = {"instType": "SWAP", "instId": instrument}
        row = await self._connection.read_one("publicGetPublicMarkPrice", wanted, "public/mark-price")
        return rows.parse("public/mark-price", lambda own: rows.price(rows.of(instrument, own), "markPx"), row)

    async def settled_funding(self, instrument: str) -> SettledFunding | None:
        """Return the funding that was settled last; None where the venue does not say it."""
        row = await self._connection.read_one(
            "publicGetPublicFundingRate", {"instId": instrument}, "public/funding-rate"
        )
        return rows.parse("public/funding-rate", lambda own: rows.settled_funding(rows.of(instrument, own)), row)

    async def best_prices(self, instrument: str) -> BestPrices:
        """Return the best bid and the best ask, as the ticker has them."""
        return await read_best_prices(self._connection, instrument)

    async def usdt_price(self, currency: str, at: datetime) -> Decimal | None:
        """Return the price of a currency at an instant, as `read_usdt_price` does."""
        return await read_usdt_price(self._connection, currency, at)

    async def _cancel(self, method: str, body: Mapping[str, Any] | Sequence[Mapping[str, Any]], client_id: str) -> None:
        try:
            read_accepted(await self._connection.write(method, body), method, client_id)
        except VenueRejectedError as error:
            if error.code not in GONE_CODES:
                raise
