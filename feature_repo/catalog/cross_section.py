"""One asset among all assets of the same hour."""

from __future__ import annotations

from feature_repo.catalog.policies import FULL, LOOKBACK
from feature_repo.catalog.types import Feature, View

_SHARE = "null where less than 90 % of the window's hours have a value"
_ENDS = "null where either end is missing"

ASSET_CROSS_SECTION = View(
    name="asset_cross_section",
    entity="asset",
    description="One asset beside all assets with data, at hours in which at least half of those listed have data; an "
    "asset counts as listed from its first bar, and until 24 h have passed without one.",
    lookback=LOOKBACK,
    inputs=("asset_hourly", "asset_microstructure"),
    features=(
        Feature("funding_pressure", "funding_rate − median of all assets", "fraction per interval", 1,
                ("funding_rate",), "null where the rate is", lower=-0.1, upper=0.1),
        Feature("relative_volume", "volume_quote / mean of all assets", "ratio", 1, ("volume_quote",),
                "null where nothing traded at all", lower=0.0),
        Feature("turnover_ratio", "volume_quote / mean_24(volume_quote)", "ratio", 24, ("volume_quote",),
                FULL + ", and where nothing traded in it", lower=0.0),
        Feature("price_efficiency", "realized_vol_1h / (ATR(14) / close)", "ratio", 15,
                ("realized_vol_1h", "atr_pct"), "null where either is, and where ATR is 0", lower=0.0),
        Feature("momentum_1h", "close/close[−1h] − 1", "fraction", 2, ("close",), _ENDS, lower=-1.0),
        Feature("momentum_24h", "close/close[−24h] − 1", "fraction", 25, ("close",), _ENDS, lower=-1.0),
        Feature("momentum_168h", "close/close[−168h] − 1", "fraction", 169, ("close",), _ENDS, lower=-1.0),
        Feature("volatility_regime", "realized_vol_1h / mean_168(realized_vol_1h)", "ratio", 168, ("realized_vol_1h",),
                _SHARE + ", and where it never moved", lower=0.0),
        Feature("assets_observed", "assets with data at that hour", "assets", 1, ("close",), "never null",
                dtype="int64", lower=1),
    ),
)  # fmt: skip
