"""The account: its cash, its positions and its orders, and the changes that orders and fills make to them.

The account knows no rules of admission and no passing of time. `placing`, `amending` and `algo_placing` decide which
orders it takes, `matching`, `triggers` and `liquidation` decide what fills them, and `settlement` moves it through
time. Everything is Decimal and deterministic: the same requests at the same virtual instants give the same bytes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import (
    LIQUIDATION,
    TRADE,
    ZERO,
    Bill,
    Execution,
    FeeCurrency,
    Ids,
    Ledger,
    choose_sub_kind,
)
from paper_exchange.account.orders import AttachedStops, Order
from paper_exchange.account.positions import Position, count_opening, split_reversal
from paper_exchange.clock import VirtualClock
from paper_exchange.market.market import Market
from paper_exchange.market.prices import price_at

TAKER = Decimal("0.0005")
MAKER = Decimal("0.0002")
DEFAULT_LEVERAGE = Decimal(3)
NOTHING_TO_CLOSE = "51023"
"""Fail code of a stop, target or algo order that finds no position to close."""


class Account:
    """One account in Futures mode, cross margin, net positions, settled in USDT.

    `taker` and `maker` are fee rates; `fee_currency` pays the fees in place of USDT. `reduce_only_oversize` says what
    happens to a reduce-only order that is larger than the position: the guide documents both (docs/okx-protocol.md,
    Reduce-only (net mode)).
    """

    def __init__(
        self,
        market: Market,
        clock: VirtualClock,
        balance_usdt: Decimal,
        *,
        taker: Decimal = TAKER,
        maker: Decimal = MAKER,
        reduce_only_oversize: Literal["reject", "trim"] = "reject",
        fee_currency: FeeCurrency | None = None,
    ) -> None:
        self.market = market
        self.now_ms = clock.now_ms()
        self.taker, self.maker = taker, maker
        self.reduce_only_oversize = reduce_only_oversize
        self.ids = Ids()
        self.ledger = Ledger(balance_usdt, touched_ms=self.now_ms, fee_currency=fee_currency)
        self.positions: dict[str, Position] = {}
        self.closed_positions: list[tuple[Position, int, str]] = []
        self.orders: dict[str, Order] = {}
        self.algos: dict[str, AlgoOrder] = {}
        # Subsets of `orders` and `algos` that may still be live: every answer walks them, the whole history would grow.
        self._resting: list[Order] = []
        self._waiting: list[AlgoOrder] = []
        self._marks: dict[str, tuple[int, Decimal]] = {}
        self.leverage: dict[str, Decimal] = {}
        self.cancel_all_at: dict[str, int] = {}

    def last(self, inst_id: str, at_ms: int | None = None) -> Decimal:
        """Return the last price; the mark price where the instrument has not traded yet."""
        price = price_at(self.market, inst_id, self.now_ms if at_ms is None else at_ms)
        return price if price is not None else self.mark(inst_id, at_ms)

    def mark(self, inst_id: str, at_ms: int | None = None) -> Decimal:
        """Return the mark price; the last price where no mark is known, 0 without either."""
        at = self.now_ms if at_ms is None else at_ms
        known = self._marks.get(inst_id)
        # Margin asks for the same mark many times at one instant: the newest answer per instrument is kept.
        if known is None or known[0] != at:
            price = price_at(self.market, inst_id, at, "mark") or price_at(self.market, inst_id, at)
            known = self._marks[inst_id] = (at, price if price is not None else ZERO)
        return known[1]

    def lever(self, inst_id: str) -> Decimal:
        """Return the leverage in force for an instrument."""
        return self.leverage.get(inst_id, DEFAULT_LEVERAGE)

    def equity(self) -> Decimal:
        """Return cash plus unrealised profit at the mark, in USDT."""
        return self.ledger.cash + sum((p.unrealized(self.mark(p.inst_id)) for p in self.positions.values()), ZERO)

    def initial_margin(self) -> Decimal:
        """Return Σ notional(mark)/leverage of open positions."""
        return sum((p.notional(self.mark(p.inst_id)) / self.lever(p.inst_id) for p in self.positions.values()), ZERO)

    def maintenance_margin(self) -> Decimal:
        """Return Σ notional(mark)·maintenance rate of open positions."""
        rates = self.market.instruments
        return sum(
            (p.notional(self.mark(p.inst_id)) * rates[p.inst_id].maintenance_rate for p in self.positions.values()),
            ZERO,
        )

    def frozen(self) -> Decimal:
        """Return the margin that resting orders reserve."""
        return sum((self.margin_for(order, self.size(order.inst_id)) for order in self.pending()), ZERO)

    def available(self) -> Decimal:
        """Return the equity that is free for new orders, never below zero."""
        return max(self.equity() - self.initial_margin() - self.frozen(), ZERO)

    def margin_for(self, order: Order, held: Decimal) -> Decimal:
        """Return the margin that the opening part of a resting order needs beside a position of `held` contracts."""
        opening = count_opening(held, order.left * order.sign)
        price = order.price if order.price is not None else self.last(order.inst_id)
        return opening * self.market.instruments[order.inst_id].ct_val * price / self.lever(order.inst_id)

    def size(self, inst_id: str) -> Decimal:
        """Return the signed contracts of the position, 0 without one."""
        position = self.positions.get(inst_id)
        return position.size if position else ZERO

    def pending(self, inst_id: str = "") -> list[Order]:
        """Return the resting orders, oldest first; of one instrument where it is given."""
        self._resting = [order for order in self._resting if order.live]
        return [order for order in self._resting if inst_id in ("", order.inst_id)]

    def live_algos(self, inst_id: str = "") -> list[AlgoOrder]:
        """Return the algo orders that can still trigger, oldest first; of one instrument where it is given."""
        self._waiting = [algo for algo in self._waiting if algo.live]
        return [algo for algo in self._waiting if inst_id in ("", algo.inst_id)]

    def take(self, order: Order) -> None:
        """Keep an order, and let it rest for as long as it is live."""
        self.orders[order.ord_id] = order
        self._resting.append(order)

    def wait(self, algo: AlgoOrder) -> None:
        """Keep an algo order, and let it wait for its trigger."""
        self.algos[algo.algo_id] = algo
        self._waiting.append(algo)

    def cancel(self, order: Order, source: str) -> None:
        """End a resting order; attached stops of an order that was never filled go with it."""
        order.state, order.cancel_source, order.updated_ms = "canceled", source, self.now_ms

    def cancel_algo(self, algo: AlgoOrder) -> None:
        """End an algo order that has not triggered."""
        algo.state, algo.updated_ms = "canceled", self.now_ms

    def fill(self, order: Order, price: Decimal, *, taker: bool, kind: str = TRADE) -> None:
        """Fill what is left of an order at `price`: position, fee, profit, bill, attached stops."""
        size, trade_id = order.left, self.ids.next()
        if kind == LIQUIDATION:
            trade_id = f"-{trade_id}"  # the venue marks trades of a liquidation by a negative id
        order.filled, order.filled_notional = order.size, order.filled_notional + size * price
        order.state, order.fill_px, order.trade_id = "filled", price, trade_id
        order.fill_ms = order.updated_ms = self.now_ms
        # A reversal is two executions: average price, profit and position id of the new position start afresh.
        for part in split_reversal(self.size(order.inst_id), size * order.sign):
            self._fill_part(order, part, price, taker, kind, trade_id)
        self._arm_attached(order)

    def _fill_part(self, order: Order, signed: Decimal, price: Decimal, taker: bool, kind: str, trade_id: str) -> None:
        instrument = self.market.instruments[order.inst_id]
        position = self.positions.get(order.inst_id)
        if position is None:
            position = Position(
                inst_id=order.inst_id, ct_val=instrument.ct_val, pos_id=self.ids.next(), opened_ms=self.now_ms
            )
            self.positions[order.inst_id] = position
        rate = self.taker if taker else self.maker
        fee = -abs(signed) * instrument.ct_val * price * rate
        closed_before = position.closed_size
        profit = position.apply(signed, price)
        if position.closed_size > closed_before:
            position.closed_ms = self.now_ms
        position.fee += fee
        position.updated_ms, position.trade_id = self.now_ms, trade_id
        paid, charged, currency = self.ledger.charge(fee)
        order.fee += charged
        order.fee_ccy = currency
        order.pnl += profit
        bill = Bill(
            bill_id=self.ids.next(),
            ts_ms=self.now_ms,
            kind=kind,
            sub_kind=choose_sub_kind(kind, signed),
            inst_id=order.inst_id,
            change=profit + paid,
            balance=self.ledger.cash + profit + paid,
            size=abs(signed),
            price=price,
            pnl=profit,
            fee=paid,
            ord_id=order.ord_id,
            client_id=order.client_id,
            trade_id=trade_id,
            exec_type="T" if taker else "M",
            tag=order.tag,
        )
        self.ledger.executions.append(
            Execution(
                bill=self.ledger.book(bill), side=order.side, taker=taker, rate=rate, fee=charged, fee_ccy=currency
            )
        )
        if currency != "USDT":
            self.ledger.book_other(self.ids.next(), bill, charged)
        if position.size == 0:
            self._close(position, "3" if kind == LIQUIDATION else "2")

    def _arm_attached(self, order: Order) -> None:
        """Turn a filled order's attached stops into algo orders, if it left a position for them to protect."""
        for stops in order.attached:
            if self.size(order.inst_id) * order.sign <= 0:
                stops.fail_code = NOTHING_TO_CLOSE
            else:
                self.wait(self._make_algo(order, stops))

    def _make_algo(self, order: Order, stops: AttachedStops) -> AlgoOrder:
        both = stops.sl_trigger is not None and stops.tp_trigger is not None
        return AlgoOrder(
            algo_id=self.ids.next(),
            client_id=stops.client_id,
            inst_id=order.inst_id,
            side="sell" if order.side == "buy" else "buy",
            kind="oco" if both else "conditional",
            size=order.filled,
            close_fraction=None,
            reduce_only=True,
            created_ms=self.now_ms,
            sl_trigger=stops.sl_trigger,
            sl_price=stops.sl_price,
            sl_type=stops.sl_type,
            tp_trigger=stops.tp_trigger,
            tp_price=stops.tp_price,
            tp_type=stops.tp_type,
            is_attached=True,
            parent_id=order.ord_id,
            tag=order.tag,
        )

    def _close(self, position: Position, how: str) -> None:
        """Forget a position that is gone, and cancel its protective orders with it."""
        del self.positions[position.inst_id]
        self.closed_positions.append((position, self.now_ms, how))
        for algo in self.live_algos(position.inst_id):
            if algo.reduce_only:
                self.cancel_algo(algo)
        for order in self.pending(position.inst_id):
            if order.reduce_only:
                self.cancel(order, "2")
