"""What a book knows of a name at a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

MIN_BARS = 2_160
"""Hourly bars that a name needs to be in a universe: ninety days."""
MIN_FUNDING_SHARE = 0.9
TREND_DAYS = (14, 21, 28, 42)


@dataclass(frozen=True, slots=True)
class NameFeatures:
    """Features of one name at a close; None is *not known*."""

    bars: int
    """Hourly bars of the last 2,400 hours."""
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


def make_name_features(bars: int, read: Callable[[str], float | None]) -> NameFeatures:
    """Return what a row of `asset_books` says; `read` returns a column of it, None where it is null."""
    return NameFeatures(
        bars=bars,
        notional=read("notional"),
        volatility=read("volatility"),
        log_returns={days: known for days in TREND_DAYS if (known := read(f"return_{days}d")) is not None},
        funding_per_hour=read("funding_7d"),
        funding_share=read("funding_share_7d") or 0.0,
    )


def choose_universe(features: Mapping[str, NameFeatures], size: int) -> list[str]:
    """Return the `size` names with the largest mean notional of 720 hours among those old enough, largest first."""
    return rank_universe((name, one.bars, one.notional, one.volatility) for name, one in features.items())[:size]


def rank_universe(names: Iterable[tuple[str, int, float | None, float | None]]) -> list[str]:
    """Return the names that can be in a universe, the largest first, of (name, bars, notional, volatility).

    A name needs `MIN_BARS` bars, a notional above 0 and a volatility above 0. Equal notionals are in the order of
    names.
    """
    able = [
        (-(notional or 0.0), name)
        for name, bars, notional, volatility in names
        if bars >= MIN_BARS and (notional or 0.0) > 0 and (volatility or 0.0) > 0
    ]
    return [name for _, name in sorted(able)]
