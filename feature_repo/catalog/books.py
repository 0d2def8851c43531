"""Declaration of what books rank names by: slow features of one asset, and the universe that they make."""

from __future__ import annotations

from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.books.features import MIN_BARS
from pairity.timeline import HOUR

_BARS = ("close",)
_TRADED = ("close", "volume_base")
_SHARE = "null where less than 90% of the window's hours have a value"
_ENDS = "null where either close is missing"
_FUNDING_SHARE = "null where the hours of less than 90% of the window are known"
RETURN_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90)
FUNDING_DAYS = (3, 7, 30)
VWAP_HOURS = (24, 72, 168, 720)
MONTH = 720
"""Hours of volatility, notional and all else that is of thirty days."""


def _feature(
    name: str,
    formula: str,
    unit: str,
    bars: int,
    inputs: tuple[str, ...] = _BARS,
    nulls: str = _SHARE,
    *,
    lower: float | None = None,
    upper: float | None = None,
) -> Feature:
    return Feature(
        name=name, formula=formula, unit=unit, lookback_bars=bars, inputs=inputs, nulls=nulls, lower=lower, upper=upper
    )


ASSET_BOOKS = View(
    name="asset_books",
    entity="asset",
    description="Slow features of one asset, of an hour to ninety days: what books choose their universe and rank "
    "names by. Of the rows of `asset_hourly` that validation accepts, and of settled funding.",
    lookback=LONG_LOOKBACK,
    inputs=("asset_hourly", "candles_1m", "candles_1h", "trade_bars_1m", "funding"),
    features=(
        Feature(
            name="bars",
            formula="bars of the last 2,400 h",
            unit="bars",
            lookback_bars=LONG_LOOKBACK // HOUR,
            inputs=_BARS,
            nulls="never null",
            dtype="int64",
            lower=1,
            upper=LONG_LOOKBACK // HOUR,
        ),
        _feature("notional", "mean_720(close·volume_base)", "USDT per hour", MONTH, _TRADED, lower=0.0),
        _feature("volatility", "std of ln(close/close[−1h]) over 720 bars (ddof 1)", "ln per √h", MONTH + 1, lower=0.0),
        _feature("volatility_shock", "ln(std of the last 168 of these returns / volatility)", "ln", MONTH + 1),
        *(
            _feature(f"return_{days}d", f"ln(close/close[−{24 * days}h])", "ln", 24 * days + 1, nulls=_ENDS)
            for days in RETURN_DAYS
        ),
        *(
            _feature(
                f"funding_{days}d",
                f"Σ of the rates settled in the last {24 * days} h / the hours that they stand for",
                "fraction per hour",
                24 * days,
                ("funding",),
                _FUNDING_SHARE,
                lower=-0.05,
                upper=0.05,
            )
            for days in FUNDING_DAYS
        ),
        *(
            _feature(
                f"funding_share_{days}d",
                f"hours of the last {24 * days} that a settlement stands for, over {24 * days}",
                "0–1",
                24 * days,
                ("funding",),
                "never null",
                lower=0.0,
                upper=1.0,
            )
            for days in FUNDING_DAYS
        ),
        *(
            _feature(
                f"vwap_distance_{hours}h",
                f"ln(close / (Σ close·volume_base / Σ volume_base over {hours} h))",
                "ln",
                hours,
                _TRADED,
                _SHARE + ", or nothing traded in it",
            )
            for hours in VWAP_HOURS
        ),
        *(
            _feature(
                f"volume_shock_{days}d",
                f"ln(mean_{24 * days}(close·volume_base) / notional)",
                "ln",
                MONTH,
                _TRADED,
                _SHARE + ", or nothing traded in it",
            )
            for days in (1, 7)
        ),
        _feature("drawdown_30d", "ln(close / highest close of 720 h)", "ln", MONTH, upper=0.0),
        _feature(
            "daily_range_30d",
            "mean of ln(highest / lowest close) of the last thirty times 24 h",
            "ln",
            MONTH,
            nulls="null where fewer than 27 of the days have a close",
            lower=0.0,
        ),
        _feature(
            "daily_skew_30d",
            "m₃ / m₂^1.5 of the last thirty ln(close/close[−24h]), m_k = mean of the k-th power of the deviations",
            "ratio",
            MONTH + 1,
            nulls="null where fewer than 27 of the returns are known, and where they do not differ",
        ),
    ),
)

ASSET_UNIVERSE = View(
    name="asset_universe",
    entity="asset",
    description=f"The universe of books: assets with at least {MIN_BARS:,} bars, the largest first. A book of n names "
    "trades those with a rank of at most n.",
    lookback=LONG_LOOKBACK,
    inputs=("asset_books",),
    features=(
        Feature(
            name="universe_rank",
            formula=f"place by notional, largest first (equal ones by name), among assets with bars ≥ {MIN_BARS:,}, "
            "notional > 0 and volatility > 0",
            unit="1, 2, …",
            lookback_bars=LONG_LOOKBACK // HOUR,
            inputs=("bars", "notional", "volatility"),
            nulls="null for an asset that is not old enough, did not trade or did not move",
            lower=1.0,
        ),
        Feature(
            name="assets_in_universe",
            formula="assets with a rank at that hour",
            unit="assets",
            lookback_bars=LONG_LOOKBACK // HOUR,
            inputs=("bars", "notional", "volatility"),
            nulls="never null",
            dtype="int64",
            lower=0,
        ),
    ),
)
