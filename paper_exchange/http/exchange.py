"""The parts of a running exchange, and their common instant."""

from __future__ import annotations

from dataclasses import dataclass, field

from paper_exchange.account.account import Account
from paper_exchange.account.settlement import settle_until
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.rate_limits import RateLimiter
from paper_exchange.http.request import Routes
from paper_exchange.http.sight import Sight
from paper_exchange.market.market import Market


@dataclass(frozen=True, slots=True)
class Exchange:
    """The parts of a running exchange. `limiter` None switches rate limits off, `account` None private endpoints."""

    market: Market
    clock: VirtualClock
    account: Account | None
    credentials: Credentials
    faults: FaultPlan
    limiter: RateLimiter | None
    public: Routes
    private: Routes
    sight: Sight = field(default_factory=Sight)
    """What answers show of the account; a `LateSight` lets lists lag behind."""

    def settle(self) -> int:
        """Let the account catch up with the clock, and return that instant."""
        now_ms = self.clock.now_ms()
        if self.account is not None:
            settle_until(self.account, now_ms)
            self.sight.observe(self.account)
        return now_ms
