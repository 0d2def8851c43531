"""Declaration of what models of the outcomes of pairs ask of a pair, besides its z-scores of `pair_books`."""

from __future__ import annotations

from feature_repo.catalog.pair_books import PAIR_BOOKS
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.timeline import HOUR

FORTNIGHT, MONTH = 336, 720
"""Hours of the z-score, and of the deviation."""
_EVERY = PAIR_BOOKS.every

PAIR_SPREADS = View(
    name="pair_spreads",
    entity="pair_id",
    description="Spread of one pair at 00:00, 08:00 and 16:00 UTC, for models of its outcome: a = base asset, "
    "b = quote asset, d = ln close_a − ln close_b at every hour.",
    lookback=LONG_LOOKBACK,
    inputs=PAIR_BOOKS.inputs,
    every=_EVERY,
    features=(
        Feature(
            name=f"z_{FORTNIGHT}h",
            formula=f"(d − mean of d)/std of d over {FORTNIGHT} hours (ddof 1)",
            unit="σ",
            lookback_bars=FORTNIGHT * HOUR // _EVERY,
            inputs=("close",),
            nulls="null where fewer than 90% of the window's hours have both assets, and where d is constant over it "
            "(to 1e-12)",
            lower=-(FORTNIGHT**0.5),
            upper=FORTNIGHT**0.5,
        ),
        Feature(
            name=f"spread_volatility_{MONTH}h",
            formula=f"std of d − d[−1h] over {MONTH} hours (ddof 1)",
            unit="ln per √h",
            lookback_bars=MONTH * HOUR // _EVERY + 1,
            inputs=("close",),
            nulls="null where fewer than 90% of the changes have both assets at both ends",
            lower=0.0,
        ),
    ),
)
