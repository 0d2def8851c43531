"""What the public handlers share: which instrument a call is about, and paging."""

from __future__ import annotations

from collections.abc import Iterable

from paper_exchange.faults.catalogue import Fault
from paper_exchange.http.envelope import WireError
from paper_exchange.http.request import Call, bad_parameter
from paper_exchange.market.market import Instrument

_SWAP = "-SWAP"


def family(instrument: Instrument) -> str:
    """Underlying and index of a swap: `BTC-USDT`."""
    return instrument.inst_id.removesuffix(_SWAP)


def instrument_of(call: Call) -> Instrument:
    """The swap named by `instId`; 51001 where it does not exist."""
    return _found(call, call.params.required("instId"))


def instrument_of_index(call: Call) -> Instrument:
    """The swap on the index named by `instId` (`BTC-USDT`); 51001 where there is none."""
    return _found(call, call.params.required("instId") + _SWAP)


def instruments_matching(call: Call) -> list[Instrument]:
    """Swaps that fit `instType`, `instId`, `instFamily` and the older `uly`, each optional; 51001 for unknown ids."""
    params = call.params
    if params.text("instType", "SWAP") != "SWAP":
        params.choice("instType", ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"))
        return []
    if "instId" in params and params.text("instId") != "ANY":
        return [instrument_of(call)]
    wanted = params.text("instFamily") or params.text("uly")
    everything: Iterable[Instrument] = call.market.instruments.values()
    return [instrument for instrument in everything if wanted in ("", family(instrument))]


def limit_of(call: Call, most: int, default: int = 100) -> int:
    """`limit`, clamped to `most`; 51000 below 1."""
    limit = call.params.whole("limit")
    if limit is None:
        return default
    if limit < 1:
        raise bad_parameter("limit")
    return min(limit, most)


def strike_of(call: Call, kind: str) -> Fault | None:
    """The state fault that disturbs this answer, one strike used up."""
    return call.faults.consume(kind, call.method, call.path)


def _found(call: Call, inst_id: str) -> Instrument:
    instrument = call.market.instruments.get(inst_id)
    if instrument is None:
        raise WireError("51001", f"Instrument ID, Instrument ID code, or Spread ID {inst_id} doesn't exist.")
    return instrument
