"""Declaration of the slow features of a pair: how far its price ratio stands from its usual place."""

from __future__ import annotations

from datetime import timedelta

from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.timeline import HOUR

_EVERY = timedelta(hours=8)
Z_HOURS = (72, 168, 360, 720, 1_080)
HEDGE_HOURS = 720
_SHARE = "null where fewer than 90% of the window's hours have both assets"


def _bars(hours: int) -> int:
    return hours * HOUR // _EVERY


PAIR_BOOKS = View(
    name="pair_books",
    entity="pair_id",
    description="Slow features of one pair at 00:00, 08:00 and 16:00 UTC: a = base asset, b = quote asset, "
    "d = ln close_a − ln close_b at every hour.",
    lookback=LONG_LOOKBACK,
    inputs=("asset_hourly", "candles_1m", "candles_1h", "trade_bars_1m"),
    every=_EVERY,
    features=(
        *(
            Feature(
                name=f"z_{hours}h",
                formula=f"(d − mean of d)/std of d over {hours} hours (ddof 1)",
                unit="σ",
                lookback_bars=_bars(hours),
                inputs=("close",),
                nulls=_SHARE + ", and where d is constant over it (to 1e-12)",
                # No z-score of n values exceeds (n − 1)/√n < √n (Samuelson, 1968).
                lower=-(hours**0.5),
                upper=hours**0.5,
            )
            for hours in Z_HOURS
        ),
        Feature(
            name=f"hedge_ratio_{HEDGE_HOURS}h",
            formula=f"slope of ln close_a on ln close_b over {HEDGE_HOURS} hours (OLS with intercept)",
            unit="ratio",
            lookback_bars=_bars(HEDGE_HOURS),
            inputs=("close",),
            nulls=_SHARE + ", and where ln close_b is constant over it (to 1e-12)",
        ),
    ),
)
