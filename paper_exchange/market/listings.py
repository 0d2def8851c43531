"""Which instruments of a market are listed at an instant: a market begins with some, and others follow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from paper_exchange.market.market import Instrument, Market


@runtime_checkable
class LateListings(Protocol):
    """A market that lists instruments while it plays."""

    every_instrument: Mapping[str, Instrument]
    """All of the span, those that are not listed yet included."""

    def follow(self, now_ms: Callable[[], int]) -> None:
        """Show from here on only what is listed at the instant that `now_ms` says."""
        ...


class Listings:
    """Instruments by id in the order of their listing; who is there at the market's start comes first, by name.

    The venue's codes of instruments are places in this order: a new listing changes none of them.
    """

    def __init__(self, instruments: Mapping[str, Instrument], start_ms: int) -> None:
        order = sorted((max(item.list_ms, start_ms), name) for name, item in instruments.items())
        self._listed_ms = [listed_ms for listed_ms, _ in order]
        self.every: Mapping[str, Instrument] = {name: instruments[name] for _, name in order}
        self.now_ms: Callable[[], int] | None = None
        """The clock; without one everything is listed."""
        self._present: Mapping[str, Instrument] = {}

    def at_present(self) -> Mapping[str, Instrument]:
        """Return what is listed now; the same mapping until another instrument is listed."""
        if self.now_ms is None:
            return self.every
        count = bisect_right(self._listed_ms, self.now_ms())
        if count != len(self._present):
            self._present = {name: self.every[name] for name in [*self.every][:count]}
        return self._present


def list_every(market: Market) -> Mapping[str, Instrument]:
    """Return all instruments of a market, those that are not listed yet included."""
    return market.every_instrument if isinstance(market, LateListings) else market.instruments


def follow_listings(market: Market, now_ms: Callable[[], int]) -> None:
    """Let a market that lists instruments while it plays follow a clock; others stay as they are."""
    if isinstance(market, LateListings):
        market.follow(now_ms)
