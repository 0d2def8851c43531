"""Hourly bars of one asset."""

from __future__ import annotations

from feature_repo.catalog.policies import FULL, FUNDING, INFLOW, LOOKBACK
from feature_repo.catalog.types import Feature, View


def _bar(name: str, formula: str, unit: str, lower: float | None = None) -> Feature:
    return Feature(name, formula, unit, 1, ("candles_1m",), "null where the hour has no minute", lower=lower)


ASSET_HOURLY = View(
    name="asset_hourly",
    entity="asset",
    description="Hourly bars of one perpetual swap, with volatility, range, funding and inflow.",
    lookback=LOOKBACK,
    inputs=("candles_1m", "candles_1h", "funding", "inflow"),
    features=(
        _bar("open", "first minute's open", "USDT", 0.0),
        _bar("high", "max of the minutes' highs", "USDT", 0.0),
        _bar("low", "min of the minutes' lows", "USDT", 0.0),
        _bar("close", "last minute's close", "USDT", 0.0),
        _bar("volume_base", "Σ volume", "coins", 0.0),
        _bar("volume_quote", "Σ quote volume, or Σ (h+l+c)/3·volume where the venue gives none", "USDT", 0.0),
        Feature("minutes_observed", "minutes present in the hour (60 for a native hourly bar)", "minutes", 1,
                ("candles_1m",), "never null", dtype="int64", lower=0, upper=60),
        Feature("return_1h", "close/close[−1h] − 1", "fraction", 2, ("close",), "null where either close is missing",
                lower=-1.0),
        Feature("realized_vol_24h", "std of return_1h over 24 bars (ddof 1)", "fraction per √h", 25, ("close",), FULL,
                lower=0.0),
        Feature("atr_14", "mean true range over 14 bars", "USDT", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("atr_pct", "atr_14 / close", "fraction", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("funding_rate", "last settled funding rate known at the close", "fraction per interval", 1,
                ("funding",), FUNDING, lower=-0.05, upper=0.05),
        Feature("inflow", "coins that flowed to exchanges in the last day complete at the close", "coins", 1,
                ("inflow",), INFLOW),
    ),
)  # fmt: skip
