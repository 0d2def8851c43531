"""How long a position has had no stop, by the venue's own books, while the venue would have taken one."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.positions import Position
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan

MOST_MS = 60_000


class ProtectionMeter:
    """Meter over one account. Time counts while the process is alive, nothing is faulty and the contract trades."""

    def __init__(self, account: Account, market: ScriptedMarket, faults: FaultPlan) -> None:
        self._account, self._market, self._faults = account, market, faults
        self._since: dict[str, int] = {}
        self.foreign: set[str] = set()
        """Instruments in which somebody else trades: what is theirs has no stop."""
        self.dead = True
        self.worst_ms = 0
        self.offence = ""

    def look(self) -> None:
        """Note what is without a stop at this instant."""
        now_ms, open_now = self._account.now_ms, set()
        for position in self._account.positions.values():
            name = position.inst_id
            able = not (self.dead or self._faults.waiting or name in self.foreign)
            if not able or self._market.instruments[name].state != "live" or self._is_covered(position):
                continue
            open_now.add(name)
            bare_ms = now_ms - self._since.setdefault(name, now_ms)
            self.worst_ms = max(self.worst_ms, bare_ms)
            if bare_ms > MOST_MS and not self.offence:
                self.offence = f"{name} ({position.size}) has had no stop for {bare_ms / 1000:.1f} s"
        for name in self._since.keys() - open_now:
            del self._since[name]

    def _is_covered(self, position: Position) -> bool:
        side = "sell" if position.size > 0 else "buy"
        algos = [a for a in self._account.live_algos(position.inst_id) if a.side == side and a.sl_trigger is not None]
        cover = sum((_count(algo, position) for algo in algos), Decimal(0))
        # A stop that was triggered is an order now.
        closing = [order for order in self._account.pending(position.inst_id) if order.side == side]
        return cover + sum((order.left for order in closing), Decimal(0)) >= abs(position.size)


def _count(algo: AlgoOrder, position: Position) -> Decimal:
    return abs(position.size) if algo.size is None else algo.size
