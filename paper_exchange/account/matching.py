"""Filling of orders: by the quotes of the moment, or by a bar that has closed (see `triggers.py` for stops).

On a kind market an order fills whole, at the touch. On an unkind one it takes what the displayed book has within its
price and the band, level by level, and what rests fills with what the bar traded beyond its price (`tape.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

from pairity.universe import exact
from paper_exchange.account import filling, triggers
from paper_exchange.account.account import NOTHING_TO_CLOSE, Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.arming import arm_attached
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.margin import find_tier_breach, is_affordable
from paper_exchange.account.orders import AT_ONCE, MARKET_PRICE, Order
from paper_exchange.account.slippage import slip
from paper_exchange.account.tape import Tape, sort_by_priority
from paper_exchange.account.triggers import Hit
from paper_exchange.market.book import BookSide, Level, read_levels
from paper_exchange.market.market import Bar
from paper_exchange.market.prices import best_quotes, price_band

BOOK_LEVELS = 400
WOULD_TAKE = "31"
"""Source of the cancellation of a post-only order that would have taken."""
_CANCEL_SOURCE = {"fok": "13"}
_REST_OF_IOC, _STOP_TRIGGERED = "14", "36"
_NO_MARGIN, _TOO_LARGE = "51008", "51202"


def enter(account: Account, order: Order) -> None:
    """Take in an accepted order and let it meet the market."""
    account.take(order)
    meet_quotes(account, order)


def can_carry(account: Account, order: Order, last: Decimal | None = None) -> bool:
    """Whether the account can carry an order that meets the quotes around `last` (default: the present price)."""
    taking = [] if order.kind == "post_only" else find_taking(account, order, last)
    contracts = sum((level.size for level in taking), ZERO)
    if order.kind == "fok" and contracts < order.left:
        contracts = ZERO
    average = sum((level.size * level.price for level in taking), ZERO) / contracts if contracts else ZERO
    return is_affordable(account, order, contracts, average)


def find_taking(account: Account, order: Order, last: Decimal | None = None) -> list[Level]:
    """Return the prices and contracts that an order would take from the quotes around `last`, best first."""
    reference = account.last(order.inst_id) if last is None else last
    instrument = account.market.instruments[order.inst_id]
    if not account.unkind:
        bid, ask = best_quotes(instrument, reference)
        touch = ask if order.side == "buy" else bid
        return [Level(touch, order.left)] if _reaches(order, order.price, touch) else []
    side: BookSide = "ask" if order.side == "buy" else "bid"
    band = price_band(account.market, instrument, account.now_ms)
    limit = None if band is None else band[0] if order.side == "buy" else band[1]
    taken = account.depth.taken(order.inst_id, side, account.now_ms)
    left, taking = order.left, []
    for level in islice(read_levels(instrument, reference, side, account.now_ms, taken), BOOK_LEVELS):
        # A stop trades where its bar was, which may be beyond a band that has moved on: the touch is always in reach.
        inside = _reaches(order, limit, level.price) or last is not None
        if left == 0 or not (inside and _reaches(order, order.price, level.price)):
            break
        taking.append(Level(level.price, min(level.size, left)))
        left -= taking[-1].size
    return taking


def meet_quotes(account: Account, order: Order, last: Decimal | None = None) -> None:
    """Fill an order against the quotes around `last`, let it rest, or end it, as its type demands."""
    taking = find_taking(account, order, last)
    if taking and order.kind == "post_only":
        account.cancel(order, WOULD_TAKE)
        return
    if order.kind == "fok" and sum((level.size for level in taking), ZERO) < order.left:
        taking = []
    side: BookSide = "ask" if order.side == "buy" else "bid"
    for price, size in taking:
        if account.unkind:
            account.depth.take(order.inst_id, side, account.now_ms, size)
        fill(account, order, size, price, taker=True)
    if order.live and order.kind in AT_ONCE:
        account.cancel(order, _CANCEL_SOURCE.get(order.kind, _REST_OF_IOC))


def fill(account: Account, order: Order, size: Decimal, price: Decimal, *, taker: bool) -> None:
    """Fill a part of an order, arm its stops and place its targets, which meet the quotes of the moment."""
    filling.fill(account, order, size, price, taker=taker)
    for target in arm_attached(account, order):
        meet_quotes(account, target)


def apply_bar(account: Account, inst_id: str, bar: Bar) -> None:
    """Let a closed bar take effect: on waiting algo orders, on resting orders, then on stops that those fills armed."""
    # Both lists are taken before anything fills: an order that the bar itself brings about has not seen the whole bar.
    waiting, resting = account.live_algos(inst_id), account.pending(inst_id)
    for algo in waiting:
        if algo.live and (hit := triggers.find_hit(account, algo, bar)):
            _fire(account, algo, hit, bar)
    if account.unkind:
        _fill_from_tape(account, resting, Tape(account.market, inst_id, bar))
    else:
        for order in resting:
            if order.live and order.price is not None and _is_traded_through(order, order.price, bar):
                fill_resting(account, order, order.left, order.price)
    known = {algo.algo_id for algo in waiting}
    for algo in account.live_algos(inst_id):
        if algo.algo_id not in known and (hit := triggers.find_hit_after_fill(account, algo, bar)):
            _fire(account, algo, hit, bar)


def _reaches(order: Order, limit: Decimal | None, price: Decimal) -> bool:
    """Whether a limit of the order's side (None: none) allows to trade at a price."""
    return limit is None or (limit - price) * order.sign >= 0


def _is_traded_through(order: Order, price: Decimal, bar: Bar) -> bool:
    """Whether the bar went beyond the price: a touch alone leaves open whether the queue came to this order."""
    return exact(bar.low) < price if order.side == "buy" else exact(bar.high) > price


def _fill_from_tape(account: Account, resting: Sequence[Order], tape: Tape) -> None:
    """Fill resting orders with what the bar traded beyond their prices, the better price and the older order first."""
    for order in sort_by_priority(resting):
        while order.live and order.price is not None and (size := tape.take(order)):
            fill_resting(account, order, size, order.price)


def fill_resting(account: Account, order: Order, size: Decimal, price: Decimal) -> None:
    """Fill a resting order as maker; one that only closes never beyond what is left of the position."""
    if order.closes:
        held = account.held(order.holding)
        if held * order.sign >= 0:
            account.cancel(order, "2")
            return
        order.size = min(order.size, order.filled + abs(held))
    fill(account, order, min(size, order.left), price, taker=False)


def _fire(account: Account, algo: AlgoOrder, hit: Hit, bar: Bar) -> None:
    """Turn a triggered algo order into its order, at the price at which the trigger was met."""
    algo.updated_ms = algo.triggered_ms = account.now_ms
    algo.actual_side, algo.actual_price = hit.leg, hit.price
    account.cancel_linked(algo, _STOP_TRIGGERED)
    order = _make_order(account, algo, hit)
    last = slip(account, algo, hit, bar, order.size) if account.unkind else hit.price
    instrument = account.market.instruments[algo.inst_id]
    if order.size == 0:
        algo.state, algo.fail_code = "order_failed", NOTHING_TO_CLOSE
    elif order.price is None and order.size > instrument.max_market_sz:
        algo.state, algo.fail_code = "order_failed", _TOO_LARGE
    elif not algo.closes and (code := find_tier_breach(account, order)):
        algo.state, algo.fail_code = "order_failed", code
    elif not algo.closes and not can_carry(account, order, last):
        algo.state, algo.fail_code = "order_failed", _NO_MARGIN
    else:
        algo.state, algo.spawned, algo.actual_size = "effective", order.ord_id, order.size
        account.take(order)
        meet_quotes(account, order, last)


def _make_order(account: Account, algo: AlgoOrder, hit: Hit) -> Order:
    """Return the order of a triggered algo order; its size is 0 where one that closes has nothing to close."""
    held = account.held(algo.holding)
    size = algo.size if algo.size is not None else abs(held)
    if algo.closes:
        size = min(size, abs(held)) if held * algo.sign < 0 else ZERO
    price = {"sl": algo.sl_price, "tp": algo.tp_price}.get(hit.leg, algo.trigger_price)
    at_market = price is None or price == MARKET_PRICE
    return Order(
        ord_id=account.ids.next(),
        client_id="",
        inst_id=algo.inst_id,
        side=algo.side,
        kind="market" if at_market else "limit",
        size=size,
        price=None if at_market else price,
        reduce_only=algo.reduce_only,
        created_ms=account.now_ms,
        margin_mode=algo.margin_mode,
        pos_side=algo.pos_side,
        resting_since_ms=account.now_ms,
        tag=algo.tag,
        source="7" if hit.leg else algo.source,
        leverage=account.lever(algo.inst_id, algo.margin_mode, algo.pos_side),
        algo_id=algo.algo_id,
        algo_client_id=algo.client_id,
        attached=list(algo.attached),
    )
