"""Rows of OKX's answers as records of the port. A field that is missing or malformed is a VenueAnswerError.

Numbers, instants and ids are read within the bounds of `venue.okx_values`: what nobody can compute with goes no
further than here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, TypeVar

from ingestion.sources.okx_rows import Listing, read_listing
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import VenueAnswerError
from pairity.margin import MarginMode
from pairity.names import INSTRUMENT
from pairity.strategy.types import Side
from serving.execution.venue_records import (
    AccountConfig,
    AlgoState,
    Balance,
    ClosedPosition,
    OrderState,
    SettledFunding,
    VenueAlgo,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from venue.okx_answers import short
from venue.okx_values import read_amount, read_id, read_instant, read_price, read_size

T = TypeVar("T")
_MINUTE = timedelta(minutes=1)
Row = Mapping[str, Any]

_ORDER_STATES = {
    "live": OrderState.LIVE,
    "partially_filled": OrderState.LIVE,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "mmp_canceled": OrderState.CANCELLED,
}
_ALGO_STATES = {
    "live": AlgoState.LIVE,
    "pause": AlgoState.LIVE,
    "partially_effective": AlgoState.LIVE,
    "effective": AlgoState.EFFECTIVE,
    "canceled": AlgoState.CANCELLED,
    "order_failed": AlgoState.FAILED,
    "partially_failed": AlgoState.FAILED,
}
_PARTLY_CLOSED = frozenset({"1", "4"})
"""Types of a closed position of which a rest is open: closed in part, liquidated in part."""
_FORCED = {str(code) for code in (*range(100, 108), *range(125, 129))}
"""Sub-types of liquidation (100–107) and auto-deleveraging (125–128)."""


def parse(method: str, reader: Callable[[Row], T], row: object) -> T:
    """Return what `reader` makes of a row; VenueAnswerError names the `method` that answered it."""
    if not isinstance(row, Mapping):
        raise VenueAnswerError(f"{method} answered {short(row)} for a row", "do not trade on it; try again")
    try:
        return reader(row)
    except VenueAnswerError as error:
        raise VenueAnswerError(f"{method}: {error.what}", error.remedy) from None


def of(instrument: str, row: Row) -> Row:
    """Return the row of `instrument`; VenueAnswerError where it says that it is another one's."""
    if row.get("instId", instrument) != instrument:
        raise VenueAnswerError(f"{instrument} was asked for, and {short(row['instId'])} came", "do not trade on it")
    return row


def text(row: Row, name: str) -> str:
    """Return a field that must not be empty: an id, a state, a name."""
    return _read(row, name, read_id)


def optional_text(row: Row, name: str) -> str:
    """Return a field as `text` does, or an empty text where it is empty or missing."""
    return "" if row.get(name) in (None, "") else text(row, name)


def number(row: Row, name: str) -> Decimal:
    """Return a field that must be a finite number, of any sign."""
    return _read(row, name, read_amount)


def size(row: Row, name: str) -> Decimal:
    """Return a field that must be a finite number, zero or above."""
    return _read(row, name, read_size)


def price(row: Row, name: str) -> Decimal:
    """Return a field that must be a finite number above zero."""
    return _read(row, name, read_price)


def optional(row: Row, name: str, read: Callable[[Row, str], Decimal]) -> Decimal | None:
    """Return a number, or None where the venue says "not applicable" (an empty text, or no such field)."""
    return None if row.get(name) in (None, "") else read(row, name)


def settled_funding(row: Row) -> SettledFunding | None:
    """Return what a row of public/funding-rate says of the last settlement; None where it has no rate."""
    rate = optional(row, "settFundingRate", number)
    return None if rate is None else SettledFunding(rate, _find_interval(row))


def _find_interval(row: Row) -> Decimal | None:
    """Return the shorter interval, in hours, around the coming settlement; None where the row tells none."""
    names = ("prevFundingTime", "fundingTime", "nextFundingTime")
    times = [instant(row, name) if row.get(name) not in (None, "") else None for name in names]
    hours = [
        Decimal((later - earlier) // _MINUTE) / 60
        for earlier, later in pairwise(times)
        if earlier is not None and later is not None and later > earlier
    ]
    return min(hours, default=None)


def side(row: Row) -> Side:
    """Return the side, buy or sell."""
    value = text(row, "side")
    if value not in ("buy", "sell"):
        raise VenueAnswerError(f"the venue's answer has side = {value!r}", "do not trade on it")
    return Side(value)


def instant(row: Row, name: str) -> datetime:
    """Return the instant of a field in milliseconds."""
    return _read(row, name, read_instant)


def _read(row: Row, name: str, read: Callable[[object], T]) -> T:
    value = row.get(name)
    if value is None or value == "":
        raise VenueAnswerError(f"the venue's answer lacks {name}: {short(row)}", "do not trade on it; try again")
    try:
        return read(value)
    except OutOfBoundsError as refusal:
        raise VenueAnswerError(f"{name} of the venue's answer {refusal.what}", "do not trade on it") from None


def order_from_row(row: Row) -> VenueOrder:
    """Return the order of a row."""
    state = text(row, "state")
    if state not in _ORDER_STATES:
        raise VenueAnswerError(f"the venue's order has the unknown state {state!r}", "do not trade on it")
    filled = size(row, "accFillSz")
    return VenueOrder(
        order_id=text(row, "ordId"),
        client_order_id=optional_text(row, "clOrdId"),
        instrument=text(row, "instId"),
        side=side(row),
        state=_ORDER_STATES[state],
        contracts=size(row, "sz"),
        filled_contracts=filled,
        # "" or "0" until something is filled.
        average_price=price(row, "avgPx") if filled else None,
        reduce_only=_read_flag(row, "reduceOnly"),
        category=optional_text(row, "category") or "normal",
        updated_at=instant(row, "uTime"),
        cancel_source=optional_text(row, "cancelSource"),
        margin_mode=optional_text(row, "tdMode"),
    )


def algo_from_row(row: Row) -> VenueAlgo:
    """Return the protective order of a row (conditional or oco)."""
    state = text(row, "state")
    if state not in _ALGO_STATES:
        raise VenueAnswerError(f"the venue's protective order has the unknown state {state!r}", "do not trade on it")
    return VenueAlgo(
        algo_id=text(row, "algoId"),
        client_order_id=optional_text(row, "algoClOrdId") or optional_text(row, "clOrdId"),
        instrument=text(row, "instId"),
        side=side(row),
        state=_ALGO_STATES[state],
        # A close fraction means the whole position, whatever `sz` says.
        contracts=None if row.get("closeFraction") not in (None, "") else optional(row, "sz", size),
        stop=optional(row, "slTriggerPx", size),
        target=optional(row, "tpTriggerPx", size),
        triggered=_read_trigger(row),
        order_id=_read_child_order(row),
        reduce_only=_read_flag(row, "reduceOnly"),
        margin_mode=optional_text(row, "tdMode"),
        created_at=None if row.get("cTime") in (None, "") else instant(row, "cTime"),
    )


def fill_from_row(row: Row) -> VenueFill:
    """Return the execution of a row; a fee without its currency is a VenueAnswerError."""
    fee = number(row, "fee")
    return VenueFill(
        trade_id=text(row, "tradeId"),
        order_id=text(row, "ordId"),
        client_order_id=optional_text(row, "clOrdId"),
        instrument=text(row, "instId"),
        side=side(row),
        contracts=price(row, "fillSz"),
        price=price(row, "fillPx"),
        fee=fee,
        fee_currency=text(row, "feeCcy") if fee else "USDT",
        pnl_usdt=optional(row, "fillPnl", number) or Decimal(0),
        forced=str(row.get("subType", "")) in _FORCED,
        at=instant(row, "fillTime" if row.get("fillTime") else "ts"),
    )


def merge_trades(billed: Iterable[tuple[str, VenueFill]]) -> list[VenueFill]:
    """Return executions, given with their bills, in time order: one for all rows of one trade of one order.

    An order that turns a position over may be listed as what it closed and what it opened, at one price. The same bill
    twice is a page that overlaps the one before it.
    """
    merged: dict[tuple[str, str, str], VenueFill] = {}
    for fill in dict(billed).values():
        key = fill.instrument, fill.trade_id, fill.order_id
        known = merged.get(key)
        merged[key] = fill if known is None else _add(known, fill)
    return sorted(merged.values(), key=lambda fill: (fill.at, fill.trade_id))


def _add(known: VenueFill, other: VenueFill) -> VenueFill:
    return replace(
        known,
        contracts=known.contracts + other.contracts,
        fee=known.fee + other.fee,
        pnl_usdt=known.pnl_usdt + other.pnl_usdt,
        forced=known.forced or other.forced,
    )


def position_from_row(row: Row) -> VenuePosition | None:
    """Return the position of a row, or None where it is flat (the venue may show a row with `pos` "0").

    VenueAnswerError for a position of an account that is not in net mode.
    """
    contracts = number(row, "pos")
    if contracts == 0:
        return None
    if text(row, "posSide") != "net":
        raise VenueAnswerError(
            f"{text(row, 'instId')} has a position on side {text(row, 'posSide')!r}",
            "the account must be in net position mode: close the position, then start again",
        )
    return VenuePosition(
        instrument=text(row, "instId"),
        contracts=contracts,
        average_price=price(row, "avgPx"),
        mark_price=optional(row, "markPx", price),
        unrealised_pnl_usdt=optional(row, "upl", number),
        margin_usdt=optional(row, "margin", number),
        margin_mode=optional_text(row, "mgnMode") or MarginMode.CROSS,
        funding_usdt=_shown(row, "fundingFee"),
        updated_at=instant(row, "uTime") if optional_text(row, "uTime") else None,
        margin_ratio=optional(row, "mgnRatio", number) if row.get("mgnMode") == MarginMode.ISOLATED else None,
        liquidation_price=_shown(row, "liqPx"),
    )


def _shown(row: Row, name: str) -> Decimal | None:
    """Return a number that is for reading alone: one that is malformed must not keep the row from trading."""
    try:
        return optional(row, name, number)
    except VenueAnswerError:
        return None


def closed_from_row(row: Row) -> ClosedPosition:
    """Return the closed position of a row; VenueAnswerError for a direction that is neither long nor short."""
    direction = text(row, "direction")
    if direction not in ("long", "short"):
        raise VenueAnswerError(f"the venue's closed position has direction = {direction!r}", "do not trade on it")
    return ClosedPosition(
        instrument=text(row, "instId"),
        side=Side.BUY if direction == "long" else Side.SELL,
        margin_mode=text(row, "mgnMode"),
        contracts=size(row, "closeTotalPos"),
        whole=text(row, "type") not in _PARTLY_CLOSED,
        opened_at=instant(row, "cTime"),
        closed_at=instant(row, "uTime"),
    )


def listing_from_row(row: object) -> Listing | None:
    """Return an instrument as it is listed; None for one that is no linear swap in USDT, or cannot be read."""
    if not isinstance(row, Mapping) or not INSTRUMENT.accepts(row.get("instId")):
        return None
    try:
        return read_listing(row)
    except VenueAnswerError:
        return None  # what nobody can compute with is as good as not listed: nothing is traded in it


def config_from_row(row: Row) -> AccountConfig:
    """Return mode and permissions of the account; the permissions may be missing."""
    return AccountConfig(
        uid=optional_text(row, "uid"),
        level=text(row, "acctLv"),
        position_mode=text(row, "posMode"),
        permissions=short(row.get("perm") or ""),
        addresses=short(row.get("ip") or ""),
        isolated_transfers=short(row.get("ctIsoMode") or ""),
    )


def balance_from_row(row: Row) -> Balance:
    """Return the balance of one currency; `availBal` stands in where the account mode has no `availEq`."""
    available = "availEq" if row.get("availEq") not in (None, "") else "availBal"
    return Balance(
        currency=text(row, "ccy"),
        equity=number(row, "eq"),
        available=number(row, available),
        margin_ratio=optional(row, "mgnRatio", number),
    )


def _read_trigger(row: Row) -> Literal["sl", "tp"] | None:
    actual = row.get("actualSide")
    if actual == "sl":
        return "sl"
    return "tp" if actual == "tp" else None


def _read_child_order(row: Row) -> str | None:
    """Return the id of the order that the trigger sent, or None before it triggered."""
    if order_id := optional_text(row, "ordId"):
        return order_id
    ids = row.get("ordIdList")
    return text({"ordIdList": ids[0]}, "ordIdList") if isinstance(ids, list) and ids else None


def _read_flag(row: Row, name: str) -> bool:
    return str(row.get(name, "")).lower() == "true"
