"""What a closed bar traded, as far as it is left for resting orders on an unkind market.

A resting order fills with trades of the bar that printed strictly beyond its price, after it began to rest: those
takers would have met it first. A trade at its very price leaves open whether the queue came to it. No contract fills
two orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from paper_exchange.account.ledger import ZERO
from paper_exchange.account.orders import Order
from paper_exchange.market.market import Bar, Market
from paper_exchange.market.trades import make_trades


class Tape:
    """The trades of one bar of an instrument, the very ones that `market/trades` shows, and what is left of each."""

    def __init__(self, market: Market, inst_id: str, bar: Bar) -> None:
        instrument = market.instruments[inst_id]
        self._lot = instrument.lot_sz
        self._trades = make_trades(bar, market.bar_ms(inst_id), instrument)
        self._left = [trade.size_contracts for trade in self._trades]

    def take(self, order: Order) -> Decimal:
        """Take whole lots of the first trade that fills an order, at most what is left of it; return how much.

        0 where no trade is left for it.
        """
        assert order.price is not None
        for place, trade in enumerate(self._trades):
            beyond = (order.price - trade.price) * order.sign > 0
            lots = (min(self._left[place], order.left) / self._lot).to_integral_value(ROUND_DOWN)
            if beyond and trade.at_ms > order.resting_since_ms and lots:
                self._left[place] -= lots * self._lot
                return lots * self._lot
        return ZERO


def sort_by_priority(orders: Iterable[Order]) -> list[Order]:
    """Return priced orders in the order in which trades reach them: the better price, then the older order.

    Buys come before sells; they do not compete.
    """
    priced = [(order, order.price) for order in orders if order.price is not None]
    ranked = sorted(priced, key=lambda item: (-item[0].sign, -item[1] * item[0].sign, item[0].resting_since_ms))
    return [order for order, _ in ranked]
