"""Declaration of the lagged returns of one asset."""

from __future__ import annotations

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.types import Feature, View

LAGS = 5
_ENDS = "null where either end is missing"

ASSET_LAGS = View(
    name="asset_lags",
    entity="asset",
    description="Logarithmic return of the last hour and of those before: what a lag model regresses on.",
    lookback=LOOKBACK,
    inputs=("asset_hourly",),
    features=(
        Feature(
            name="log_return",
            formula="ln(close/close[−1h])",
            unit="ln",
            lookback_bars=2,
            inputs=("close",),
            nulls=_ENDS,
        ),
        *(
            Feature(
                name=f"log_return_lag_{lag}",
                formula=f"log_return {lag} h before",
                unit="ln",
                lookback_bars=lag + 2,
                inputs=("close",),
                nulls=_ENDS,
            )
            for lag in range(1, LAGS + 1)
        ),
    ),
)
