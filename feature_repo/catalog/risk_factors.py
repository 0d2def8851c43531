"""Declaration of the risk factors: daily buckets, and exposures to the returns of the buckets."""

from __future__ import annotations

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.timeline import DAY

_SCORE = "null unless 90% of the minutes of the last two days exist"
_TERCILE = _SCORE + ", or for fewer than three assets that have them"
_WINDOW = (
    "null unless 90% of the window's minutes have a return of the asset and of every factor; where one of these is "
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
        Feature(
            name="liquidity_score",
            formula="mean trades per minute over risk_days; quote volume where trades are not told",
            unit="1/min or USDT/min",
            lookback_bars=1,
            inputs=_INPUTS,
            nulls=_SCORE,
            lower=0.0,
        ),
        Feature(
            name="beta",
            formula="cov(r, r_market) / var(r_market) of 1m returns over risk_days",
            unit="ratio",
            lookback_bars=1,
            inputs=_INPUTS,
            nulls=_SCORE,
        ),
        Feature(
            name="momentum_score",
            formula="Σ of rolling returns over 60, 120, 180, 360 and 720 minutes, mean of the last day",
            unit="fraction",
            lookback_bars=1,
            inputs=_INPUTS,
            nulls=_SCORE,
        ),
        *(
            Feature(
                name=f"{kind}_bucket",
                formula=f"tercile of {score}: 0 low, 1 medium, 2 high",
                unit="0–2",
                lookback_bars=1,
                inputs=_INPUTS,
                nulls=_TERCILE,
                lower=0.0,
                upper=2.0,
            )
            for kind, score in _SCORED
        ),
    ),
)


def _design(prefix: str, text: str, factors: tuple[str, ...]) -> tuple[Feature, ...]:
    exposures = (
        Feature(
            name=f"{prefix}_const",
            formula=f"intercept of the {text}",
            unit="fraction per min",
            lookback_bars=24,
            inputs=_INPUTS,
            nulls=_WINDOW,
        ),
        *(
            Feature(
                name=f"{prefix}_{factor}",
                formula=f"coefficient of {factor} in the {text}",
                unit="ratio",
                lookback_bars=24,
                inputs=_INPUTS,
                nulls=_WINDOW,
            )
            for factor in factors
        ),
    )
    fit = (
        Feature(
            name=f"{prefix}_r2",
            formula=f"R² of the {text}",
            unit="fraction",
            lookback_bars=24,
            inputs=_INPUTS,
            nulls=_WINDOW,
            upper=1.0000001,
        ),
        Feature(
            name=f"{prefix}_adj_r2",
            formula=f"adjusted R² of the {text}",
            unit="fraction",
            lookback_bars=24,
            inputs=_INPUTS,
            nulls=_WINDOW,
            upper=1.0000001,
        ),
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
