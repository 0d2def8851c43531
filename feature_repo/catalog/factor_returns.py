"""Declaration of the returns of the risk factors, one row an hour for the whole market."""

from __future__ import annotations

from feature_repo.catalog.policies import LOOKBACK
from feature_repo.catalog.risk_factors import BUCKETS10, SPREADS4
from feature_repo.catalog.types import Feature, View

_NULLS = "null unless 90% of the hour's minutes have it: before the first buckets, and with fewer than three assets"
_INPUTS = ("candles_1m",)
SPREADS = SPREADS4[1:]
"""The high-minus-low spreads; the fourth spread of the design is the market itself."""


def _return(name: str, formula: str) -> Feature:
    return Feature(
        name=name,
        formula=formula,
        unit="fraction",
        lookback_bars=1,
        inputs=_INPUTS,
        nulls=_NULLS,
        lower=-5.0,
        upper=5.0,
    )


FACTOR_RETURNS = View(
    name="factor_returns",
    entity="venue",
    description="Returns of the risk factors in one hour: the market, the nine terciles, and the spreads of high minus "
    "low. The entity is the venue whose minutes they are made of.",
    lookback=LOOKBACK,
    inputs=_INPUTS,
    features=(
        *(_return(name, f"Σ of the hour's minute returns of {name}, buckets of the day") for name in BUCKETS10),
        *(_return(name, f"Σ of the hour's minute returns of {name}_high − {name}_low") for name in SPREADS),
        Feature(
            name="assets_observed",
            formula="assets with a minute in the hour",
            unit="assets",
            lookback_bars=1,
            inputs=_INPUTS,
            nulls="never null",
            dtype="int64",
            lower=1,
        ),
    ),
)
