"""Declaration of the hourly microstructure of one asset."""

from __future__ import annotations

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.types import Feature, View

_MINUTES = "null where the hour has no minute bars"
_TRADED = _MINUTES + " or no volume"


def _feature(
    name: str,
    formula: str,
    unit: str,
    source: tuple[str, ...],
    nulls: str,
    *,
    lower: float | None = None,
    upper: float | None = None,
    bars: int = 1,
) -> Feature:
    return Feature(
        name=name, formula=formula, unit=unit, lookback_bars=bars, inputs=source, nulls=nulls, lower=lower, upper=upper
    )


_1M = ("candles_1m",)
ASSET_MICROSTRUCTURE = View(
    name="asset_microstructure",
    entity="asset",
    description="How one hour was traded: from its minutes, samples and collected snapshots.",
    lookback=LOOKBACK,
    inputs=(
        "asset_hourly",
        "candles_1m",
        "funding",
        "index_1h",
        "open_interest",
        "trade_bars_1m",
        "taker_volume_1h",
        "book_tops",
        "liquidations",
    ),
    features=(
        _feature(
            "vwap",
            "Σ p·v / Σ v over the hour's minutes, p·v = quote volume, or (h+l+c)/3·v where not given",
            "USDT",
            _1M,
            _TRADED,
            lower=0.0,
        ),
        _feature("vwap_deviation", "(close − vwap) / vwap", "fraction", _1M, _TRADED, lower=-1.0),
        _feature(
            "realized_vol_1h",
            "std(1m returns, the first from the minute before) · √60",
            "fraction per √h",
            _1M,
            "null for fewer than 2 returns between neighbouring minutes",
            lower=0.0,
            bars=2,
        ),
        _feature(
            "volume_cv", "std(v) / mean(v) over the minutes", "ratio", _1M, _TRADED + ", or a single minute", lower=0.0
        ),
        _feature(
            "taker_buy_ratio",
            "Σ taker-buy volume / Σ volume: of candles, else trade bars, else taker volumes",
            "fraction",
            ("candles_1m", "trade_bars_1m", "taker_volume_1h"),
            "null where no source tells the taker's side, or nothing traded",
            lower=0.0,
            upper=1.0000001,  # a ratio of two sums of the same parts may exceed 1 by rounding
        ),
        _feature(
            "parkinson_vol",
            "√(60 · mean(ln(h/l)²) / (4 ln 2)) (Parkinson 1980)",
            "fraction per √h",
            _1M,
            _MINUTES,
            lower=0.0,
        ),
        _feature(
            "garman_klass_vol",
            "√(60 · mean(ln(h/l)²/2 − (2 ln 2 − 1)·ln(c/o)²)) (Garman & Klass 1980)",
            "fraction per √h",
            _1M,
            _MINUTES + ", or the mean is negative",
            lower=0.0,
        ),
        _feature(
            "amihud",
            "mean(|r| / quote volume) over the traded minutes (Amihud 2002)",
            "1/USDT",
            _1M,
            "null where no traded minute has a return",
            lower=0.0,
            bars=2,
        ),
        _feature(
            "roll_spread",
            "2·√(−cov(Δp, Δp[−1])) of the minutes' closes (Roll 1984)",
            "USDT",
            _1M,
            "null where the covariance is not negative, or for fewer than 2 pairs of changes",
            lower=0.0,
            bars=2,
        ),
        _feature(
            "funding_interval_h",
            "hours between the last two settlements",
            "hours",
            ("funding",),
            "null before the second settlement, across a hole or what may be one, and when it is older than 24 h",
            lower=0.0,
        ),
        _feature(
            "basis",
            "close / index close − 1",
            "fraction",
            ("candles_1m", "candles_1h", "index_1h"),
            "null without the index bar of that hour",
            lower=-1.0,
        ),
        _feature(
            "open_interest",
            "last sample known at the close",
            "coins",
            ("open_interest",),
            "null where the last sample is older than 25 h",
            lower=0.0,
        ),
        _feature(
            "open_interest_change_24h",
            "open_interest / open_interest[−24h] − 1",
            "fraction",
            ("open_interest",),
            "null where either sample is missing, or the earlier one is 0",
            lower=-1.0,
            bars=25,
        ),
        _feature(
            "book_spread_bps",
            "(ask − bid) / mid · 10⁴ at the hour's last snapshot",
            "bps",
            ("book_tops",),
            "null where no snapshot was collected in the hour",
        ),
        _feature(
            "depth_imbalance",
            "(bid − ask) / (bid + ask) sizes at the top of the last snapshot",
            "−1…1",
            ("book_tops",),
            "null where no snapshot was collected in the hour",
            lower=-1.0,
            upper=1.0,
        ),
        _feature(
            "depth_imbalance_20",
            "the same over the first 20 levels",
            "−1…1",
            ("book_tops",),
            "null where no snapshot with depth was collected in the hour",
            lower=-1.0,
            upper=1.0,
        ),
        _feature(
            "liquidation_notional",
            "Σ liquidated notional of the hour, both sides",
            "USDT",
            ("liquidations",),
            "null where none was seen in the hour: there were none, or nothing was collected",
            lower=0.0,
        ),
        Feature(
            name="minutes_observed",
            formula="minute bars in the hour",
            unit="minutes",
            lookback_bars=1,
            inputs=_1M,
            nulls="never null",
            dtype="int64",
            lower=0,
            upper=60,
        ),
    ),
)
