"""Rows of OKX's answers as records of the port. A field that is missing or malformed is a VenueAnswerError."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pairity.errors import VenueAnswerError
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from serving.execution.venue_records import (
    AlgoState,
    Balance,
    OrderState,
    VenueAlgo,
    VenueFill,
    VenueOrder,
    VenuePosition,
)

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
_FORCED = {str(code) for code in (*range(100, 108), *range(125, 129))}
"""Sub-types of liquidation (100–107) and auto-deleveraging (125–128)."""


def text(row: Row, name: str) -> str:
    """Return a field that must not be empty."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if value is None or value == "":
        raise VenueAnswerError(f"the venue's answer lacks {name}: {_shorten(row)}", "do not trade on it; try again")
    return str(value)


def number(row: Row, name: str) -> Decimal:
    """Return a field that must be a finite number."""
    value = text(row, name)
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        parsed = Decimal("NaN")
    if not parsed.is_finite():
        raise VenueAnswerError(f"the venue's answer has {name} = {value!r}, not a number", "do not trade on it")
    return parsed


def optional_number(row: Row, name: str) -> Decimal | None:
    """Return a number, or None where the venue says "not applicable" (an empty text, or no such field)."""
    return None if row.get(name) in (None, "") else number(row, name)


def side(row: Row) -> Side:
    """Return the side, buy or sell."""
    value = text(row, "side")
    if value not in ("buy", "sell"):
        raise VenueAnswerError(f"the venue's answer has side = {value!r}", "do not trade on it")
    return Side(value)


def instant(row: Row, name: str) -> datetime:
    """Return the instant of a field in milliseconds."""
    return from_ms(int(number(row, name)))


def order_from_row(row: Row) -> VenueOrder:
    """Return the order of a row."""
    state = text(row, "state")
    if state not in _ORDER_STATES:
        raise VenueAnswerError(f"the venue's order has the unknown state {state!r}", "do not trade on it")
    filled = number(row, "accFillSz")
    return VenueOrder(
        order_id=text(row, "ordId"),
        client_order_id=str(row.get("clOrdId") or ""),
        instrument=text(row, "instId"),
        side=side(row),
        state=_ORDER_STATES[state],
        contracts=number(row, "sz"),
        filled_contracts=filled,
        # "" or "0" until something is filled.
        average_price=number(row, "avgPx") if filled else None,
        reduce_only=_read_flag(row, "reduceOnly"),
        category=str(row.get("category") or "normal"),
        updated_at=instant(row, "uTime"),
    )


def algo_from_row(row: Row) -> VenueAlgo:
    """Return the protective order of a row (conditional or oco)."""
    state = text(row, "state")
    if state not in _ALGO_STATES:
        raise VenueAnswerError(f"the venue's protective order has the unknown state {state!r}", "do not trade on it")
    return VenueAlgo(
        algo_id=text(row, "algoId"),
        client_order_id=str(row.get("algoClOrdId") or row.get("clOrdId") or ""),
        instrument=text(row, "instId"),
        side=side(row),
        state=_ALGO_STATES[state],
        # A close fraction means the whole position, whatever `sz` says.
        contracts=None if row.get("closeFraction") not in (None, "") else optional_number(row, "sz"),
        stop=optional_number(row, "slTriggerPx"),
        target=optional_number(row, "tpTriggerPx"),
        triggered=_read_trigger(row),
        order_id=_read_child_order(row),
        reduce_only=_read_flag(row, "reduceOnly"),
    )


def fill_from_row(row: Row) -> VenueFill:
    """Return the execution of a row."""
    return VenueFill(
        trade_id=text(row, "tradeId"),
        order_id=text(row, "ordId"),
        client_order_id=str(row.get("clOrdId") or ""),
        instrument=text(row, "instId"),
        side=side(row),
        contracts=number(row, "fillSz"),
        price=number(row, "fillPx"),
        fee_usdt=number(row, "fee"),
        pnl_usdt=optional_number(row, "fillPnl") or Decimal(0),
        forced=str(row.get("subType", "")) in _FORCED,
        at=instant(row, "fillTime" if row.get("fillTime") else "ts"),
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
            f"{text(row, 'instId')} has a position on side {row['posSide']!r}",
            "the account must be in net position mode: close the position, then start again",
        )
    return VenuePosition(
        instrument=text(row, "instId"),
        contracts=contracts,
        average_price=number(row, "avgPx"),
        mark_price=optional_number(row, "markPx"),
        unrealised_pnl_usdt=optional_number(row, "upl"),
    )


def balance_from_row(row: Row) -> Balance:
    """Return the balance of one currency; `availBal` stands in where the account mode has no `availEq`."""
    available = "availEq" if row.get("availEq") not in (None, "") else "availBal"
    return Balance(text(row, "ccy"), number(row, "eq"), number(row, available))


def _read_trigger(row: Row) -> Literal["sl", "tp"] | None:
    actual = row.get("actualSide")
    if actual == "sl":
        return "sl"
    return "tp" if actual == "tp" else None


def _read_child_order(row: Row) -> str | None:
    """Return the id of the order that the trigger sent, or None before it triggered."""
    ids = row.get("ordIdList") or []
    order_id = row.get("ordId") or (ids[0] if isinstance(ids, list) and ids else None)
    return str(order_id) if order_id else None


def _read_flag(row: Row, name: str) -> bool:
    return str(row.get(name, "")).lower() == "true"


def _shorten(row: object) -> str:
    full = str(row)
    return full if len(full) <= 160 else f"{full[:160]}…"
