"""OKX behind the port: raw v5 calls through the one checked client, so that nothing is hidden by a parser.

Orders go one by one to `trade/order`: its answer has one element, which is accepted, refused or not understood.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pairity.errors import (
    ConfigError,
    CredentialsError,
    OrderUnknownError,
    VenueAnswerError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.timeline import to_ms
from serving.execution import okx_rows as rows
from serving.execution.venue import (
    AccountConfig,
    AlgoLookup,
    Balance,
    Missing,
    OrderLookup,
    OrderRequest,
    ProtectionRequest,
    Unclear,
    VenueAlgo,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from venue.okx_client import call, server_time

if TYPE_CHECKING:
    from ccxt.async_support import okx

ABSENT_CODES = frozenset({"51603"})
"""The only answers that mean "no such order"; an empty list does not."""
GONE_CODES = frozenset({"51400", "51401", "51402", "51410", "51503", "51509", "51603"})
"""Answers to a cancellation that leave nothing to cancel, or a cancellation under way."""
_PAGE = 100
_SPOT_ONLY = "1"


class OkxVenue:
    """`VenuePort` over a signed client of `make_client`; `retries` bounds repetitions of reads."""

    def __init__(self, client: okx, *, retries: int) -> None:
        self._client = client
        self._retries = retries

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return await server_time(self._client, retries=self._retries)

    async def account_config(self) -> AccountConfig:
        """Mode and permissions of the account."""
        row = _single(await self._read("privateGetAccountConfig", {}), "account/config")
        return AccountConfig(
            str(row.get("uid", "")), rows.text(row, "acctLv"), rows.text(row, "posMode"), str(row.get("perm", ""))
        )

    async def ensure_net_mode(self) -> None:
        """See the port; CredentialsError where the key may not trade."""
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
            await self._write("privatePostAccountSetPositionMode", {"posMode": "net_mode"})
        except VenueRejectedError as error:
            raise ConfigError(
                f"the account is in {config.position_mode} and cannot be switched ({error.code})",
                "close all positions and orders, then start again",
            ) from None
        except OrderUnknownError:
            pass  # setting a mode twice does no harm: what counts is what is read back
        if (await self.account_config()).position_mode != "net_mode":
            raise VenueAnswerError("the venue did not switch the account to net mode", "set it on the venue's site")

    async def ensure_leverage(self, instrument: str, leverage: int) -> None:
        """See the port."""
        if await self._leverage(instrument) == leverage:
            return
        wanted = {"instId": instrument, "mgnMode": "cross", "lever": str(leverage)}
        with contextlib.suppress(OrderUnknownError):  # as above
            await self._write("privatePostAccountSetLeverage", wanted)
        found = await self._leverage(instrument)
        if found != leverage:
            raise VenueAnswerError(f"{instrument} has leverage {found} after it was set to {leverage}",
                                   "set it on the venue's site, or choose another strategy.leverage")  # fmt: skip

    async def balance(self) -> Balance:
        """See the port. A currency without cash is left out by the venue, an account is not."""
        by_currency = {balance.currency: balance for balance in await self.balances()}
        return by_currency.get("USDT", Balance("USDT", Decimal(0), Decimal(0)))

    async def balances(self) -> Sequence[Balance]:
        """See the port."""
        row = _single(await self._read("privateGetAccountBalance", {}), "account/balance")
        rows.number(row, "totalEq")
        details = row.get("details")
        if not isinstance(details, list):
            raise VenueAnswerError("account/balance came without details", "do not trade on it; try again")
        return [rows.balance_of(detail) for detail in details]

    async def positions(self) -> Mapping[str, VenuePosition]:
        """See the port; two rows for one instrument (cross and isolated) are refused."""
        found: dict[str, VenuePosition] = {}
        for row in await self._read("privateGetAccountPositions", {"instType": "SWAP"}):
            position = rows.position_of(row)
            if position is None:
                continue
            if position.instrument in found:
                raise VenueAnswerError(f"{position.instrument} has two positions", "keep to one margin mode: close one")
            found[position.instrument] = position
        return found

    async def place(self, request: OrderRequest) -> str:
        """See the port."""
        body: dict[str, Any] = {
            "instId": request.instrument,
            "tdMode": "cross",
            "side": request.side.value,
            "ordType": "market",
            "sz": plain(request.contracts),
            "clOrdId": request.client_order_id,
        }
        if request.reduce_only:
            body["reduceOnly"] = True
        if request.attached is not None:
            stops = _stops(request.attached.stop, request.attached.target)
            body["attachAlgoOrds"] = [{"attachAlgoClOrdId": request.attached.client_order_id, **stops}]
        row = _accepted(await self._write("privatePostTradeOrder", body), "trade/order", request.client_order_id)
        return _id(row, "ordId", "clOrdId", request.client_order_id)

    async def find_order(self, instrument: str, client_order_id: str) -> OrderLookup:
        """See the port."""
        found = await self._look_up("privateGetTradeOrder", {"instId": instrument, "clOrdId": client_order_id})
        if not isinstance(found, Mapping):
            return found
        try:
            order = rows.order_of(found)
        except VenueAnswerError as error:
            return Unclear(error.what)
        return order if order.client_order_id == client_order_id else Unclear(f"another order came back: {order}")

    async def cancel(self, instrument: str, client_order_id: str) -> None:
        """See the port."""
        body = {"instId": instrument, "clOrdId": client_order_id}
        await self._cancel("privatePostTradeCancelOrder", body, client_order_id)

    async def open_orders(self) -> Sequence[VenueOrder]:
        """See the port."""
        found = await self._pages("privateGetTradeOrdersPending", {"instType": "SWAP"}, "ordId")
        return [rows.order_of(row) for row in found]

    async def place_protection(self, request: ProtectionRequest) -> str:
        """See the port."""
        body = {
            "instId": request.instrument,
            "tdMode": "cross",
            "side": request.side.value,
            "ordType": "oco",
            "sz": plain(request.contracts),
            "reduceOnly": True,
            "algoClOrdId": request.client_order_id,
            **_stops(request.stop, request.target),
        }
        answer = await self._write("privatePostTradeOrderAlgo", body)
        row = _accepted(answer, "trade/order-algo", request.client_order_id)
        return _id(row, "algoId", "algoClOrdId", request.client_order_id)

    async def find_algo(self, instrument: str, client_order_id: str) -> AlgoLookup:
        """See the port."""
        wanted = {"instId": instrument, "algoClOrdId": client_order_id}
        found = await self._look_up("privateGetTradeOrderAlgo", wanted)
        if not isinstance(found, Mapping):
            return found
        try:
            algo = rows.algo_of(found)
        except VenueAnswerError as error:
            return Unclear(error.what)
        return algo if algo.client_order_id == client_order_id else Unclear(f"another order came back: {algo}")

    async def algo_orders(self) -> Sequence[VenueAlgo]:
        """See the port. Both types are asked for: asking for triggers would hide them."""
        wanted = {"instType": "SWAP", "ordType": "conditional,oco"}
        return [rows.algo_of(row) for row in await self._pages("privateGetTradeOrdersAlgoPending", wanted, "algoId")]

    async def cancel_algo(self, instrument: str, algo_id: str) -> None:
        """See the port."""
        await self._cancel("privatePostTradeCancelAlgos", [{"instId": instrument, "algoId": algo_id}], algo_id)

    async def fills(self, instrument: str | None, since: datetime) -> Sequence[VenueFill]:
        """See the port; pages back to `since`."""
        wanted = {"instType": "SWAP", "begin": str(to_ms(since))} | ({"instId": instrument} if instrument else {})
        found = await self._pages("privateGetTradeFillsHistory", wanted, "billId")
        return sorted((rows.fill_of(row) for row in found), key=lambda fill: (fill.at, fill.trade_id))

    async def recent_orders(self) -> Sequence[VenueOrder]:
        """See the port."""
        return [rows.order_of(row) for row in await self._read("privateGetTradeOrdersHistory", {"instType": "SWAP"})]

    async def funding_paid(self, instrument: str, since: datetime, until: datetime) -> Decimal:
        """See the port."""
        wanted = {"instType": "SWAP", "type": "8", "begin": str(to_ms(since)), "end": str(to_ms(until))}
        found = await self._pages("privateGetAccountBills", wanted, "billId")
        return sum((rows.number(row, "pnl") for row in found if row.get("instId") == instrument), Decimal(0))

    async def last_price(self, instrument: str) -> Decimal:
        """See the port."""
        row = _single(await self._read("publicGetMarketTicker", {"instId": instrument}), "market/ticker")
        return rows.number(row, "last")

    async def _leverage(self, instrument: str) -> Decimal:
        wanted = {"instId": instrument, "mgnMode": "cross"}
        row = _single(await self._read("privateGetAccountLeverageInfo", wanted), "account/leverage-info")
        return rows.number(row, "lever")

    async def _read(self, method: str, params: Mapping[str, Any]) -> list[Any]:
        return await call(self._client, method, params, retries=self._retries)

    async def _write(self, method: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Any]:
        return await call(self._client, method, params, retries=0)

    async def _pages(self, method: str, params: Mapping[str, Any], cursor: str) -> list[Any]:
        """All rows of a list that is paged newest first by `after`."""
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = await self._read(method, {**params, "limit": str(_PAGE), **after})
            found += page
            if len(page) < _PAGE:
                return found
            last = rows.text(page[-1], cursor)
            if after.get("after") == last:
                raise VenueAnswerError(f"{method} gave the same page twice (after {last})", "try again later")
            after = {"after": last}

    async def _look_up(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any] | Missing | Unclear:
        try:
            found = await call(self._client, method, params, retries=0)
        except VenueRejectedError as error:
            return Missing(error.what) if error.code in ABSENT_CODES else Unclear(error.what)
        except (VenueUnreachableError, VenueAnswerError) as error:
            return Unclear(error.what)
        if len(found) != 1 or not isinstance(found[0], Mapping):
            return Unclear(f"{method} answered {len(found)} rows instead of one")
        return found[0]

    async def _cancel(self, method: str, body: Mapping[str, Any] | Sequence[Mapping[str, Any]], wanted: str) -> None:
        try:
            _accepted(await self._write(method, body), method, wanted)
        except VenueRejectedError as error:
            if error.code not in GONE_CODES:
                raise


def plain(value: Decimal) -> str:
    """A number as the wire wants it: no exponent.

    >>> plain(Decimal("1E+2")), plain(Decimal("0.010"))
    ('100', '0.010')
    """
    return format(value, "f")


def _stops(stop: Decimal, target: Decimal) -> dict[str, str]:
    """Both legs trigger on the last price and execute at market (−1)."""
    return {
        "slTriggerPx": plain(stop),
        "slOrdPx": "-1",
        "slTriggerPxType": "last",
        "tpTriggerPx": plain(target),
        "tpOrdPx": "-1",
        "tpTriggerPxType": "last",
    }


def _single(answer: list[Any], what: str) -> Mapping[str, Any]:
    if len(answer) != 1 or not isinstance(answer[0], Mapping):
        raise VenueAnswerError(f"{what} answered {len(answer)} rows instead of one", "do not trade on it; try again")
    return answer[0]


def _accepted(answer: list[Any], what: str, wanted: str) -> Mapping[str, Any]:
    """The one element of a write's answer; a failing `sCode` hides under a successful envelope."""
    if len(answer) != 1 or not isinstance(answer[0], Mapping) or "sCode" not in answer[0]:
        raise OrderUnknownError(f"{what} answered {str(answer)[:160]} for {wanted}", "query it before sending again")
    code = str(answer[0]["sCode"])
    if code != "0":
        raise VenueRejectedError(f"the venue refused {wanted}: {answer[0].get('sMsg', '')} (code {code})", code)
    return answer[0]


def _id(row: Mapping[str, Any], name: str, echo: str, wanted: str) -> str:
    """The venue's id of an accepted order; without it, or for another order, nothing is known."""
    if not row.get(name) or str(row.get(echo) or wanted) != wanted:
        raise OrderUnknownError(f"the venue accepted {wanted} without naming it: {dict(row)}", "query it first")
    return str(row[name])
