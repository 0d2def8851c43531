"""Amending of resting orders: the amended order must pass every check of a new one."""

from __future__ import annotations

from dataclasses import replace

from paper_exchange.account import matching
from paper_exchange.account.account import Account
from paper_exchange.account.attached_stops import (
    TRIGGER_KINDS,
    check_order_prices,
    check_sides,
    check_split,
    read_order_price,
    read_positive_price,
)
from paper_exchange.account.orders import AttachedStops, Order
from paper_exchange.account.placing import (
    check_margin,
    check_position_limit,
    check_price,
    check_reduce_only,
    check_size,
)
from paper_exchange.account.refusals import Refused, convert_to_refusals
from paper_exchange.params import Params

_OLDER_FIELDS = (
    *(f"new{leg}{name}" for leg in ("Tp", "Sl") for name in ("TriggerPx", "OrdPx", "TriggerPxType")),
    "newTpOrdKind",
)


def amend(account: Account, order: Order, params: Params) -> None:
    """Change total size, price and attached stops of a resting order, and let it meet the market again.

    A new total size of no more than what is filled ends the order as filled. A refused amendment leaves the order as it
    was, or cancels it where `cxlOnFail` says so.
    """
    try:
        with convert_to_refusals():
            amended = _make_amended(account, order, params)
    except Refused:
        if params.text("cxlOnFail") == "true":
            account.cancel(order, "1")
        raise
    if amended.price != order.price or amended.size > order.size:
        order.resting_since_ms = account.now_ms  # it goes to the end of the queue
    order.size, order.price, order.attached = amended.size, amended.price, amended.attached
    order.updated_ms = account.now_ms
    if order.left == 0:
        order.state = "filled"
        return
    matching.meet_quotes(account, order)


def _make_amended(account: Account, order: Order, params: Params) -> Order:
    size, price, legs = params.number("newSz"), params.number("newPx"), _read_legs(order, params)
    if size is None and price is None and not legs:
        raise Refused("51500", "You must enter a price, quantity, or TP/SL")
    instrument = account.market.instruments[order.inst_id]
    if size is not None and 0 < size <= order.filled:
        return replace(order, size=order.filled)
    # A copy, down to its attached stops: a refused amendment must not show on the order.
    amended = replace(
        order,
        size=order.size if size is None else check_size(instrument, size, order.kind),
        price=order.price if price is None else price,
        attached=[replace(attached) for attached in order.attached],
    )
    check_price(account, instrument, amended)
    for row in legs:
        _amend_leg(_find_attached(amended, row), row)
    check_split(amended.attached, amended.size)
    for attached in amended.attached:
        check_sides(account, order.inst_id, order.side, attached, amended.price)
    check_reduce_only(account, amended)
    check_position_limit(account, amended)
    check_margin(account, amended)
    return amended


def _read_legs(order: Order, params: Params) -> list[Params]:
    """Return the rows that amend attached stops.

    Clients of before `attachAlgoOrds` have the same fields beside `newSz`: they are for the stops of the order.
    """
    older = {name: params.values[name] for name in _OLDER_FIELDS if name in params}
    if not older:
        return params.rows("attachAlgoOrds")
    named = {"attachAlgoId": order.attached[0].attach_id} if order.attached else {}
    return [Params({**named, **older}), *params.rows("attachAlgoOrds")]


def _find_attached(order: Order, row: Params) -> AttachedStops:
    """Return the attached stops that a row names by their id or client id; 51527 where there are none."""
    attach_id, client_id = row.text("attachAlgoId"), row.text("attachAlgoClOrdId")
    for attached in order.attached:
        if attach_id == attached.attach_id or (not attach_id and client_id and client_id == attached.client_id):
            return attached
    raise Refused("51527", "Order modification failed. At least 1 of the attached TP/SL orders does not exist.")


def _amend_leg(attached: AttachedStops, row: Params) -> None:
    """Set new triggers with their types, order prices, kind and size; a trigger of 0 removes a leg."""
    stop, target = row.number("newSlTriggerPx"), row.number("newTpTriggerPx")
    if any(trigger is not None and trigger < 0 for trigger in (stop, target)):
        raise Refused("51000", "Parameter attachAlgoOrds error")
    if stop is not None:
        attached.sl_trigger = stop or None
    if target is not None:
        attached.tp_trigger = target or None
    attached.sl_type = row.choice("newSlTriggerPxType", TRIGGER_KINDS, attached.sl_type)
    attached.tp_type = row.choice("newTpTriggerPxType", TRIGGER_KINDS, attached.tp_type)
    attached.size = read_positive_price(row, "newSz") or attached.size
    kept = "limit" if attached.tp_limit else "condition"
    attached.tp_limit = row.choice("newTpOrdKind", ("condition", "limit"), kept) == "limit"
    attached.sl_price = read_order_price(row, "newSlOrdPx") or attached.sl_price
    attached.tp_price = read_order_price(row, "newTpOrdPx") or attached.tp_price
    attached.sl_price = None if attached.sl_trigger is None else attached.sl_price
    attached.tp_price = None if attached.tp_trigger is None and not attached.tp_limit else attached.tp_price
    if attached.sl_trigger is None and attached.tp_trigger is None and not attached.tp_limit:
        raise Refused("51000", "Parameter attachAlgoOrds error")
    check_order_prices(attached)
