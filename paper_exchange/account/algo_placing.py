"""Taking in and amending algo orders: conditional, oco and trigger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paper_exchange.account.attached_stops import TRIGGER_KINDS, attached_legs, check_sides, order_price, positive
from paper_exchange.account.orders import Algo, Order
from paper_exchange.account.placing import check_modes, checked_client_id, checked_size, checked_tag, tradable
from paper_exchange.http.refusals import Refused, refusing
from paper_exchange.http.request import Params

if TYPE_CHECKING:
    from paper_exchange.account.account import Engine

_KINDS = ("conditional", "oco", "trigger")


def place_algo(engine: Engine, params: Params, *, suspended: bool = False) -> Algo:
    """Check an algo order and let it wait; Refused says why not. It holds no margin until it triggers."""
    with refusing():
        algo = _algo(engine, params, suspended)
    engine.wait(algo)
    return algo


def amend_algo(engine: Engine, algo: Algo, params: Params) -> None:
    """Change size, triggers and order prices of a waiting algo order; a leg's new trigger 0 removes the leg."""
    with refusing():
        amended = _amended(engine, algo, params)
    for name in ("size", "trigger", "trigger_price", "trigger_type", "trigger_up", *_LEG_FIELDS):
        setattr(algo, name, getattr(amended, name))
    algo.updated_ms = engine.now_ms


_LEG_FIELDS = ("sl_trigger", "sl_price", "sl_type", "tp_trigger", "tp_price", "tp_type")


def _algo(engine: Engine, params: Params, suspended: bool) -> Algo:
    instrument = tradable(engine, params, suspended=suspended)
    check_modes(params)
    side = params.choice("side", ("buy", "sell"))
    kind = params.choice("ordType", _KINDS)
    fraction = params.number("closeFraction")
    if fraction is not None and (fraction != 1 or not params.flag("reduceOnly")):
        raise Refused("51000", "Parameter closeFraction error")
    algo = Algo(
        "", _client_id(engine, params), instrument.inst_id, "buy" if side == "buy" else "sell", kind,
        None if fraction is not None else checked_size(instrument, params.number("sz"), kind), fraction,
        params.flag("reduceOnly"), engine.now_ms,
        positive(params, "slTriggerPx"), order_price(params, "slOrdPx"),
        params.choice("slTriggerPxType", TRIGGER_KINDS, "last"),
        positive(params, "tpTriggerPx"), order_price(params, "tpOrdPx"),
        params.choice("tpTriggerPxType", TRIGGER_KINDS, "last"),
        positive(params, "triggerPx"), order_price(params, "orderPx"),
        params.choice("triggerPxType", TRIGGER_KINDS, "last"), tag=checked_tag(params),
    )  # fmt: skip
    _check_triggers(engine, algo)
    if kind == "trigger":
        algo.attached = attached_legs(engine, params, _order_to_come(engine, algo))
    algo.algo_id = engine.ids.next()
    return algo


def _client_id(engine: Engine, params: Params) -> str:
    """`algoClOrdId`, or the `clOrdId` that ccxt sends instead of it."""
    client_id = checked_client_id(params, "algoClOrdId" if "algoClOrdId" in params else "clOrdId")
    if client_id and any(algo.client_id == client_id for algo in engine.live_algos()):
        raise Refused("51065", "algoClOrdId already exists.")
    return client_id


def _amended(engine: Engine, algo: Algo, params: Params) -> Algo:
    size = params.number("newSz")
    instrument = engine.market.instruments[algo.inst_id]
    changed = replace(algo, size=algo.size if size is None else checked_size(instrument, size, algo.kind))
    for leg, name in (("sl", "Sl"), ("tp", "Tp")):
        _amend_leg(changed, leg, name, params)
    if algo.kind == "trigger":
        changed.trigger = positive(params, "newTriggerPx") or algo.trigger
        changed.trigger_price = order_price(params, "newOrdPx") or algo.trigger_price
        changed.trigger_type = params.choice("newTriggerPxType", TRIGGER_KINDS, algo.trigger_type)
    _check_triggers(engine, changed)
    return changed


def _amend_leg(algo: Algo, leg: str, name: str, params: Params) -> None:
    trigger, price = params.number(f"new{name}TriggerPx"), order_price(params, f"new{name}OrdPx")
    kind = params.choice(f"new{name}TriggerPxType", TRIGGER_KINDS, getattr(algo, f"{leg}_type"))
    if trigger is not None and trigger < 0:
        raise Refused("51000", f"Parameter new{name}TriggerPx error")
    if trigger is not None:
        setattr(algo, f"{leg}_trigger", trigger or None)
    if price is not None:
        setattr(algo, f"{leg}_price", price)
    setattr(algo, f"{leg}_type", kind)


def _check_triggers(engine: Engine, algo: Algo) -> None:
    """Each type needs its triggers, on the side that is not met at once."""
    if algo.kind == "trigger":
        if algo.trigger is None:
            raise Refused("51000", "Parameter triggerPx error")
        algo.trigger_up = algo.trigger > engine.last(algo.inst_id)
        algo.sl_trigger = algo.tp_trigger = None
        return
    algo.trigger = None
    if algo.sl_trigger is None and algo.tp_trigger is None:
        raise Refused("51000", "Parameter slTriggerPx error")
    if algo.kind == "oco" and (algo.sl_trigger is None or algo.tp_trigger is None):
        raise Refused("51000", "Parameter tpTriggerPx error")
    if algo.kind == "conditional" and algo.sl_trigger is not None:
        algo.tp_trigger = algo.tp_price = None  # of two legs in a one-legged order only the stop acts
    check_sides(engine, algo.inst_id, "buy" if algo.side == "sell" else "sell", algo)


def _order_to_come(engine: Engine, algo: Algo) -> Order:
    """The order that a trigger will bring about, for checks of its legs: it enters at its price, or at the trigger."""
    at_market = algo.trigger_price is None or algo.trigger_price == -1
    return Order("", "", algo.inst_id, algo.side, "limit", algo.size or engine.size(algo.inst_id),
                 algo.trigger if at_market else algo.trigger_price, algo.reduce_only, engine.now_ms)  # fmt: skip
