"""Declaration of the hourly bars and features of one asset."""

from __future__ import annotations

from feature_repo.catalog.policies import FULL, FUNDING, INFLOW, INTERVAL, LOOKBACK
from feature_repo.catalog.types import Feature, View


def _bar(name: str, formula: str, unit: str, lower: float | None = None) -> Feature:
    return Feature(
        name=name,
        formula=formula,
        unit=unit,
        lookback_bars=1,
        inputs=("candles_1m",),
        nulls="never null: an hour without minutes has the venue's own bar, one of trades, or no row",
        lower=lower,
    )


ASSET_HOURLY = View(
    name="asset_hourly",
    entity="asset",
    description="Hourly bars of one perpetual swap, with volatility, range, funding and inflow.",
    lookback=LOOKBACK,
    inputs=("candles_1m", "candles_1h", "trade_bars_1m", "funding", "inflow"),
    features=(
        _bar("open", "first minute's open", "USDT", 0.0),
        _bar("high", "max of the minutes' highs", "USDT", 0.0),
        _bar("low", "min of the minutes' lows", "USDT", 0.0),
        _bar("close", "last minute's close", "USDT", 0.0),
        _bar("volume_base", "Σ volume", "coins", 0.0),
        _bar("volume_quote", "Σ quote volume, or Σ (h+l+c)/3·volume where the venue gives none", "USDT", 0.0),
        Feature(
            name="minutes_observed",
            formula="minutes present in the hour (60 for a native hourly bar)",
            unit="minutes",
            lookback_bars=1,
            inputs=("candles_1m",),
            nulls="never null",
            dtype="int64",
            lower=0,
            upper=60,
        ),
        Feature(
            name="return_1h",
            formula="close/close[−1h] − 1",
            unit="fraction",
            lookback_bars=2,
            inputs=("close",),
            nulls="null where either close is missing",
            lower=-1.0,
        ),
        Feature(
            name="realized_vol_24h",
            formula="std of return_1h over 24 bars (ddof 1)",
            unit="fraction per √h",
            lookback_bars=25,
            inputs=("close",),
            nulls=FULL,
            lower=0.0,
        ),
        Feature(
            name="atr_14",
            formula="mean true range over 14 bars",
            unit="USDT",
            lookback_bars=15,
            inputs=("high", "low", "close"),
            nulls=FULL,
            lower=0.0,
        ),
        Feature(
            name="atr_pct",
            formula="atr_14 / close",
            unit="fraction",
            lookback_bars=15,
            inputs=("high", "low", "close"),
            nulls=FULL,
            lower=0.0,
        ),
        Feature(
            name="funding_rate",
            formula="last settled funding rate known at the close",
            unit="fraction per interval",
            lookback_bars=1,
            inputs=("funding",),
            nulls=FUNDING,
            lower=-0.05,
            upper=0.05,
        ),
        Feature(
            name="funding_interval_h",
            formula="hours between that settlement and the one before",
            unit="hours",
            lookback_bars=1,
            inputs=("funding",),
            nulls=INTERVAL,
            lower=1,
            upper=8,
        ),
        Feature(
            name="inflow",
            formula="coins that flowed to exchanges in the last day complete at the close",
            unit="coins",
            lookback_bars=1,
            inputs=("inflow",),
            nulls=INFLOW,
        ),
    ),
)
