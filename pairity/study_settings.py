"""Settings of studies: what `pairity lags` looks at unless its options say otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from pairity.setting_types import Asset, Fraction, Section
from pairity.timeline import DAY, HOUR, MINUTE

BarInterval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
_UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}


def measure_interval(interval: BarInterval) -> timedelta:
    """Return the size of a bar.

    >>> measure_interval("15m"), measure_interval("1d")
    (datetime.timedelta(seconds=900), datetime.timedelta(days=1))
    """
    return int(interval[:-1]) * _UNITS[interval[-1]]


class LagSettings(Section):
    """The lag study: the next return of one asset regressed on its last ones."""

    symbol: Asset = "BTC"
    horizon_bars: Annotated[int, Field(ge=1, le=1000)] = 1
    """Bars over which the return is forecast, and over which each lagged return reaches."""
    count: Annotated[int, Field(ge=1, le=100)] = 5
    """Number of lagged returns, newest first."""
    test_share: Fraction = 0.25
    """Share of the decisions, the newest ones, that the model is tested on."""
    model: Literal["linear", "boosted"] = "linear"
