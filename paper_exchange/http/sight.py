"""What a client sees of the account: everything at once (see `late_sight` for a venue whose lists lag behind)."""

from __future__ import annotations

from collections.abc import Sequence

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import Execution
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position

Closed = tuple[Position, int, str]
"""A position that is gone, when it went, and how (the `type` of positions-history)."""


class Sight:
    """The account as it is. Only answers look through it: what a request does, it does to the account itself."""

    def observe(self, account: Account) -> None:
        """Take note of what changed; called whenever the account may have."""

    def show_order(self, order: Order) -> Order:
        """Return an order as lists and look-ups show it now."""
        return order

    def list_positions(self, account: Account) -> Sequence[Position]:
        """Return the open positions as account/positions shows them now."""
        return list(account.positions.values())

    def list_closed(self, account: Account) -> Sequence[Closed]:
        """Return the positions that positions-history knows, oldest first."""
        return account.closed_positions

    def list_executions(self, account: Account) -> Sequence[Execution]:
        """Return the fills that lists show now, oldest first."""
        return account.ledger.executions

    def shows_algo(self, account: Account, algo: AlgoOrder) -> bool:
        """Whether lists and look-ups show an algo order now."""
        return True
