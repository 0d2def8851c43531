"""Declaration of the distance from VWAP in bars of several hours, on which a daily ranking decides."""

from __future__ import annotations

from datetime import timedelta

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.types import Feature, View

_BARS = ("asset_hourly",)
_WINDOW = "null unless every bar of the window has a close (a missing bar carries the last, for a day at most)"
_BAR = "never null: a row exists for bars with at least one hour"


def _of_window(
    name: str,
    formula: str,
    unit: str,
    *,
    lower: float | None = None,
    upper: float | None = None,
    bars: int = 6,
    nulls: str = _WINDOW,
) -> Feature:
    return Feature(
        name=name, formula=formula, unit=unit, lookback_bars=bars, inputs=_BARS, nulls=nulls, lower=lower, upper=upper
    )


ASSET_VWAP_DISTANCE = View(
    name="asset_vwap_distance",
    entity="asset",
    description="Bars of vwap.bar_hours on the wall clock of vwap.time_zone, their distance from VWAP over "
    "vwap.window_bars, and the rank of that distance among all assets.",
    lookback=LOOKBACK,
    inputs=_BARS,
    every=timedelta(hours=4),
    features=(
        Feature(
            name="close",
            formula="close of the bar's last hour",
            unit="USDT",
            lookback_bars=1,
            inputs=_BARS,
            nulls=_BAR,
            lower=0.0,
        ),
        Feature(
            name="hours_observed",
            formula="hours of the bar that exist (4; 3 and 5 where clocks change; fewer: a short bar)",
            unit="hours",
            lookback_bars=1,
            inputs=_BARS,
            nulls="never null",
            dtype="int64",
            lower=1,
        ),
        _of_window("central", "(o + h + l + c) / 4", "USDT", lower=0.0, bars=1, nulls=_BAR),
        _of_window(
            "vwap",
            "Σ central·volume / Σ volume over the window; carried bars have no volume",
            "USDT",
            lower=0.0,
            nulls=_WINDOW + ", or nothing traded in it",
        ),
        _of_window("vwap_simple", "mean of central over the window", "USDT", lower=0.0),
        _of_window(
            "dist_from_vwap", "100·(c − vwap) / vwap", "%", lower=-100.0, nulls=_WINDOW + ", or nothing traded in it"
        ),
        _of_window("notional", "central·volume", "USDT", lower=0.0, bars=1, nulls=_BAR),
        _of_window("avg_notional", "mean of notional over the window", "USDT", lower=0.0),
        _of_window("realized_var", "Σ (ln c/c[−1])² over the window", "fraction²", lower=0.0, bars=7),
        _of_window("realized_vol", "100·√(365·realized_var)", "% per year", lower=0.0, bars=7),
        _of_window("exp_vol", "realized_vol / √365", "% per day", lower=0.0, bars=7),
        _of_window("rolling_return", "100·(last close / first close of the window − 1)", "%", lower=-100.0),
        _of_window(
            "sharpe",
            "rolling_return / (std of the window's w − 1 changes in % · √(w − 1))",
            "ratio",
            nulls=_WINDOW + ", or the close did not move",
        ),
        _of_window(
            "ranked_dist",
            "percentile rank of dist_from_vwap among all assets (equal ones share the mean rank)",
            "0–1",
            lower=0.0,
            upper=1.0,
            nulls="null where dist_from_vwap is",
        ),
        Feature(
            name="assets_ranked",
            formula="assets with a distance at that close",
            unit="assets",
            lookback_bars=1,
            inputs=_BARS,
            nulls="never null",
            dtype="int64",
            lower=0,
        ),
    ),
)
