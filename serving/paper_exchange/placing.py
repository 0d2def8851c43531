"""Taking in orders and algo orders: every check that the venue makes, in its order, with its codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from serving.paper_exchange import matching
from serving.paper_exchange.call import Params
from serving.paper_exchange.envelope import Json, WireError, text
from serving.paper_exchange.market import Instrument
from serving.paper_exchange.orders import Algo, Attached, Order
from serving.paper_exchange.prices import price_at, price_band

if TYPE_CHECKING:
    from serving.paper_exchange.engine import Engine

_ID = re.compile(r"^[A-Za-z0-9]{1,32}$")
_TAG = re.compile(r"^[A-Za-z0-9]{1,16}$")
_KINDS = ("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc")
_PRICED = ("limit", "post_only", "fok", "ioc")
_ALGO_KINDS = ("conditional", "oco", "trigger")
_TRIGGER_TYPES = ("last", "index", "mark")
_MISPLACED = {
    ("limit", "buy", "tp"): "51046", ("limit", "buy", "sl"): "51047", ("limit", "sell", "tp"): "51048",
    ("limit", "sell", "sl"): "51049", ("last", "buy", "tp"): "51277", ("last", "buy", "sl"): "51278",
    ("last", "sell", "tp"): "51279", ("last", "sell", "sl"): "51280",
}  # fmt: skip
MAX_PENDING = 500


class Refused(Exception):
    """One element of a request that the venue refuses: `sCode` and `sMsg`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def checked(build: Callable[[], Order | Algo]) -> Order | Algo:
    """Run a check; parameter errors of the frame become refusals of the element."""
    try:
        return build()
    except WireError as error:
        raise Refused(error.code, error.msg) from None


def place(engine: Engine, params: Params, *, suspended: bool = False) -> Order:
    """Check an order, take it in and match it; Refused says why not."""
    order = checked(lambda: _order(engine, params, suspended))
    assert isinstance(order, Order)
    matching.enter(engine, order)
    return order


def place_algo(engine: Engine, params: Params) -> Algo:
    """Check an algo order and let it wait; Refused says why not."""
    algo = checked(lambda: _algo(engine, params))
    assert isinstance(algo, Algo)
    engine.algos[algo.algo_id] = algo
    return algo


def refused_row(params: Params, refusal: Refused, ts_ms: int) -> dict[str, Json]:
    """The element of an answer that says why an order was not taken."""
    return {"clOrdId": params.text("clOrdId"), "ordId": "", "tag": params.text("tag"), "ts": str(ts_ms),
            "sCode": refusal.code, "sMsg": refusal.message, "subCode": ""}  # fmt: skip


def _order(engine: Engine, params: Params, suspended: bool) -> Order:
    instrument = _instrument(engine, params, suspended)
    _modes(params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _KINDS)
    price = _price(engine, instrument, params, side, kind)
    order = Order(
        ord_id="", client_id=_client_id(engine, params), inst_id=instrument.inst_id,
        side="buy" if side == "buy" else "sell", kind=kind, size=_size(instrument, params, kind), price=price,
        reduce_only=params.flag("reduceOnly"), created_ms=engine.now_ms, tag=_tag(params),
        leverage=engine.lever(instrument.inst_id),
    )  # fmt: skip
    if len(engine.pending(instrument.inst_id)) >= MAX_PENDING:
        raise Refused("51174", f"The number of pending orders on {instrument.inst_id} has reached {MAX_PENDING}.")
    order.attached = _attached(engine, params, order)
    if order.reduce_only:
        _check_reduce_only(engine, order)
    _check_margin(engine, order)
    order.ord_id = engine.ids.next()
    return order


def _instrument(engine: Engine, params: Params, suspended: bool) -> Instrument:
    inst_id = params.required("instId")
    instrument = engine.market.instruments.get(inst_id)
    if instrument is None:
        raise Refused("51001", f"Instrument ID, Instrument ID code, or Spread ID {inst_id} doesn't exist.")
    if suspended:
        raise Refused("51022", "Contract suspended.")
    return instrument


def _modes(params: Params) -> None:
    """Cross margin and net positions only, as the guide now lists for swaps."""
    params.choice("tdMode", ("cross",))
    if params.text("posSide", "net") != "net":
        raise Refused("51000", "Parameter posSide error")


def _size(instrument: Instrument, params: Params, kind: str) -> Decimal:
    size = params.number("sz")
    if size is None or size <= 0:
        raise Refused("51000", "Parameter sz error")
    if size % instrument.lot_sz:
        raise Refused("51121", "Order quantity must be a multiple of the lot size.")
    if size < instrument.min_sz:
        raise Refused("51020", "Your order should meet or exceed the minimum order amount.")
    if kind in _PRICED and size > instrument.max_limit_sz:
        raise Refused("51101", f"The maximum amount per order is {text(instrument.max_limit_sz)} contracts.")
    if kind not in _PRICED and size > instrument.max_market_sz:
        raise Refused("51202", "Market order amount exceeds the maximum amount.")
    return size


def _price(engine: Engine, instrument: Instrument, params: Params, side: str, kind: str) -> Decimal | None:
    if kind not in _PRICED:
        return None
    price = params.number("px")
    if price is None:
        raise Refused("51204", "The price for the limit order cannot be empty.")
    if price <= 0 or price % instrument.tick_sz:
        raise Refused("51006", "Order price is not on the tick of the instrument.")
    index = price_at(engine.market, instrument.inst_id, engine.now_ms, "index")
    highest, lowest = price_band(instrument, index if index is not None else engine.last(instrument.inst_id))
    if (side == "buy" and price > highest) or (side == "sell" and price < lowest):
        band = f"(max buy price: {text(highest)}, min sell price: {text(lowest)})"
        raise Refused("51006", f"Order price is not within the price limit {band}")
    return price


def _client_id(engine: Engine, params: Params) -> str:
    client_id = params.text("clOrdId")
    if client_id and not _ID.match(client_id):
        raise Refused("51000", "Parameter clOrdId error")
    if client_id and any(order.client_id == client_id for order in engine.pending()):
        raise Refused("51016", "Client order ID already exists.")
    return client_id


def _tag(params: Params) -> str:
    tag = params.text("tag")
    if tag and not _TAG.match(tag):
        raise Refused("51000", "Parameter tag error")
    return tag


def _attached(engine: Engine, params: Params, order: Order) -> list[Attached]:
    rows = params.rows("attachAlgoOrds")
    if rows and order.reduce_only:
        raise Refused("51100", "Reduce-only orders cannot carry take-profit or stop-loss.")
    legs = [_legs(engine, row) for row in rows]
    taken = {algo.client_id for algo in engine.live_algos()}
    reference, against = (order.price, "limit") if order.price is not None else (engine.last(order.inst_id), "last")
    for leg in legs:
        if leg.client_id and leg.client_id in taken:
            raise Refused("51068", "attachAlgoClOrdId already exists.")
        if wrong := matching.misplaced(order.side, leg, reference):
            raise Refused(_MISPLACED[against, order.side, wrong], f"The {wrong} trigger price is on the wrong side.")
    return legs


def _legs(engine: Engine, row: Params) -> Attached:
    client_id = row.text("attachAlgoClOrdId")
    if client_id and not _ID.match(client_id):
        raise Refused("51000", "Parameter attachAlgoClOrdId error")
    stop, target = row.number("slTriggerPx"), row.number("tpTriggerPx")
    if stop is None and target is None:
        raise Refused("51000", "Parameter attachAlgoOrds error")
    return Attached(
        engine.ids.next(), client_id, stop, row.number("slOrdPx"),
        row.choice("slTriggerPxType", _TRIGGER_TYPES, "last"), target,
        row.number("tpOrdPx"), row.choice("tpTriggerPxType", _TRIGGER_TYPES, "last"),
    )  # fmt: skip


def _check_reduce_only(engine: Engine, order: Order) -> None:
    held = engine.positions.get(order.inst_id)
    if held is None:
        raise Refused("51169", "Order failed because you have no position to reduce.")
    if (held.size > 0) == (order.sign > 0):
        raise Refused("51170", "Reduce-only orders must be opposite to the position.")
    if order.size > abs(held.size):
        raise Refused("51112", "Close order size exceeds your available size.")


def _check_margin(engine: Engine, order: Order) -> None:
    needed = engine.margin_for(order, order.price)
    if needed == 0:
        return
    fee = needed * engine.lever(order.inst_id) * engine.taker
    if needed + fee > engine.available():
        raise Refused("51008", "Order failed. Insufficient USDT margin in account")


def _algo(engine: Engine, params: Params) -> Algo:
    instrument = _instrument(engine, params, suspended=False)
    _modes(params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _ALGO_KINDS)
    fraction = params.number("closeFraction")
    client_id = params.text("algoClOrdId") or params.text("clOrdId")
    if client_id and not _ID.match(client_id):
        raise Refused("51000", "Parameter algoClOrdId error")
    if client_id and any(algo.client_id == client_id for algo in engine.live_algos()):
        raise Refused("51065", "algoClOrdId already exists.")
    if fraction is not None and (fraction != 1 or not params.flag("reduceOnly")):
        raise Refused("51000", "Parameter closeFraction error")
    algo = Algo(
        "", client_id, instrument.inst_id, "buy" if side == "buy" else "sell", kind,
        None if fraction is not None else _size(instrument, params, kind), fraction, params.flag("reduceOnly"),
        engine.now_ms, params.number("slTriggerPx"), params.number("slOrdPx"),
        params.choice("slTriggerPxType", _TRIGGER_TYPES, "last"), params.number("tpTriggerPx"),
        params.number("tpOrdPx"), params.choice("tpTriggerPxType", _TRIGGER_TYPES, "last"),
        params.number("triggerPx"), params.number("orderPx"),
        params.choice("triggerPxType", _TRIGGER_TYPES, "last"), tag=_tag(params),
    )  # fmt: skip
    _check_triggers(engine, algo)
    algo.algo_id = engine.ids.next()
    return algo


def _check_triggers(engine: Engine, algo: Algo) -> None:
    last = engine.last(algo.inst_id)
    if algo.kind == "trigger":
        if algo.trigger is None or algo.trigger <= 0:
            raise Refused("51000", "Parameter triggerPx error")
        algo.trigger_up = algo.trigger > last
        return
    if algo.sl_trigger is None and algo.tp_trigger is None:
        raise Refused("51000", "Parameter slTriggerPx error")
    if algo.kind == "oco" and (algo.sl_trigger is None or algo.tp_trigger is None):
        raise Refused("51000", "Parameter tpTriggerPx error")
    if algo.kind == "conditional" and algo.sl_trigger is not None:
        algo.tp_trigger = algo.tp_price = None  # of two legs in a one-legged order only the stop acts
    protected = "buy" if algo.side == "sell" else "sell"
    legs = Attached("", "", algo.sl_trigger, None, "last", algo.tp_trigger, None, "last")
    if wrong := matching.misplaced(protected, legs, last):
        raise Refused(_MISPLACED["last", protected, wrong], f"The {wrong} trigger price is on the wrong side.")
