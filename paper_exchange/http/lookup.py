"""What a request is about: the account, and the instruments that it names."""

from __future__ import annotations

from collections.abc import Iterable

from paper_exchange.account.account import Account
from paper_exchange.account.orders import Order
from paper_exchange.account.refusals import Refused
from paper_exchange.http.request import Request
from paper_exchange.http.rules.checks import INSTRUMENT_TYPES
from paper_exchange.market.market import Instrument
from paper_exchange.params import Params
from paper_exchange.wire import WireError, unknown_instrument

_SWAP = "-SWAP"
_NOT_TRADING = {
    "preopen": ("51021", "The pair or contract is not yet listed"),
    "suspend": ("51022", "Contract suspended."),
    "expired": ("51027", "Contract expired."),
    "settling": ("51029", "Contract is being settled."),
}


def require_account(request: Request) -> Account:
    """Return the account; only handlers of private endpoints may ask, which need one to be served."""
    assert request.account is not None
    return request.account


def name_family(instrument: Instrument) -> str:
    """Return underlying and index of a swap: `BTC-USDT`."""
    return instrument.inst_id.removesuffix(_SWAP)


def read_instrument(request: Request) -> Instrument:
    """Return the swap named by `instId`; 51001 where it does not exist."""
    return find_instrument(request, request.params.required("instId"))


def read_index_instrument(request: Request) -> Instrument:
    """Return the swap on the index named by `instId` (`BTC-USDT`); 51001 where there is none."""
    index = request.params.required("instId")
    try:
        return find_instrument(request, index + _SWAP)
    except WireError:
        raise unknown_instrument(index) from None


def find_instrument(request: Request, inst_id: str) -> Instrument:
    """Return the swap with this id; 51001 where it does not exist."""
    instrument = request.market.instruments.get(inst_id)
    if instrument is None or instrument.state == "expired":
        raise unknown_instrument(inst_id)
    return instrument


def list_instruments(request: Request) -> list[Instrument]:
    """Return the swaps that fit `instType`, `instId`, `instFamily` and the older `uly`, each optional.

    51001 for an unknown id; nothing for the other types of instruments, of which there are none.
    """
    params = request.params
    if params.text("instType", "SWAP") != "SWAP":
        params.choice("instType", INSTRUMENT_TYPES)
        return []
    if "instId" in params and params.text("instId") != "ANY":
        return [read_instrument(request)]
    wanted = (params.text("instFamily") or params.text("uly")).split(",")
    everything: Iterable[Instrument] = request.market.instruments.values()
    listed = (instrument for instrument in everything if instrument.state != "expired")
    return [instrument for instrument in listed if wanted == [""] or name_family(instrument) in wanted]


def is_other_type(params: Params) -> bool:
    """Whether a query asks for instruments of another type than swaps: the account has none."""
    return params.text("instType", "SWAP") not in ("SWAP", "ANY")


def read_state(request: Request, instrument: Instrument) -> str:
    """Return `live`, or `suspend` while the fault of that name waits for the instrument."""
    suspended = any(
        fault.kind == "suspend" and fault.params.get("instId", instrument.inst_id) == instrument.inst_id
        for fault in request.faults.waiting
    )
    return "suspend" if suspended else instrument.state


def check_tradable(request: Request, params: Params) -> None:
    """Refuse an order for an instrument that exists but does not take it at present."""
    instrument = request.market.instruments.get(params.text("instId"))
    if instrument is None:
        return  # refused where orders are taken in
    state = read_state(request, instrument)
    if state == "post_only" and params.text("ordType") == "post_only":
        return
    if state != "live":
        code, message = _NOT_TRADING.get(state, _NOT_TRADING["suspend"])
        raise Refused(code, message)


def find_order(account: Account, params: Params) -> Order | None:
    """Return the order named by ordId, else the newest with the clOrdId, of the named instrument.

    51003 where neither id is given; None for an order that is not there, or is one of another instrument.
    """
    ord_id, client_id = params.text("ordId"), params.text("clOrdId")
    if not ord_id and not client_id:
        raise WireError("51003", "Either client order ID or order ID is required.")
    if ord_id:
        order = account.orders.get(ord_id)
        return order if order is not None and params.text("instId") in ("", order.inst_id) else None
    # A client id is free again once its order is done: the newest order is meant.
    newest = reversed(account.orders.values())
    return next((o for o in newest if o.client_id == client_id and params.text("instId") in ("", o.inst_id)), None)


def fits_instrument(params: Params, inst_id: str) -> bool:
    """Whether a row of a list fits the filters by instrument: `instType`, `instFamily` or `uly`, and `instId`."""
    family = params.text("instFamily") or params.text("uly")
    return (
        not is_other_type(params)
        and params.text("instId") in ("", inst_id)
        and family in ("", inst_id.removesuffix(_SWAP))
    )
