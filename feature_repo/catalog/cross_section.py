"""Declaration of the features of one asset among all assets of the same hour."""

from __future__ import annotations

from feature_repo.catalog.policies import FULL, LOOKBACK, PER_HOUR
from feature_repo.catalog.types import Feature, View

_SHARE = "null where less than 90% of the window's hours have a value"
_ENDS = "null where either end is missing"

ASSET_CROSS_SECTION = View(
    name="asset_cross_section",
    entity="asset",
    description="One asset beside all assets with data, at hours in which at least half of those listed have data; an "
    "asset counts as listed from its first bar, and until 24 h have passed without one.",
    lookback=LOOKBACK,
    inputs=("asset_hourly", "asset_microstructure"),
    features=(
        Feature(
            name="funding_pressure",
            formula="funding_rate/funding_interval_h − median of all assets",
            unit="fraction per hour",
            lookback_bars=1,
            inputs=("funding_rate", "funding_interval_h"),
            nulls=PER_HOUR,
            lower=-0.1,
            upper=0.1,
        ),
        Feature(
            name="relative_volume",
            formula="volume_quote / mean of all assets",
            unit="ratio",
            lookback_bars=1,
            inputs=("volume_quote",),
            nulls="null where nothing traded at all",
            lower=0.0,
        ),
        Feature(
            name="turnover_ratio",
            formula="volume_quote / mean_24(volume_quote)",
            unit="ratio",
            lookback_bars=24,
            inputs=("volume_quote",),
            nulls=FULL + ", and where nothing traded in it",
            lower=0.0,
        ),
        Feature(
            name="price_efficiency",
            formula="realized_vol_1h / (ATR(14) / close)",
            unit="ratio",
            lookback_bars=15,
            inputs=("realized_vol_1h", "atr_pct"),
            nulls="null where either is, and where ATR is 0",
            lower=0.0,
        ),
        Feature(
            name="momentum_1h",
            formula="close/close[−1h] − 1",
            unit="fraction",
            lookback_bars=2,
            inputs=("close",),
            nulls=_ENDS,
            lower=-1.0,
        ),
        Feature(
            name="momentum_24h",
            formula="close/close[−24h] − 1",
            unit="fraction",
            lookback_bars=25,
            inputs=("close",),
            nulls=_ENDS,
            lower=-1.0,
        ),
        Feature(
            name="momentum_168h",
            formula="close/close[−168h] − 1",
            unit="fraction",
            lookback_bars=169,
            inputs=("close",),
            nulls=_ENDS,
            lower=-1.0,
        ),
        Feature(
            name="volatility_regime",
            formula="realized_vol_1h / mean_168(realized_vol_1h)",
            unit="ratio",
            lookback_bars=168,
            inputs=("realized_vol_1h",),
            nulls=_SHARE + ", and where it never moved",
            lower=0.0,
        ),
        Feature(
            name="assets_observed",
            formula="assets with data at that hour",
            unit="assets",
            lookback_bars=1,
            inputs=("close",),
            nulls="never null",
            dtype="int64",
            lower=1,
        ),
    ),
)
