"""The account: its cash, its positions and its orders, and the margin that they need.

The account knows no rules of admission and no passing of time. `placing`, `amending` and `algo_placing` decide which
orders it takes, `matching`, `triggers` and `liquidation` decide what fills them, `filling` books the fills, and
`settlement` moves it through time. Everything is Decimal and deterministic: the same requests at the same virtual
instants give the same bytes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import ZERO, FeeCurrency, Ids, Ledger
from paper_exchange.account.orders import LIVE_STATES, Order
from paper_exchange.account.positions import MarginMode, Position, PositionSide, count_opening, name_holding
from paper_exchange.clock import VirtualClock
from paper_exchange.market.book import Depth
from paper_exchange.market.market import Market
from paper_exchange.market.prices import price_at

TAKER = Decimal("0.0005")
MAKER = Decimal("0.0002")
DEFAULT_LEVERAGE = Decimal(3)
PositionMode = Literal["net_mode", "long_short_mode"]
TARGET_ENDED = "37"
"""Cancel source of a resting target whose stop was cancelled."""
NOTHING_TO_CLOSE = "51023"
"""Fail code of a stop, target or algo order that finds no position to close."""


class Account:
    """One account in Futures mode, settled in USDT.

    `taker` and `maker` are fee rates; `fee_currency` pays the fees in place of USDT. `reduce_only_oversize` says what
    happens to a reduce-only order that is larger than the position: the guide documents both (docs/okx-protocol.md,
    Reduce-only (net mode)). An `unkind` market fills no more than the book shows and the bars traded, lets stops slip,
    liquidates in steps with a penalty and leaves algo orders standing after a close (docs/okx-protocol.md, How kind
    the paper exchange is); `seed` draws what no bar says, which is how far a stop slips.
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
        position_mode: PositionMode = "net_mode",
        unkind: bool = False,
        seed: int = 7,
    ) -> None:
        self.market = market
        self.now_ms = clock.now_ms()
        self.taker, self.maker = taker, maker
        self.reduce_only_oversize = reduce_only_oversize
        self.position_mode = position_mode
        self.unkind, self.seed = unkind, seed
        self.depth = Depth()
        self.ids = Ids()
        self.ledger = Ledger(balance_usdt, touched_ms=self.now_ms, fee_currency=fee_currency)
        # By `name_holding`: a cross position of net mode goes by its instrument's id.
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

    def lever(self, inst_id: str, margin_mode: MarginMode = "cross", pos_side: PositionSide = "net") -> Decimal:
        """Return the leverage in force: of an instrument in cross margin, of a position in isolated margin."""
        return self.leverage.get(name_leverage(inst_id, margin_mode, pos_side), DEFAULT_LEVERAGE)

    def lever_of(self, item: Order | Position) -> Decimal:
        """Return the leverage in force for an order or a position."""
        return self.lever(item.inst_id, item.margin_mode, item.pos_side)

    def list_cross(self) -> list[Position]:
        """Return the positions that share the account's margin."""
        return [position for position in self.positions.values() if not position.isolated]

    def list_isolated(self) -> list[Position]:
        """Return the positions that stand on margin of their own."""
        return [position for position in self.positions.values() if position.isolated]

    def cross_equity(self) -> Decimal:
        """Return cash plus unrealised profit of cross positions at the mark, in USDT."""
        return self.ledger.cash + sum((p.unrealized(self.mark(p.inst_id)) for p in self.list_cross()), ZERO)

    def isolated_equity(self) -> Decimal:
        """Return margin plus unrealised profit of isolated positions at the mark, in USDT."""
        return sum((p.margin + p.unrealized(self.mark(p.inst_id)) for p in self.list_isolated()), ZERO)

    def equity(self) -> Decimal:
        """Return cash, isolated margin and unrealised profit at the mark, in USDT."""
        return self.cross_equity() + self.isolated_equity()

    def initial_margin(self) -> Decimal:
        """Return Σ notional(mark)/leverage of open cross positions; isolated margin has left the cash already."""
        return sum((p.notional(self.mark(p.inst_id)) / self.lever(p.inst_id) for p in self.list_cross()), ZERO)

    def maintenance_margin(self) -> Decimal:
        """Return Σ notional(mark)·maintenance rate of open cross positions."""
        return sum(
            (p.notional(self.mark(p.inst_id)) * self.maintenance_rate(p) for p in self.list_cross()),
            ZERO,
        )

    def maintenance_rate(self, position: Position) -> Decimal:
        """Return the maintenance rate of the tier that a position is in."""
        return self.market.instruments[position.inst_id].find_tier(abs(position.size)).maintenance_rate

    def frozen(self) -> Decimal:
        """Return the margin that resting orders reserve."""
        return sum((self.margin_for(order, self.held(order.holding)) for order in self.pending()), ZERO)

    def available(self) -> Decimal:
        """Return the equity that is free for new orders, never below zero."""
        return max(self.cross_equity() - self.initial_margin() - self.frozen(), ZERO)

    def margin_for(self, order: Order, held: Decimal, filled: Decimal = ZERO) -> Decimal:
        """Return the margin that the opening part of a resting order needs beside a position of `held` contracts.

        With `filled`, those contracts of it are taken to be filled first.
        """
        opening = count_opening(held + filled * order.sign, (order.left - filled) * order.sign)
        price = order.price if order.price is not None else self.last(order.inst_id)
        return opening * self.market.instruments[order.inst_id].ct_val * price / self.lever_of(order)

    def held(self, holding: str) -> Decimal:
        """Return the signed contracts of a position (see `name_holding`), 0 without one."""
        position = self.positions.get(holding)
        return position.size if position else ZERO

    def size(self, inst_id: str) -> Decimal:
        """Return the signed contracts of the cross position of net mode, 0 without one."""
        return self.held(inst_id)

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
        algo.leverage = self.lever(algo.inst_id, algo.margin_mode, algo.pos_side)
        algo.last_px = self.last(algo.inst_id)
        self.algos[algo.algo_id] = algo
        self._waiting.append(algo)

    def cancel(self, order: Order, source: str) -> None:
        """End a resting order; attached stops of an order that was never filled go with it."""
        order.state, order.cancel_source, order.updated_ms = "canceled", source, self.now_ms

    def cancel_algo(self, algo: AlgoOrder) -> None:
        """End an algo order that has not triggered, and the resting targets that are linked to it."""
        algo.state, algo.updated_ms = "canceled", self.now_ms
        self.cancel_linked(algo, TARGET_ENDED)

    def cancel_linked(self, algo: AlgoOrder, source: str) -> None:
        """End the resting targets that are linked to an algo order."""
        for ord_id in algo.linked_ids:
            if self.orders[ord_id].state in LIVE_STATES:
                self.cancel(self.orders[ord_id], source)


def name_leverage(inst_id: str, margin_mode: MarginMode, pos_side: PositionSide) -> str:
    """Return what a leverage is set for: the instrument in cross margin, whichever side; the position in isolated."""
    return inst_id if margin_mode == "cross" else name_holding(inst_id, margin_mode, pos_side)
