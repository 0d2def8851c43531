"""Declaration of the signed outcomes of a pair: labels, each known only when its holding is over."""

from __future__ import annotations

from datetime import timedelta

from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.catalog.types import Feature, View
from pairity.books.outcomes import HORIZONS
from pairity.timeline import HOUR

_EVERY = timedelta(hours=8)
WAITED = _EVERY // HOUR
"""Hours from a decision to its row beyond the holding: a holding ends an hour late, and rows come every eight."""
FEE_BPS, SLIPPAGE_BPS = 5.0, 1.0
"""Taker fee and slippage a side that are taken off, basis points."""
_MONTH = 720


def _outcome(side: str, hours: int) -> Feature:
    held = "a long and b short" if side == "long" else "a short and b long"
    return Feature(
        name=f"{side}_{hours}h",
        formula=f"net outcome of {held}, decided {hours + WAITED} h before and held for {hours} h",
        unit="fraction of the gross",
        lookback_bars=(hours + WAITED + _MONTH) * HOUR // _EVERY + 1,
        inputs=("open", "close", "funding"),
        nulls="null where an open or the volatility at the decision is missing, or the funding of less than 90% of the "
        "holding is known",
        lower=-100.0,
        upper=100.0,
    )


PAIR_OUTCOMES = View(
    name="pair_outcomes",
    entity="pair_id",
    description="What holdings of one pair that are over earned after costs of 6 bps a side and funding, both ways: "
    "labels of past decisions, at 00:00, 08:00 and 16:00 UTC. a = base asset, b = quote asset, legs ∝ 1/volatility.",
    lookback=LONG_LOOKBACK,
    inputs=("asset_hourly", "candles_1m", "candles_1h", "trade_bars_1m", "funding"),
    every=_EVERY,
    features=tuple(_outcome(side, hours) for hours in HORIZONS for side in ("long", "short")),
)
