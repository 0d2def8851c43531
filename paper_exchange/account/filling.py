"""Booking of fills: what one fill changes in its order, its position, the cash and the lists of bills and fills."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.ledger import (
    LIQUIDATION,
    PARTIAL_LIQUIDATION,
    TRADE,
    ZERO,
    Bill,
    Execution,
    choose_sub_kind,
)
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position, count_opening, split_reversal
from paper_exchange.market.prices import price_at

_FORCED = (LIQUIDATION, PARTIAL_LIQUIDATION)


def fill(account: Account, order: Order, size: Decimal, price: Decimal, *, taker: bool, kind: str = TRADE) -> None:
    """Fill `size` contracts of an order at `price`: position, fee, profit, bill; an order without a rest is filled."""
    trade_id = account.ids.next()
    if kind in _FORCED:
        trade_id = f"-{trade_id}"  # the venue marks trades of a liquidation by a negative id
    order.filled += size
    order.filled_notional += size * price
    order.state = "partially_filled" if order.left else "filled"
    order.fill_px, order.fill_size, order.trade_id = price, size, trade_id
    order.fill_ms = order.updated_ms = account.now_ms
    # A reversal is two executions: average price, profit and position id of the new position start afresh.
    for part in split_reversal(account.held(order.holding), size * order.sign):
        _fill_part(account, order, part, price, taker, kind, trade_id)


def _fill_part(
    account: Account, order: Order, signed: Decimal, price: Decimal, taker: bool, kind: str, trade_id: str
) -> None:
    position = account.positions.get(order.holding) or _open_position(account, order)
    rate = account.taker if taker else account.maker
    fee = -abs(signed) * position.ct_val * price * rate
    moved = _compute_margin_change(account, order, position, signed, price)
    closed_before = position.closed_size
    profit = position.apply(signed, price)
    if position.closed_size > closed_before:
        position.closed_ms = account.now_ms
    position.fee += fee
    position.margin += moved
    position.updated_ms, position.trade_id = account.now_ms, trade_id
    paid, charged, currency = account.ledger.charge(fee)
    order.fee += charged
    order.fee_ccy = currency
    order.pnl += profit
    bill = Bill(
        bill_id=account.ids.next(),
        ts_ms=account.now_ms,
        kind=LIQUIDATION if kind in _FORCED else kind,
        sub_kind=choose_sub_kind(kind, signed, order.pos_side),
        inst_id=order.inst_id,
        change=profit + paid - moved,
        balance=account.ledger.cash + profit + paid - moved,
        size=abs(signed),
        price=price,
        pnl=profit,
        fee=paid,
        ord_id=order.ord_id,
        client_id=order.client_id,
        trade_id=trade_id,
        exec_type="T" if taker else "M",
        tag=order.tag,
        margin_mode=position.margin_mode,
        pos_side=position.pos_side,
        margin=position.margin,
        margin_change=moved,
        index_px=price_at(account.market, order.inst_id, account.now_ms, "index"),
        mark_px=account.mark(order.inst_id),
    )
    booked = account.ledger.book(bill)
    account.ledger.executions.append(
        Execution(bill=booked, side=order.side, taker=taker, rate=rate, fee=charged, fee_ccy=currency)
    )
    if currency != "USDT":
        account.ledger.book_other(account.ids.next(), bill, charged)
    if position.size == 0:
        _close(account, position, "3" if kind in _FORCED else "2")


def _open_position(account: Account, order: Order) -> Position:
    position = Position(
        inst_id=order.inst_id,
        ct_val=account.market.instruments[order.inst_id].ct_val,
        pos_id=account.ids.next(),
        opened_ms=account.now_ms,
        margin_mode=order.margin_mode,
        pos_side=order.pos_side,
    )
    account.positions[position.holding] = position
    return position


def _compute_margin_change(
    account: Account, order: Order, position: Position, signed: Decimal, price: Decimal
) -> Decimal:
    """Return what an isolated position takes from the cash for opening contracts, or gives back for closed ones."""
    if not position.isolated:
        return ZERO
    opening = count_opening(position.size, signed)
    if opening:
        return opening * position.ct_val * price / account.lever_of(order)
    return -position.margin * abs(signed) / abs(position.size)


def _close(account: Account, position: Position, how: str) -> None:
    """Forget a position that is gone, and cancel what was tied to it."""
    del account.positions[position.holding]
    account.closed_positions.append((position, account.now_ms, how))
    for algo in account.live_algos(position.inst_id):
        tied = algo.ends_flat or (algo.closes and not account.unkind)
        if tied and algo.holding == position.holding:
            account.cancel_algo(algo)
    for order in account.pending(position.inst_id):
        if order.closes and order.holding == position.holding:
            account.cancel(order, "2")
