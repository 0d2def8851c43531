"""Writes on OKX's wire: the bodies of orders, and the strict reading of the answers to them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import OrderUnknownError, VenueAnswerError, VenueRejectedError
from serving.execution.venue_records import OrderRequest, ProtectionRequest, SignRequest
from venue import okx_values
from venue.okx_answers import read_code, short


def format_number(value: Decimal) -> str:
    """Return a number as the wire wants it: without an exponent.

    >>> format_number(Decimal("1E+2")), format_number(Decimal("0.010"))
    ('100', '0.010')
    """
    return format(value, "f")


def make_order_body(request: OrderRequest) -> dict[str, Any]:
    """Return the body of a market or a post-only order in its margin mode, with its attached stops if it has any."""
    body: dict[str, Any] = {
        "instId": request.instrument,
        "tdMode": request.margin_mode.value,
        "side": request.side.value,
        "ordType": "market" if request.limit_price is None else "post_only",
        "sz": format_number(request.contracts),
        "clOrdId": request.client_order_id,
    }
    if request.limit_price is not None:
        body["px"] = format_number(request.limit_price)
    if request.tag:
        body["tag"] = request.tag
    if request.reduce_only:
        body["reduceOnly"] = True
    if request.attached is not None:
        stops = _make_triggers(request.attached.stop, request.attached.target)
        body["attachAlgoOrds"] = [{"attachAlgoClOrdId": request.attached.client_order_id, **stops}]
    return body


def make_sign_body(request: SignRequest) -> dict[str, Any]:
    """Return the body of an order that is executed at its price or better at once, or cancelled."""
    return {
        "instId": request.instrument,
        "tdMode": "cross",
        "side": "buy",
        "ordType": "ioc",
        "px": format_number(request.price),
        "sz": format_number(request.contracts),
        "clOrdId": request.client_order_id,
    }


def make_protection_body(request: ProtectionRequest) -> dict[str, Any]:
    """Return the body of a one-cancels-the-other stop and target, or of a stop alone."""
    return {
        "instId": request.instrument,
        "tdMode": request.margin_mode.value,
        "side": request.side.value,
        "ordType": "conditional" if request.target is None else "oco",
        "sz": format_number(request.contracts),
        "reduceOnly": True,
        "algoClOrdId": request.client_order_id,
        **_make_triggers(request.stop, request.target),
    }


def read_accepted(answer: list[Any], path: str, client_id: str) -> Mapping[str, Any]:
    """Return the one element of a write's answer.

    A failing `sCode` hides under a successful envelope: it is raised as VenueRejectedError. Any answer that is not one
    element with an `sCode` is an OrderUnknownError.
    """
    code = read_code(answer[0].get("sCode")) if len(answer) == 1 and isinstance(answer[0], Mapping) else None
    if code is None:
        raise OrderUnknownError(f"{path} answered {short(answer)} for {client_id}", "query it before sending again")
    if code != "0":
        said = short(answer[0].get("sMsg", ""))
        raise VenueRejectedError(f"the venue refused {client_id}: {said} (code {code})", code)
    accepted: Mapping[str, Any] = answer[0]
    return accepted


def check_timer(answer: list[Any], seconds: int) -> None:
    """Raise VenueAnswerError unless an answer of cancel-all-after confirms a timer of `seconds` (0: none)."""
    row = answer[0] if len(answer) == 1 and isinstance(answer[0], Mapping) else {}
    trigger = str(row.get("triggerTime", ""))
    if not trigger.isdigit() or (int(trigger) == 0) is not (seconds == 0):
        raise VenueAnswerError(
            f"cancel-all-after of {seconds} s answered {short(answer)}", "no limit order is sent without it"
        )


def read_id(row: Mapping[str, Any], name: str, echo: str, client_id: str) -> str:
    """Return the venue's id of an accepted order; OrderUnknownError without it, or for another order.

    `name` is the field of the id, `echo` the one that repeats our id.
    """
    try:
        if (row.get(echo) or client_id) == client_id:
            return okx_values.read_id(row.get(name))
    except OutOfBoundsError:
        pass
    raise OrderUnknownError(f"the venue accepted {client_id} without naming it: {short(row)}", "query it first")


def _make_triggers(stop: Decimal, target: Decimal | None) -> dict[str, str]:
    # Both trigger on the last price; an order price of −1 means "at market".
    triggers = {"slTriggerPx": format_number(stop), "slOrdPx": "-1", "slTriggerPxType": "last"}
    if target is not None:
        triggers |= {"tpTriggerPx": format_number(target), "tpOrdPx": "-1", "tpTriggerPxType": "last"}
    return triggers
