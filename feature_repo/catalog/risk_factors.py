"""Systematic risk factors: daily buckets, and exposures to what the buckets earn."""

from __future__ import annotations

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.timeline import DAY

_SCORE = "null unless 90 % of the minutes of the last two days exist"
_TERCILE = _SCORE + ", or for fewer than three assets that have them"
_WINDOW = (
    "null unless 90 % of the window's minutes have a return of the asset and of every factor; where one of these is "
    "flat or the factors are collinear"
)
_INPUTS = ("candles_1m",)
SPREADS4 = ("market", "liquidity", "volatility", "momentum")
BUCKETS10 = (
    "market",
    *(f"{kind}_{part}" for kind in ("liquidity", "volatility", "momentum") for part in ("low", "med", "high")),
)
FITTED = ("r2", "adj_r2")

_SCORED = (("liquidity", "liquidity_score"), ("volatility", "beta"), ("momentum", "momentum_score"))

ASSET_RISK_BUCKETS = View(
    name="asset_risk_buckets",
    entity="asset",
    description="Which tercile an asset belongs to during the day that begins at the event time, from data up to then.",
    lookback=LOOKBACK,
    inputs=_INPUTS,
    every=DAY,
    features=(
        Feature("liquidity_score", "mean trades per minute over risk_days; quote volume where trades are not told",
                "1/min or USDT/min", 1, _INPUTS, _SCORE, lower=0.0),
        Feature("beta", "cov(r, r_market) / var(r_market) of 1m returns over risk_days", "ratio", 1, _INPUTS, _SCORE),
        Feature("momentum_score", "Σ of rolling returns over 60, 120, 180, 360 and 720 minutes, mean of the last day",
                "fraction", 1, _INPUTS, _SCORE),
        *(
            Feature(f"{kind}_bucket", f"tercile of {score}: 0 low, 1 medium, 2 high", "0–2", 1, _INPUTS, _TERCILE,
                    lower=0.0, upper=2.0)
            for kind, score in _SCORED
        ),
    ),
)  # fmt: skip


def _design(prefix: str, text: str, factors: tuple[str, ...]) -> tuple[Feature, ...]:
    exposures = (
        Feature(f"{prefix}_const", f"intercept of the {text}", "fraction per min", 24, _INPUTS, _WINDOW),
        *(
            Feature(f"{prefix}_{factor}", f"coefficient of {factor} in the {text}", "ratio", 24, _INPUTS, _WINDOW)
            for factor in factors
        ),
    )
    fit = (
        Feature(f"{prefix}_r2", f"R² of the {text}", "fraction", 24, _INPUTS, _WINDOW, upper=1.0000001),
        Feature(f"{prefix}_adj_r2", f"adjusted R² of the {text}", "fraction", 24, _INPUTS, _WINDOW, upper=1.0000001),
    )
    return exposures + fit


ASSET_EXPOSURES = View(
    name="asset_exposures",
    entity="asset",
    description="Exposures of one asset to the risk factors at each hour's close, from the minutes of the last 24 h.",
    lookback=LOOKBACK,
    inputs=_INPUTS,
    features=(
        *_design("s4", "OLS on market and high-minus-low of liquidity, volatility and momentum", SPREADS4),
        *_design(
            "b10", "ridge regression (Σe² + risk_ridge·Σb², intercept free) on market and the nine terciles", BUCKETS10
        ),
    ),
)
