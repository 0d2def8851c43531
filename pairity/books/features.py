"""What a book knows of a name at a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIN_BARS = 2_160
"""Hourly bars that a name needs to be in a universe: ninety days."""
MIN_FUNDING_SHARE = 0.9
TREND_DAYS = (14, 21, 28, 42)


@dataclass(frozen=True, slots=True)
class NameFeatures:
    """Features of one name at a close; None is *not known*."""

    bars: int
    """Hourly bars seen so far."""
    notional: float | None
    """Mean of close × volume over 720 hours, USDT."""
    volatility: float | None
    """Standard deviation of the last 720 hourly log returns."""
    log_returns: Mapping[int, float] = field(default_factory=dict)
    """Days → ln(close/close that many days before), for the days that are known."""
    funding_per_hour: float | None = None
    """Mean settled funding per hour over the last 168 hours."""
    funding_share: float = 0.0
    """Share of those hours whose funding is known."""


def choose_universe(features: Mapping[str, NameFeatures], size: int) -> list[str]:
    """Return the `size` names with the largest mean notional of 720 hours among those old enough, largest first.

    A name needs `MIN_BARS` bars, a notional above 0 and a volatility above 0. Equal notionals are in the order of
    names.
    """
    able = [(-(known.notional or 0.0), name) for name, known in features.items() if _is_able(known)]
    return [name for _, name in sorted(able)[:size]]


def _is_able(known: NameFeatures) -> bool:
    notional, volatility = known.notional or 0.0, known.volatility or 0.0
    return known.bars >= MIN_BARS and notional > 0 and volatility > 0
