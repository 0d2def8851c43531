"""The parts of a running exchange, and their common instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from paper_exchange.account.account import Account
from paper_exchange.account.settlement import settle_until
from paper_exchange.clock import VirtualClock
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.venue_state import VenueState
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.number_forms import NumberForms
from paper_exchange.http.rate_limits import RateLimiter
from paper_exchange.http.request import Routes
from paper_exchange.http.sight import Sight
from paper_exchange.market.market import Market
from paper_exchange.mirror.follower import Follower


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
    forms: NumberForms | None = None
    """How numbers are written; None writes them as short as they are."""
    schedule: Schedule | None = None
    """A script of faults and events; its market is `market`, its faults are `faults`."""
    follower: Follower | None = None
    """What brings the market, where it is one that follows a source."""
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Called after everything that may have changed what there is to see: requests, and steps of the clock."""

    @property
    def venue(self) -> VenueState:
        """What the venue announces, and an outage of the source that it follows."""
        announced = self.schedule.venue if self.schedule is not None else VenueState()
        if self.follower is None:
            return announced
        return replace(announced, outages=self.follower.list_outages(self.clock.now_ms()))

    def settle(self) -> int:
        """Let events and the account catch up with the clock, and return that instant."""
        now_ms = self.clock.now_ms()
        if self.schedule is not None:
            self.schedule.advance(now_ms, self.account, self._settle_account)
        self._settle_account(now_ms)
        if self.account is not None:
            self.sight.observe(self.account)
        return now_ms

    def notify(self) -> None:
        """Tell the listeners that something may have changed."""
        for listener in self.listeners:
            listener()

    def _settle_account(self, until_ms: int) -> None:
        if self.account is not None:
            settle_until(self.account, until_ms)
