"""Scores of pairs, one pair after the other and one value after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Score = tuple[Any, Any, Any, Any]
"""z, probability, why the pair is unusable, hedge ratio."""


def score_pair(
    rows: Sequence[Mapping[str, Any]],
    pair_id: str,
    closed: datetime,
    features: Sequence[str],
    predict: Callable[[Mapping[str, Any]], float],
) -> Score:
    """Score one pair from the rows that were read online."""
    row = next((row for row in rows if row["pair_id"] == pair_id), None)
    if row is None:
        return None, None, "no features online", None
    z, ratio = row["z_score"], row["hedge_ratio"]
    if row["event_timestamp"] is None:
        return z, None, "no features online", ratio
    if row["event_timestamp"] != closed:
        hours = (closed - row["event_timestamp"]).total_seconds() / 3600
        return z, None, f"stale: features are {hours:.0f} h old", ratio
    infinite = [name for name in features if isinstance(row[name], float) and math.isinf(row[name])]
    if infinite:
        return z, None, f"infinite: {', '.join(infinite)}", ratio
    return z, predict(row), None, ratio
