"""What a request is about: the account, and the instruments that it names."""

from __future__ import annotations

from collections.abc import Iterable

from paper_exchange.account.account import Account
from paper_exchange.http.request import Request
from paper_exchange.market.market import Instrument
from paper_exchange.params import Params
from paper_exchange.wire import unknown_instrument

_SWAP = "-SWAP"


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
    return find_instrument(request, request.params.required("instId") + _SWAP)


def find_instrument(request: Request, inst_id: str) -> Instrument:
    """Return the swap with this id; 51001 where it does not exist."""
    instrument = request.market.instruments.get(inst_id)
    if instrument is None:
        raise unknown_instrument(inst_id)
    return instrument


def list_instruments(request: Request) -> list[Instrument]:
    """Return the swaps that fit `instType`, `instId`, `instFamily` and the older `uly`, each optional.

    51001 for an unknown id; nothing for the other types of instruments, of which there are none.
    """
    params = request.params
    if params.text("instType", "SWAP") != "SWAP":
        params.choice("instType", ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"))
        return []
    if "instId" in params and params.text("instId") != "ANY":
        return [read_instrument(request)]
    wanted = params.text("instFamily") or params.text("uly")
    everything: Iterable[Instrument] = request.market.instruments.values()
    return [instrument for instrument in everything if wanted in ("", name_family(instrument))]


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


def is_suspended(request: Request, params: Params) -> bool:
    """Whether the named instrument exists but does not trade at present."""
    instrument = request.market.instruments.get(params.text("instId"))
    return instrument is not None and read_state(request, instrument) != "live"
