"""The account: cash, positions, orders and what the passing of bars does to them.

`settle_until` walks the finest bars of every instrument that has a position, an order or an algo order, in time order:
when a bar closes its high and low become effective (stops and resting orders), then funding that is due at that
instant is settled on the mark price, and margin is looked at after each. Everything is Decimal and deterministic: the
same requests at the same virtual instants give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from pairity.universe import exact
from paper_exchange.account import liquidation, matching, triggers
from paper_exchange.account.ledger import FUNDING, LIQUIDATION, TRADE, ZERO, Bill, Fill, Ids, Ledger, fill_sub_kind
from paper_exchange.account.orders import Algo, Order
from paper_exchange.account.positions import Position, opening_part, split_reversal
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.market import Bar, Market
from paper_exchange.market.prices import price_at

TAKER = Decimal("0.0005")
MAKER = Decimal("0.0002")
DEFAULT_LEVERAGE = Decimal(3)
_BAR_CLOSE, _NEW_PRICE, _FUNDING, _CANCEL_ALL = 0, 1, 2, 3


class Engine:
    """One account in Futures mode, cross margin, net positions, settled in USDT."""

    def __init__(
        self,
        market: Market,
        clock: VirtualClock,
        balance_usdt: Decimal,
        *,
        faults: FaultPlan | None = None,
        taker: Decimal = TAKER,
        maker: Decimal = MAKER,
        reduce_only_oversize: Literal["reject", "trim"] = "reject",
    ) -> None:
        self.market = market
        self.now_ms = clock.now_ms()
        self.faults = faults if faults is not None else FaultPlan()
        self.taker, self.maker = taker, maker
        self.reduce_only_oversize = reduce_only_oversize
        self.ids = Ids()
        self.ledger = Ledger(balance_usdt, touched_ms=self.now_ms)
        self.positions: dict[str, Position] = {}
        self.closed_positions: list[tuple[Position, int, str]] = []
        self.orders: dict[str, Order] = {}
        self.algos: dict[str, Algo] = {}
        self._resting: list[Order] = []
        self._waiting: list[Algo] = []
        self._marks: dict[str, tuple[int, Decimal]] = {}
        self.leverage: dict[str, Decimal] = {}
        self.cancel_all_at: dict[str, int] = {}

    # -- what is known now ---------------------------------------------------------------------------------------

    def last(self, inst_id: str, at_ms: int | None = None) -> Decimal:
        """Last price; of the mark where the instrument has not traded yet."""
        price = price_at(self.market, inst_id, self.now_ms if at_ms is None else at_ms)
        return price if price is not None else self.mark(inst_id, at_ms)

    def mark(self, inst_id: str, at_ms: int | None = None) -> Decimal:
        """Mark price; the last price where no mark is known."""
        at = self.now_ms if at_ms is None else at_ms
        known = self._marks.get(inst_id)
        if known is None or known[0] != at:
            price = price_at(self.market, inst_id, at, "mark") or price_at(self.market, inst_id, at)
            known = self._marks[inst_id] = (at, price if price is not None else ZERO)
        return known[1]

    def lever(self, inst_id: str) -> Decimal:
        """Leverage in force for an instrument."""
        return self.leverage.get(inst_id, DEFAULT_LEVERAGE)

    def equity(self) -> Decimal:
        """Cash plus unrealised profit at the mark."""
        return self.ledger.cash + sum((p.unrealized(self.mark(p.inst_id)) for p in self.positions.values()), ZERO)

    def initial_margin(self) -> Decimal:
        """Σ notional(mark)/leverage of open positions."""
        return sum((p.notional(self.mark(p.inst_id)) / self.lever(p.inst_id) for p in self.positions.values()), ZERO)

    def maintenance_margin(self) -> Decimal:
        """Σ notional(mark)·maintenance rate of open positions."""
        rates = self.market.instruments
        return sum(
            (p.notional(self.mark(p.inst_id)) * rates[p.inst_id].maintenance_rate for p in self.positions.values()),
            ZERO,
        )

    def frozen(self) -> Decimal:
        """Margin that resting orders hold."""
        return sum((self.margin_for(order, self.size(order.inst_id)) for order in self.pending()), ZERO)

    def available(self) -> Decimal:
        """Equity that is free for new orders, never below zero."""
        return max(self.equity() - self.initial_margin() - self.frozen(), ZERO)

    def margin_for(self, order: Order, held: Decimal) -> Decimal:
        """What the opening part of a resting order needs at its price beside a position of `held` contracts."""
        opening = opening_part(held, order.left * order.sign)
        price = order.price if order.price is not None else self.last(order.inst_id)
        return opening * self.market.instruments[order.inst_id].ct_val * price / self.lever(order.inst_id)

    def size(self, inst_id: str) -> Decimal:
        """Signed contracts held, 0 without a position."""
        position = self.positions.get(inst_id)
        return position.size if position else ZERO

    def pending(self, inst_id: str = "") -> list[Order]:
        """Resting orders, oldest first."""
        self._resting = [order for order in self._resting if order.live]
        return [order for order in self._resting if inst_id in ("", order.inst_id)]

    def live_algos(self, inst_id: str = "") -> list[Algo]:
        """Algo orders that can still trigger, oldest first."""
        self._waiting = [algo for algo in self._waiting if algo.live]
        return [algo for algo in self._waiting if inst_id in ("", algo.inst_id)]

    # -- time ----------------------------------------------------------------------------------------------------

    def settle_until(self, now_ms: int) -> None:
        """Let everything happen that the bars and settlements up to and including `now_ms` bring about."""
        if now_ms <= self.now_ms:
            return
        since = self.now_ms
        for at_ms, kind, inst_id, payload in sorted(self._events(since, now_ms), key=lambda event: event[:3]):
            self.now_ms = at_ms
            if kind == _BAR_CLOSE:
                assert isinstance(payload, Bar)
                self._bar_closed(inst_id, payload)
            elif kind == _FUNDING:
                assert isinstance(payload, float)
                self._settle_funding(inst_id, payload, at_ms)
            elif kind == _CANCEL_ALL:
                self._cancel_all(inst_id)
            liquidation.at_marks(self)
        self.now_ms = now_ms

    def _bar_closed(self, inst_id: str, bar: Bar) -> None:
        """Of stop and liquidation the nearer one is met first."""
        stop, level = triggers.nearest_stop(self, inst_id), liquidation.price_of(self, inst_id)
        if level is not None and (stop is None or (stop - level) * self.size(inst_id) < 0):
            liquidation.in_bar(self, inst_id, bar.open_ms)
        matching.bar_closed(self, inst_id, bar)
        liquidation.in_bar(self, inst_id, bar.open_ms)

    def _events(self, since: int, until: int) -> Iterator[tuple[int, int, str, Bar | float | None]]:
        """(instant, kind, instrument or tag, payload) in (since, until]; nothing else can become active meanwhile."""
        active = {*self.positions, *(o.inst_id for o in self.pending()), *(a.inst_id for a in self.live_algos())}
        for inst_id in active:
            step = self.market.bar_ms(inst_id)
            known_until = since
            for bar in self.market.bars(inst_id, since - step + 1, until + 1):
                if bar.open_ms > known_until:  # after a hole no close brings the new price
                    yield bar.open_ms, _NEW_PRICE, inst_id, None
                known_until = bar.open_ms + step
                if known_until <= until:
                    yield known_until, _BAR_CLOSE, inst_id, bar
            for settlement in self.market.funding(inst_id, since + 1, until + 1):
                yield settlement.settle_ms, _FUNDING, inst_id, settlement.rate
        for tag, at_ms in self.cancel_all_at.items():
            if since < at_ms <= until:
                yield at_ms, _CANCEL_ALL, tag, None

    def _settle_funding(self, inst_id: str, rate: float, at_ms: int) -> None:
        position = self.positions.get(inst_id)
        if position is None:
            return
        mark = self.mark(inst_id, at_ms)
        payment = -position.size * position.ct_val * mark * exact(rate)
        position.funding += payment
        position.updated_ms = at_ms
        self.ledger.book(
            Bill(self.ids.next(), at_ms, FUNDING, "174" if payment > 0 else "173", inst_id, payment,
                 self.ledger.cash + payment, abs(position.size), mark, payment, ZERO)
        )  # fmt: skip

    def _cancel_all(self, tag: str) -> None:
        del self.cancel_all_at[tag]
        for order in self.pending():
            if tag in ("", order.tag):
                self.cancel(order, "20")

    # -- changes -------------------------------------------------------------------------------------------------

    def take(self, order: Order) -> None:
        """Keep an order, and let it rest for as long as it is live."""
        self.orders[order.ord_id] = order
        self._resting.append(order)

    def wait(self, algo: Algo) -> None:
        """Keep an algo order, and let it wait for its trigger."""
        self.algos[algo.algo_id] = algo
        self._waiting.append(algo)

    def cancel(self, order: Order, source: str) -> None:
        """End a resting order; attached legs of an order that was never filled go with it."""
        order.state, order.cancel_source, order.updated_ms = "canceled", source, self.now_ms

    def cancel_algo(self, algo: Algo) -> None:
        """End an algo order that has not triggered."""
        algo.state, algo.updated_ms = "canceled", self.now_ms

    def fill(self, order: Order, price: Decimal, *, taker: bool, kind: str = TRADE) -> None:
        """Fill what is left of an order at `price`: position, fee, profit, bill, attached legs."""
        size, trade_id = order.left, self.ids.next()
        if kind == LIQUIDATION:
            trade_id = f"-{trade_id}"
        order.filled, order.filled_notional = order.size, order.filled_notional + size * price
        order.state, order.fill_px, order.trade_id = "filled", price, trade_id
        order.fill_ms = order.updated_ms = self.now_ms
        for part in split_reversal(self.size(order.inst_id), size * order.sign):
            self._fill_part(order, part, price, taker, kind, trade_id)
        matching.arm_attached(self, order)

    def _fill_part(self, order: Order, signed: Decimal, price: Decimal, taker: bool, kind: str, trade_id: str) -> None:
        instrument = self.market.instruments[order.inst_id]
        position = self.positions.get(order.inst_id)
        if position is None:
            position = Position(order.inst_id, instrument.ct_val, self.ids.next(), self.now_ms)
            self.positions[order.inst_id] = position
        rate = self.taker if taker else self.maker
        fee = -abs(signed) * instrument.ct_val * price * rate
        profit = position.apply(signed, price)
        position.fee += fee
        position.updated_ms, position.trade_id = self.now_ms, trade_id
        order.fee += fee
        order.pnl += profit
        bill = Bill(self.ids.next(), self.now_ms, kind, fill_sub_kind(kind, signed), order.inst_id, profit + fee,
                    self.ledger.cash + profit + fee, abs(signed), price, profit, fee, order.ord_id, order.client_id,
                    trade_id, "T" if taker else "M", order.tag)  # fmt: skip
        self.ledger.fills.append(Fill(self.ledger.book(bill), order.side, taker, rate))
        if position.size == 0:
            self._close(position, "3" if kind == LIQUIDATION else "2")

    def _close(self, position: Position, how: str) -> None:
        """A position that is gone takes its protective orders with it."""
        del self.positions[position.inst_id]
        self.closed_positions.append((position, self.now_ms, how))
        for algo in self.live_algos(position.inst_id):
            if algo.reduce_only:
                self.cancel_algo(algo)
        for order in self.pending(position.inst_id):
            if order.reduce_only:
                self.cancel(order, "2")
