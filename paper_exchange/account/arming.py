"""What becomes of the stops and targets that travel with an order, as it is filled.

They cover what has been filled, and grow with it. A leg with a size of its own is for that part of the order; parts
are covered in the order in which the legs were given (docs/okx-protocol.md, Attached stops).
"""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import NOTHING_TO_CLOSE, Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.orders import AttachedStops, Order

TOO_LARGE = "51275"
"""Fail code of a stop that is larger than one may be."""


def arm_attached(account: Account, order: Order) -> list[Order]:
    """Bring an order's legs up to what is filled of it; return the targets that now rest, for which see `matching`.

    Legs of an order that left no position for them to protect fail.
    """
    before = ZERO
    targets = []
    protects = account.held(order.holding) * order.sign > 0
    for stops in order.attached:
        share = order.filled if stops.size is None else min(max(order.filled - before, ZERO), stops.size)
        before += stops.size or ZERO
        if not protects:
            stops.fail_code = NOTHING_TO_CLOSE
        elif share:
            stops.fail_code = ""
            _arm_algo(account, order, stops, share)
            if stops.tp_limit and (target := _arm_target(account, order, stops, share)):
                targets.append(target)
    _link(account, order)
    return targets


def _arm_algo(account: Account, order: Order, stops: AttachedStops, share: Decimal) -> None:
    """Place the algo order of a leg, or let it grow; what a client cancelled stays cancelled."""
    if stops.sl_trigger is None and stops.tp_limit:
        return
    growth, armed = share - stops.armed, account.algos.get(stops.algo_id)
    if growth <= 0 or (armed is not None and armed.state == "canceled"):
        return
    if share > account.market.instruments[order.inst_id].largest_stop:
        stops.fail_code = TOO_LARGE  # the order stands without it, as it does wherever a leg cannot be placed
        return
    stops.armed = share
    if armed is not None and armed.live:
        armed.size, armed.updated_ms = (armed.size or ZERO) + growth, account.now_ms
        return
    # What has triggered already covered the part that was filled by then.
    algo = _make_algo(account, order, stops, growth)
    stops.algo_id = algo.algo_id
    account.wait(algo)


def _make_algo(account: Account, order: Order, stops: AttachedStops, size: Decimal) -> AlgoOrder:
    target = None if stops.tp_limit else stops.tp_trigger
    both = stops.sl_trigger is not None and target is not None
    return AlgoOrder(
        algo_id=account.ids.next(),
        client_id=stops.client_id,
        inst_id=order.inst_id,
        side="sell" if order.side == "buy" else "buy",
        kind="oco" if both else "conditional",
        size=size,
        close_fraction=None,
        reduce_only=order.pos_side == "net",
        created_ms=account.now_ms,
        margin_mode=order.margin_mode,
        pos_side=order.pos_side,
        ends_flat=stops.tp_limit,
        sl_trigger=stops.sl_trigger,
        sl_price=stops.sl_price,
        sl_type=stops.sl_type,
        tp_trigger=target,
        tp_price=None if stops.tp_limit else stops.tp_price,
        tp_type=stops.tp_type,
        is_attached=True,
        parent_id=order.ord_id,
        tag=order.tag,
    )


def _arm_target(account: Account, order: Order, stops: AttachedStops, share: Decimal) -> Order | None:
    """Place the resting order of a target, or let it grow; return a new one."""
    resting = account.orders.get(stops.tp_ord_id)
    if resting is not None:
        if resting.live:
            resting.size, resting.updated_ms = share, account.now_ms
        return None
    target = _make_target(account, order, stops, share)
    stops.tp_ord_id = target.ord_id
    account.take(target)
    return target


def _make_target(account: Account, entry: Order, stops: AttachedStops, size: Decimal) -> Order:
    """Return the reduce-only limit order of a target, for the position that `entry` opens."""
    return Order(
        ord_id=account.ids.next(),
        client_id="",
        inst_id=entry.inst_id,
        side="sell" if entry.side == "buy" else "buy",
        kind="limit",
        size=size,
        price=stops.tp_price,
        reduce_only=entry.pos_side == "net",
        created_ms=account.now_ms,
        margin_mode=entry.margin_mode,
        pos_side=entry.pos_side,
        resting_since_ms=account.now_ms,
        tag=entry.tag,
        leverage=account.lever_of(entry),
        is_tp_limit=True,
    )


def _link(account: Account, order: Order) -> None:
    """Tie the resting targets of an order to its stop, so that they end with it."""
    stop = next((account.algos[s.algo_id] for s in order.attached if s.algo_id and s.sl_trigger is not None), None)
    targets = [stops.tp_ord_id for stops in order.attached if stops.tp_ord_id]
    if stop is None or not targets:
        return
    stop.linked_ids, stop.ends_flat = targets, True
    for ord_id in targets:
        account.orders[ord_id].linked_algo_id = stop.algo_id
