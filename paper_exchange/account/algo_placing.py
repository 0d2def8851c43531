"""Taking in and amending of algo orders: conditional, oco and trigger (docs/okx-protocol.md, Algo orders)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from paper_exchange.account import trailing
from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import TRAILING, AlgoOrder
from paper_exchange.account.attached_stops import (
    TRIGGER_KINDS,
    check_order_prices,
    check_sides,
    read_attached_stops,
    read_order_price,
    read_positive_price,
)
from paper_exchange.account.orders import MARKET_PRICE, Order
from paper_exchange.account.placing import check_size, find_tradable, read_client_id, read_modes, read_tag
from paper_exchange.account.refusals import Refused, convert_to_refusals
from paper_exchange.params import Params

_KINDS = ("conditional", "oco", "trigger", TRAILING)
_LEG_FIELDS = ("sl_trigger", "sl_price", "sl_type", "tp_trigger", "tp_price", "tp_type")


def place_algo(account: Account, params: Params) -> AlgoOrder:
    """Check an algo order and let it wait; Refused says why not. It reserves no margin until it triggers."""
    with convert_to_refusals():
        algo = _make_algo(account, params)
    account.wait(algo)
    return algo


def amend_algo(account: Account, algo: AlgoOrder, params: Params) -> None:
    """Change size, triggers and order prices of a waiting algo order; a leg's new trigger 0 removes the leg.

    Refused leaves the order as it was: the changes are checked on a copy.
    """
    if algo.kind == TRAILING:
        raise Refused("51059", "Strategy for the current state does not support this operation")
    with convert_to_refusals():
        amended = _make_amended(account, algo, params)
    for name in ("size", "trigger", "trigger_price", "trigger_type", "trigger_up", *_LEG_FIELDS):
        setattr(algo, name, getattr(amended, name))
    algo.updated_ms = account.now_ms


def _make_algo(account: Account, params: Params) -> AlgoOrder:
    instrument = find_tradable(account, params)
    margin_mode, pos_side = read_modes(account, params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _KINDS)
    fraction = params.number("closeFraction")
    if fraction is not None and (fraction != 1 or kind == "trigger"):
        raise Refused("51000", "Parameter closeFraction error")
    if params.choice("tpOrdKind", ("condition", "limit"), "condition") == "limit":
        # Served with the order that opens the position (docs/okx-protocol.md, Split targets), not beside it.
        raise Refused("51000", "Parameter tpOrdKind error")
    ends_flat = params.flag("cxlOnClosePos")
    if ends_flat and not params.flag("reduceOnly") and pos_side == "net":
        raise Refused("51000", "Parameter cxlOnClosePos error")
    algo = AlgoOrder(
        algo_id="",
        client_id=_read_client_id(account, params),
        inst_id=instrument.inst_id,
        side="buy" if side == "buy" else "sell",
        kind=kind,
        size=None if fraction is not None else check_size(instrument, params.number("sz"), kind),
        close_fraction=fraction,
        reduce_only=params.flag("reduceOnly") and pos_side == "net",
        created_ms=account.now_ms,
        margin_mode=margin_mode,
        pos_side=pos_side,
        ends_flat=ends_flat,
        sl_trigger=read_positive_price(params, "slTriggerPx"),
        sl_price=read_order_price(params, "slOrdPx"),
        sl_type=params.choice("slTriggerPxType", TRIGGER_KINDS, "last"),
        tp_trigger=read_positive_price(params, "tpTriggerPx"),
        tp_price=read_order_price(params, "tpOrdPx"),
        tp_type=params.choice("tpTriggerPxType", TRIGGER_KINDS, "last"),
        trigger=read_positive_price(params, "triggerPx"),
        trigger_price=read_order_price(params, "orderPx"),
        trigger_type=params.choice("triggerPxType", TRIGGER_KINDS, "last"),
        tag=read_tag(params),
        callback_ratio=params.number("callbackRatio"),
        callback_spread=read_positive_price(params, "callbackSpread"),
        active_price=read_positive_price(params, "activePx"),
    )
    _check_triggers(account, algo)
    if fraction is not None:
        _check_close_fraction(account, algo)
    if kind == "trigger":
        algo.attached = read_attached_stops(account, params, _make_future_order(account, algo))
    algo.algo_id = account.ids.next()
    return algo


def _check_close_fraction(account: Account, algo: AlgoOrder) -> None:
    """Refuse an order that closes a whole position unless it is a stop at market, and the only one of its kind."""
    if not algo.closes:
        raise Refused("51328", "closeFraction is only available for reduceOnly orders")
    if any(price not in (None, MARKET_PRICE) for price in (algo.sl_price, algo.tp_price)):
        raise Refused("51330", "closeFraction is only available for stop market orders")
    if any(o.close_fraction is not None and o.holding == algo.holding for o in account.live_algos(algo.inst_id)):
        raise Refused("51088", "You can only place 1 TP/SL order to close an entire position")


def _read_client_id(account: Account, params: Params) -> str:
    """Return `algoClOrdId`, or the `clOrdId` that ccxt sends in its place."""
    client_id = read_client_id(params, "algoClOrdId" if "algoClOrdId" in params else "clOrdId")
    if client_id and any(algo.client_id == client_id for algo in account.live_algos()):
        raise Refused("51065", "algoClOrdId already exists.")
    return client_id


def _make_amended(account: Account, algo: AlgoOrder, params: Params) -> AlgoOrder:
    size = params.number("newSz")
    instrument = account.market.instruments[algo.inst_id]
    changed = replace(algo, size=algo.size if size is None else check_size(instrument, size, algo.kind))
    for leg, name in (("sl", "Sl"), ("tp", "Tp")):
        _amend_leg(changed, leg, name, params)
    if algo.kind == "trigger":
        changed.trigger = read_positive_price(params, "newTriggerPx") or algo.trigger
        changed.trigger_price = read_order_price(params, "newOrdPx") or algo.trigger_price
        changed.trigger_type = params.choice("newTriggerPxType", TRIGGER_KINDS, algo.trigger_type)
    _check_triggers(account, changed)
    return changed


def _amend_leg(algo: AlgoOrder, leg: str, name: str, params: Params) -> None:
    trigger, price = params.number(f"new{name}TriggerPx"), read_order_price(params, f"new{name}OrdPx")
    kind = params.choice(f"new{name}TriggerPxType", TRIGGER_KINDS, getattr(algo, f"{leg}_type"))
    if trigger is not None and trigger < 0:
        raise Refused("51000", f"Parameter new{name}TriggerPx error")
    if trigger is not None:
        setattr(algo, f"{leg}_trigger", trigger or None)
    if price is not None or trigger == 0:
        setattr(algo, f"{leg}_price", price)
    setattr(algo, f"{leg}_type", kind)


def _check_triggers(account: Account, algo: AlgoOrder) -> None:
    """Refuse an order without the triggers of its type, or with one that would be met at once."""
    if algo.kind == TRAILING:
        _check_trail(algo, account.last(algo.inst_id))
        return
    if algo.kind == "trigger":
        if algo.trigger is None or algo.trigger_price is None:
            name = "triggerPx" if algo.trigger is None else "orderPx"
            raise Refused("51000", f"Parameter {name} error")
        algo.trigger_up = algo.trigger > account.last(algo.inst_id)
        algo.sl_trigger = algo.tp_trigger = None
        return
    algo.trigger = None
    if algo.sl_trigger is None and algo.tp_trigger is None:
        raise Refused("51000", "Parameter slTriggerPx error")
    if algo.kind == "oco" and (algo.sl_trigger is None or algo.tp_trigger is None):
        raise Refused("51000", "Parameter tpTriggerPx error")
    if algo.kind == "conditional" and algo.sl_trigger is not None:
        # The venue lets a conditional order carry both legs, and acts on the stop alone.
        algo.tp_trigger = algo.tp_price = None
    check_order_prices(algo)
    # The legs protect an entry on the other side than their own.
    check_sides(account, algo.inst_id, "buy" if algo.side == "sell" else "sell", algo)


def _check_trail(algo: AlgoOrder, last: Decimal) -> None:
    """Refuse a trailing order without its one callback, or one that its activation price does not wait for."""
    algo.trigger = algo.sl_trigger = algo.tp_trigger = None
    if algo.callback_ratio is None and algo.callback_spread is None:
        raise Refused("50015", "Either parameter callbackRatio or callbackSpread is required")
    if algo.callback_ratio is not None and algo.callback_spread is not None:
        raise Refused("50024", "Parameter callbackRatio and callbackSpread can not exist at the same time.")
    if algo.callback_ratio is not None and not 0 < algo.callback_ratio <= 1:
        raise Refused("51257", "Trailing stop order callback rate error. The callback rate should be 0< x<=100%.")
    if algo.active_price is not None and (algo.active_price - last) * algo.sign >= 0:
        code, side, where = ("51259", "buy", "lower") if algo.side == "buy" else ("51258", "sell", "higher")
        text = f"The trigger price of a {side} order must be {where} than the last transaction price."
        raise Refused(code, f"Trailing stop order placement failed. {text}")
    trailing.start(algo, last)


def _make_future_order(account: Account, algo: AlgoOrder) -> Order:
    """Return the order that a trigger will bring about, at its price or the trigger: its stops are checked on it."""
    at_market = algo.trigger_price is None or algo.trigger_price == MARKET_PRICE
    return Order(
        ord_id="",
        client_id="",
        inst_id=algo.inst_id,
        side=algo.side,
        kind="limit",
        size=algo.size or abs(account.held(algo.holding)),
        price=algo.trigger if at_market else algo.trigger_price,
        reduce_only=algo.reduce_only,
        created_ms=account.now_ms,
        margin_mode=algo.margin_mode,
        pos_side=algo.pos_side,
    )
