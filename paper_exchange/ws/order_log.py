"""Messages of orders: every placement, fill, amendment and end since the last look, each as it was at its time.

One look may come after hours of a stepped clock. What happened in between is put together again from the account's
own lists: an order that was placed, filled in three parts and is gone has five messages, not one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, islice

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import ZERO, Execution
from paper_exchange.account.orders import Order
from paper_exchange.wire import Json, empty_fields, format_number

Row = dict[str, Json]
_EXTRAS: Row = {
    **empty_fields(
        "amendResult amendSource execType fillFeeCcy fillFwdPx fillIdxPx fillMarkPx fillMarkVol fillNotionalUsd "
        "fillPxUsd fillPxVol msg reqId"
    ),
    "code": "0",
    "fillFee": "0",
    "fillPnl": "0",
}
_NO_FILL: Row = {**empty_fields("fillPx fillTime tradeId"), "fillSz": "0"}


@dataclass(slots=True)
class _Seen:
    """What has been told of an order."""

    state: str
    size: Decimal
    price: Decimal | None
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    fee: Decimal = ZERO
    pnl: Decimal = ZERO


class OrderLog:
    """The orders of an account that are watched: those that can still change."""

    def __init__(self) -> None:
        self._watched: dict[str, tuple[Order, _Seen]] = {}
        self._algos: dict[str, tuple[AlgoOrder, Row]] = {}
        self._orders_seen = self._algos_seen = self._executions_seen = 0

    def rebase(self, account: Account) -> None:
        """Take everything that there is as told."""
        self._watched = {order.ord_id: (order, _remember(order)) for order in account.pending()}
        self._algos = {algo.algo_id: (algo, algo.row()) for algo in account.live_algos()}
        self._orders_seen, self._algos_seen = len(account.orders), len(account.algos)
        self._executions_seen = len(account.ledger.executions)

    def read_orders(self, account: Account) -> list[Row]:
        """Return the messages of orders since the last call, in the order of their times."""
        messages: list[tuple[int, Row]] = []
        for order in islice(account.orders.values(), self._orders_seen, None):
            self._watched[order.ord_id] = order, _Seen(state="live", size=order.size, price=order.price)
            messages.append((order.created_ms, _make_placed(account, order)))
        self._orders_seen = len(account.orders)
        messages += self._read_fills(account)
        for ord_id, (order, seen) in list(self._watched.items()):
            if order.live:
                if (order.size, order.price) != (seen.size, seen.price):
                    messages.append((order.updated_ms, {**_make_row(account, order), **_NO_FILL, "amendResult": "0"}))
                self._watched[ord_id] = order, _remember(order)
                continue
            if order.state != seen.state:
                messages.append((order.updated_ms, {**_make_row(account, order), **_NO_FILL}))
            del self._watched[ord_id]
        return [row for _, row in sorted(messages, key=lambda message: message[0])]

    def read_algos(self, account: Account) -> list[Row]:
        """Return the messages of algo orders since the last call: placed ones first as they were, then as they are."""
        rows = []
        for algo in islice(account.algos.values(), self._algos_seen, None):
            placed = {**algo.row(), "state": "live", "uTime": str(algo.created_ms), "ordId": "", "ordIdList": []}
            self._algos[algo.algo_id] = algo, placed
            rows.append(placed)
        self._algos_seen = len(account.algos)
        for algo_id, (algo, told) in list(self._algos.items()):
            row = algo.row()
            # The time of a trailing order's own following is no news.
            if row != {**told, "uTime": row["uTime"]}:
                rows.append(row)
            if algo.live:
                self._algos[algo_id] = algo, row
            else:
                del self._algos[algo_id]
        return [_add_algo_fields(account, row) for row in rows]

    def _read_fills(self, account: Account) -> Iterator[tuple[int, Row]]:
        """Yield a message for each trade; the two executions of a reversal are one trade."""
        executions = account.ledger.executions
        new = executions[self._executions_seen :]
        self._executions_seen = len(executions)
        for (ord_id, _), group in groupby(new, key=lambda each: (each.bill.ord_id, each.bill.trade_id)):
            parts = list(group)
            if ord_id in self._watched:
                order, seen = self._watched[ord_id]
                yield parts[-1].bill.ts_ms, _make_fill(account, order, seen, parts)


def _remember(order: Order) -> _Seen:
    return _Seen(
        state=order.state,
        size=order.size,
        price=order.price,
        filled=order.filled,
        notional=order.filled_notional,
        fee=order.fee,
        pnl=order.pnl,
    )


def _make_row(account: Account, order: Order) -> Row:
    value = account.market.instruments[order.inst_id].ct_val
    price = order.price if order.price is not None else account.last(order.inst_id)
    return {
        **order.row(),
        **_EXTRAS,
        "notionalUsd": format_number(order.size * value * price),
        "lastPx": format_number(account.last(order.inst_id)),
    }


def _make_placed(account: Account, order: Order) -> Row:
    return {
        **_make_row(account, order),
        **_NO_FILL,
        **dict.fromkeys(("accFillSz", "fee", "pnl"), "0"),
        **empty_fields("avgPx cancelSource"),
        "state": "live",
        "uTime": str(order.created_ms),
    }


def _make_fill(account: Account, order: Order, seen: _Seen, parts: list[Execution]) -> Row:
    """Return the message of one trade, and note it: sizes, fee and profit up to and including it."""
    size = sum((part.bill.size for part in parts), ZERO)
    price, at_ms = parts[-1].bill.price, parts[-1].bill.ts_ms
    fee, pnl = sum((part.fee for part in parts), ZERO), sum((part.bill.pnl for part in parts), ZERO)
    seen.filled += size
    seen.notional += size * price
    seen.fee += fee
    seen.pnl += pnl
    seen.state = "filled" if seen.filled == order.size else "partially_filled"
    value = account.market.instruments[order.inst_id].ct_val
    return {
        **_make_row(account, order),
        "state": seen.state,
        "accFillSz": format_number(seen.filled),
        "avgPx": format_number(seen.notional / seen.filled),
        "fee": format_number(seen.fee),
        "pnl": format_number(seen.pnl),
        "cancelSource": "",
        "fillSz": format_number(size),
        "fillPx": format_number(price),
        "fillTime": str(at_ms),
        "uTime": str(at_ms),
        "tradeId": parts[-1].bill.trade_id,
        "execType": parts[-1].bill.exec_type,
        "fillFee": format_number(fee),
        "fillFeeCcy": parts[-1].fee_ccy,
        "fillPnl": format_number(pnl),
        "fillNotionalUsd": format_number(size * value * price),
    }


def _add_algo_fields(account: Account, row: Row) -> Row:
    inst_id = row["instId"]
    value, last = account.market.instruments[inst_id].ct_val, account.last(inst_id)
    notional = Decimal(row["sz"]) * value * last if row["sz"] else None
    return {
        **row,
        **empty_fields("amendResult reqId"),
        "last": format_number(last),
        "notionalUsd": format_number(notional),
    }
